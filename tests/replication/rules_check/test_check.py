"""A check of rules, by what it finds of each thing that can be wrong."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_crr.replication.rules_check.check import MAX_DESTINATIONS, check_rules
from airflow_provider_crr.replication.rules_check.findings import Finding, RulesReport, Severity
from airflow_provider_crr.replication.rules_check.look import Archiving, Encryption, RoleState, Unseen, Versioning
from tests.replication.rules_check.looked import KEY, KMS, Looked, rule, tagged

CN = "arn:aws-cn:s3:::copy"
OTHER = {"Account": "222222222222"}
OWNED = {**OTHER, "AccessControlTranslation": {"Owner": "Destination"}}
DENIED = Unseen("it", "S3 answered AccessDenied. Allow it")


def check(look: Looked, *keys: str, prefixes: tuple[str, ...] = ()) -> RulesReport:
    return check_rules("landing", keys, prefixes, look)


def bad(report: RulesReport) -> list[Finding]:
    return [finding for finding in report.findings if finding.severity is not Severity.INFO]


def test_a_configuration_that_is_in_order() -> None:
    """Where nothing is wrong, nothing is said but how S3 works."""
    report = check(Looked([rule()]), "k", prefixes=("p/",))
    assert (bad(report), report.unseen) == ([], ())
    assert report.checked == {"keys": 1, "prefixes": 1, "rules": 1, "destinations": 1}
    assert [finding.what for finding in report.findings] == [
        "rules reach only what is written after them",
        "rule 'r' (prefix '') leaves out objects that are written with SSE-KMS or DSSE-KMS",
        "rule 'r' (prefix '') does not copy delete markers, nor those of lifecycle rules, nor deletes of versions",
    ]


def said(setting: str, answer: Any, bucket: str = "copy") -> dict[tuple[str, str], Any]:
    return {(bucket, setting): answer}


#: What is wrong -> (severity, rule, key, what is said in part).
RULES: dict[str, tuple[list[dict[str, Any]], tuple[str, str | None, str | None, str]]] = {
    "none": ([], ("error", None, None, "has no replication configuration")),
    "other keys": ([rule("r", "raw/")], ("error", None, "k", "no rule of bucket landing covers this key")),
    "slash": ([rule("r", "/k")], ("error", None, "k", "rule 'r' (prefix '/k') begins with a slash")),
    "disabled for the key": (
        [rule("off", Status="Disabled"), rule("on", "raw/")],
        ("error", "off", "k", "only disabled rules cover this key: rule 'off'"),
    ),
    "all disabled": ([rule(Status="Disabled")], ("error", None, None, "every rule of bucket landing is disabled")),
    "tags": ([tagged()], ("warning", "t", "k", "covered for objects with certain tags only")),
    "no destination": (
        [rule(Destination={"Bucket": ""})],
        ("error", "r", None, "names no bucket as its destination"),
    ),
    "itself": (
        [rule(Destination={"Bucket": "arn:aws:s3:::landing"})],
        ("error", "r", None, "has its own bucket for destination"),
    ),
    "partition": ([rule(Destination={"Bucket": CN})], ("error", "r", None, "in another partition (aws-cn, not aws)")),
    "no metrics": (
        [rule(Destination={"Metrics": {"Status": "Disabled"}})],
        ("warning", "r", None, "has no replication metrics"),
    ),
    "archived replicas": (
        [rule(Destination={"StorageClass": "DEEP_ARCHIVE"})],
        ("warning", "r", None, "stores the replicas as DEEP_ARCHIVE"),
    ),
    "KMS without key": ([rule(**KMS)], ("error", "r", None, "names no key for their replicas")),
    "AWS's key elsewhere": (
        [
            rule(
                **KMS,
                Destination={
                    **OWNED,
                    "EncryptionConfiguration": {"ReplicaKmsKeyID": "arn:aws:kms:eu-west-1:222222222222:alias/aws/s3"},
                },
            )
        ],
        ("error", "r", None, "with alias/aws/s3 in another account"),
    ),
    "owner": ([rule(Destination=OTHER)], ("info", "r", None, "to the owner of the source")),
    "owner without account": (
        [rule(Destination={"AccessControlTranslation": {"Owner": "Destination"}})],
        ("error", "r", None, "does not say who that is"),
    ),
}


@pytest.mark.parametrize("case", RULES)
def test_what_rules_say(case: str) -> None:
    """Each thing that can be wrong with rules is found, with its severity and its rule or key, and with a remedy."""
    rules, (severity, name, key, what) = RULES[case]
    (found,) = [finding for finding in check(Looked(rules), "k").findings if what in finding.what]
    assert (found.severity, found.rule, found.key) == (severity, name, key)
    assert found.remedy


SETTINGS: dict[str, tuple[dict[str, Any], dict[tuple[str, str], Any], tuple[str, str | None, str]]] = {
    "source suspended": (
        rule(),
        said("versioning", Versioning.SUSPENDED, "landing"),
        ("error", None, "versioning of bucket landing is suspended"),
    ),
    "source never versioned": (
        rule(),
        said("versioning", Versioning.NEVER, "landing"),
        ("error", None, "versioning of bucket landing is not enabled"),
    ),
    "gone": (rule(), said("versioning", Versioning.GONE), ("error", "r", "does not exist (DstBucketNotFound)")),
    "suspended": (
        rule(),
        said("versioning", Versioning.SUSPENDED),
        ("error", "r", "whose versioning is suspended (DstBucketUnversioned)"),
    ),
    "never versioned": (
        rule(),
        said("versioning", Versioning.NEVER),
        ("error", "r", "whose versioning is not enabled (DstBucketUnversioned)"),
    ),
    "destination unseen": (rule(), said("versioning", DENIED), ("warning", "r", "cannot be seen: S3 answered")),
    "KMS by default": (
        rule(),
        said("encryption", Encryption("aws:kms"), "landing"),
        ("error", "r", "bucket landing encrypts with aws:kms by default"),
    ),
    "DSSE-KMS by default": (
        rule(),
        said("encryption", Encryption("aws:kms:dsse"), "landing"),
        ("error", "r", "bucket landing encrypts with aws:kms:dsse by default"),
    ),
    "key in another Region": (
        rule(**KMS, Destination=KEY),
        said("region", "us-east-1"),
        ("error", "r", "a key in eu-west-1, and the destination is in us-east-1 (DstKmsKeyNotFound)"),
    ),
    "bucket key of the source": (
        rule(**KMS, Destination=KEY),
        said("encryption", Encryption("aws:kms", bucket_key=True), "landing"),
        ("info", "r", "with an S3 Bucket Key on the way"),
    ),
    "bucket key of the destination": (
        rule(**KMS, Destination=KEY),
        said("encryption", Encryption("aws:kms", bucket_key=True)),
        ("info", "r", "with an S3 Bucket Key on the way"),
    ),
    "Object Lock": (
        rule(),
        said("object_lock", True, "landing"),
        ("error", "r", "without Object Lock, which the source has (DstBucketObjectLockConfigMissing)"),
    ),
    "requester pays": (
        rule(Destination=OWNED),
        said("requester_pays", True),
        ("error", "r", "a requester-pays bucket of another account"),
    ),
}


@pytest.mark.parametrize("case", SETTINGS)
def test_what_buckets_say(case: str) -> None:
    """Each setting of source or destination that keeps objects from being replicated is found, once, with a remedy."""
    each, settings, (severity, name, what) = SETTINGS[case]
    report = check(Looked([each], settings), "k", "l")
    (found,) = [finding for finding in report.findings if what in finding.what]
    assert (found.severity, found.rule, found.key) == (severity, name, None)
    assert set(bad(report)) <= {found}
    assert found.remedy


def test_what_is_in_order_with_kms_lock_and_other_accounts() -> None:
    """A key in the destination's Region, Object Lock on both sides and an owner override are in order."""
    settings = {
        ("landing", "encryption"): Encryption("aws:kms"),
        ("landing", "object_lock"): True,
        ("copy", "object_lock"): True,
    }
    report = check(Looked([rule(**KMS, Destination={**OWNED, **KEY})], settings), "k")
    assert bad(report) == []


@pytest.mark.parametrize(
    ("keys", "prefixes", "told"),
    [
        ((), (), True),
        (("k", "raw/1"), (), True),
        (("k",), (), False),
        ((), ("raw/2026/",), True),
        ((), ("r",), True),
        ((), ("else/",), False),
    ],
)
def test_lifecycle_rules_that_archive_are_told(keys: tuple[str, ...], prefixes: tuple[str, ...], told: bool) -> None:
    """A lifecycle rule that moves what was named to where S3 does not replicate from is told, with when it does."""
    archiving = (Archiving("old", "raw/", "after 30 days", "GLACIER"),)
    report = check(Looked([rule()], said("archivings", archiving, "landing")), *keys, prefixes=prefixes)
    found = [finding for finding in report.findings if "lifecycle rule 'old'" in finding.what]
    assert [finding.severity for finding in found] == [Severity.INFO] * told
    assert all("to GLACIER after 30 days" in finding.what for finding in found)


def test_what_the_source_does_is_told_beside_a_destination_that_is_gone() -> None:
    """A destination that is gone hides nothing that is wrong at the source, and is asked about nothing else."""
    settings = {("copy", "versioning"): Versioning.GONE, ("landing", "encryption"): Encryption("aws:kms")}
    look = Looked([rule()], settings)
    assert len(bad(check(look, "k"))) == 2
    check(keyed := Looked([rule(**KMS, Destination=KEY)], settings), "k")
    assert {setting for bucket, setting in (*look.asked, *keyed.asked) if bucket == "copy"} == {"versioning"}


def test_a_destination_without_an_arn_has_no_partition() -> None:
    """Where a destination is no ARN, as a store may have it, nothing is said of partitions."""
    assert bad(check(Looked([rule(Destination={"Bucket": "copy"})], server=""), "k")) == []


@pytest.mark.parametrize(
    ("more", "severity", "what"),
    [
        ({"role_state": RoleState.GONE}, "error", "does not exist (AssumeRoleNotPermitted)"),
        ({"role_state": RoleState.TRUSTS_OTHERS}, "error", "does not let S3 assume it"),
        ({"role_state": DENIED}, "warning", "cannot be seen: S3 answered AccessDenied"),
        ({"role_name": ""}, "error", "names '', which is not the ARN of a role"),
        ({"role_name": "arn:aws:iam::111111111111:user/me"}, "error", "is not the ARN of a role"),
    ],
)
def test_what_is_wrong_with_the_role(more: dict[str, Any], severity: str, what: str) -> None:
    """A role that is gone, or that S3 may not assume, is an error at S3; one that cannot be seen is a warning."""
    (found,) = bad(check(Looked([rule()], **more), "k"))
    assert what in found.what
    assert (found.severity, found.rule, found.key) == (severity, None, None)


def test_a_store_that_resembles_s3_may_do_without_the_role() -> None:
    """A store that does not call itself Amazon S3 may replicate without the role, so that is a warning there."""
    (found,) = bad(check(Looked([rule()], role_state=RoleState.GONE, server=""), "k"))
    assert found.severity is Severity.WARNING


def test_rules_that_cannot_be_seen_are_never_fine() -> None:
    """Without the rules nothing is checked: that is an error, and nobody is asked anything else."""
    look = Looked(DENIED)
    report = check(look, "k")
    (found,) = report.findings
    assert found.severity is Severity.ERROR
    assert "cannot be seen, so nothing was checked: S3 answered AccessDenied" in found.what
    assert (report.unseen, look.asked, report.checked["rules"]) == ((DENIED,), [], 0)


@pytest.mark.parametrize(
    ("bucket", "setting"),
    [
        ("landing", "versioning"),
        ("landing", "encryption"),
        ("landing", "object_lock"),
        ("landing", "archivings"),
        ("copy", "versioning"),
        ("copy", "object_lock"),
        ("copy", "requester_pays"),
        ("copy", "region"),
        ("copy", "encryption"),
    ],
)
def test_what_cannot_be_seen_is_said_to_be_unseen(bucket: str, setting: str) -> None:
    """Each setting that may not be read is among what was not seen, whatever else is in order."""
    settings = {("landing", "object_lock"): True, ("copy", "object_lock"): True, (bucket, setting): DENIED}
    report = check(Looked([rule(**KMS, Destination={**OWNED, **KEY})], settings), "k")
    assert report.unseen == (DENIED,)
    assert not any(finding.severity is Severity.ERROR for finding in report.findings)
    harmless = {("landing", "encryption"), ("landing", "archivings"), ("copy", "encryption")}
    assert report.fails("warning") == ((bucket, setting) not in harmless)


@pytest.mark.parametrize("setting", ["versioning", "encryption", "object_lock"])
def test_what_could_keep_everything_from_replicating_and_cannot_be_seen_is_a_warning(setting: str) -> None:
    """What the strict check has not seen of the source it does not pass, also of a rule without KMS."""
    report = check(Looked([rule()], {("landing", setting): DENIED}), "k")
    (found,) = bad(report)
    assert found.severity is Severity.WARNING
    assert "cannot be seen" in found.what
    assert (report.fails("warning"), report.fails("error")) == (True, False)


@pytest.mark.parametrize(
    ("winner", "loser", "severity", "what"),
    [
        (rule("w", Priority=2), rule("l"), "info", "is never applied to this key: rule 'w'"),
        (rule("w", Priority=2), rule("l", **KMS, Destination=KEY), "warning", "leaves out objects encrypted with KMS"),
        (rule("w", Priority=2), rule("l", Destination=OWNED), "warning", "to the owner of the source"),
        (
            rule("w", Priority=2, Destination={"Metrics": {"Status": "Disabled"}}),
            rule("l"),
            "warning",
            "tells nobody of failures",
        ),
    ],
)
def test_shadowed_rules(winner: dict[str, Any], loser: dict[str, Any], severity: str, what: str) -> None:
    """A rule that another one shadows is told: as a warning if the other does less than it would."""
    (found,) = [finding for finding in check(Looked([winner, loser]), "k").findings if finding.rule == "l"]
    assert (found.severity, found.key) == (severity, "k")
    assert what in found.what
    assert "(2 against 1)" in found.what


def test_shadowed_rules_are_not_looked_at() -> None:
    """What is wrong with a rule that is never applied keeps nothing from being replicated, and is not told."""
    shadowed = rule("l", Destination={"StorageClass": "GLACIER"})
    report = check(Looked([rule("w", Priority=2), shadowed]), "k")
    assert (bad(report), report.checked["rules"]) == ([], 1)


def test_what_other_keys_have_is_not_told() -> None:
    """A broken destination of a rule that covers none of the keys is neither asked about nor told."""
    broken = rule("broken", "raw/", Destination={"Bucket": "arn:aws:s3:::gone"})
    look = Looked([rule("fine", "k"), broken], said("versioning", Versioning.GONE, "gone"))
    assert bad(check(look, "k")) == []
    assert not any(bucket == "gone" for bucket, _ in look.asked)
    assert "s3://gone, which does not exist" in bad(check(look))[0].what  # all rules, where no key is named


@pytest.mark.parametrize(
    ("prefix", "severity", "what"),
    [
        ("raw/2026/", None, ""),
        ("raw/", None, ""),
        ("raw", "error", "only a part of what is below this prefix is covered: rule 'raw' (prefix 'raw/')"),
        ("", "error", "only a part of what is below this prefix is covered"),
        ("else/", "error", "no rule of bucket landing covers this prefix"),
        ("off/", "error", "only disabled rules cover this prefix: rule 'off'"),
        ("tag/", "warning", "this prefix is covered for objects with certain tags only"),
        ("raw/dt=*/", "warning", "a wildcard in a prefix stands for itself"),
    ],
)
def test_prefixes(prefix: str, severity: str | None, what: str) -> None:
    """Of a prefix it is told whether all that is below it is covered."""
    rules = [
        rule("raw", "raw/"),
        rule("off", "off/", Status="Disabled"),
        tagged("tag", "tag/"),
    ]
    found = bad(check(Looked(rules), prefixes=(prefix,)))
    assert [(each.severity, each.key) for each in found] == ([] if severity is None else [(severity, prefix)])
    assert all(what in each.what for each in found)


@pytest.mark.parametrize(
    ("key", "what"),
    [
        ("raw/*", "a wildcard in a key stands for itself"),
        ("raw/", "is the marker of a folder"),
        ("k?versionId=1", "?versionId= is part of this key"),
    ],
)
def test_keys_that_are_probably_something_else(key: str, what: str) -> None:
    """What looks like a pattern, a folder or a version is a key for S3, and is told as a warning."""
    (found,) = bad(check(Looked([rule()]), key))
    assert (found.severity, found.key) == (Severity.WARNING, key)
    assert what in found.what


def test_many_keys_are_one_finding_and_no_more_questions() -> None:
    """However many keys are not covered, they are one finding, and no more is asked than for one."""
    one, many = Looked([rule("r", "raw/")]), Looked([rule("r", "raw/")])
    check(one, "raw/1")
    report = check(many, "raw/1", *(f"else/{number}" for number in range(20_000)))
    (found,) = bad(report)
    assert (found.key, found.more_keys) == ("else/0", 19_999)
    assert sorted(set(one.asked)) == sorted(set(many.asked))


def test_destinations_are_bounded() -> None:
    """Of very many destinations some are looked at; the others are said to be unseen."""
    rules = [rule(str(at), Destination={"Bucket": f"arn:aws:s3:::copy-{at}"}) for at in range(MAX_DESTINATIONS + 2)]
    look = Looked(rules)
    report = check(look, "k")
    assert len({bucket for bucket, setting in look.asked if setting == "versioning"}) == MAX_DESTINATIONS + 1
    assert [each.what for each in report.unseen] == [
        f"the destination s3://copy-{MAX_DESTINATIONS}",
        f"the destination s3://copy-{MAX_DESTINATIONS + 1}",
    ]
    assert report.checked["destinations"] == MAX_DESTINATIONS


def test_other_stores_are_not_judged_by_the_rules_of_s3() -> None:
    """On MinIO only keys, rules and versioning are judged; the rest is said to be unseen, and no role is asked for."""
    look = Looked([rule("r", "raw/", **KMS)], server="MinIO")
    report = check(look, "raw/1")
    assert (report.findings, look.asked) == ((), [("landing", "versioning")])
    assert "MinIO" in report.unseen[0].what
    assert "no rule of bucket landing covers" in check(look, "k").findings[0].what


def test_rules_of_version_1() -> None:
    """Of a rule of the older schema it is said what it does with delete markers, and what it needs to tell failures."""
    old = {"ID": "old", "Prefix": "", "Status": "Enabled", "Destination": {"Bucket": "arn:aws:s3:::copy"}}
    report = check(Looked([old]), "k")
    (metrics,) = bad(report)
    assert metrics.remedy == "Set Destination.Metrics, for which the rule needs a Filter"
    assert any("copies delete markers that users make" in finding.what for finding in report.findings)


@pytest.mark.parametrize(
    ("prefix", "what"),
    [
        ("/raw/", "begins with a slash"),
        ("s3://landing/raw/", "an S3 URI for its prefix"),
        ("raw/*", "a wildcard in its"),
    ],
)
def test_prefixes_of_rules_that_are_probably_a_mistake(prefix: str, what: str) -> None:
    """Where no key is named, a prefix that few keys begin with is told; where a key is covered by it, it is not."""
    (found,) = bad(check(Looked([rule("r", prefix)])))
    assert (found.severity, found.rule, found.key) == (Severity.WARNING, "r", None)
    assert what in found.what
    assert not [each for each in bad(check(Looked([rule("r", prefix)]), f"{prefix}1")) if each.rule]
