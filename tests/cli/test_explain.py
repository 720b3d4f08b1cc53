"""``airflow crr explain``."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from airflow_provider_crr.replication.reasons import REASONS
from airflow_provider_crr.replication.status import ObjectState
from local_aws import LocalAws
from local_aws.buckets import ReplicatedPair, replicated_pair, replication_rule, suspend_versioning
from tests.cli.conftest import Ended
from tests.cli.test_status import ANSWERS
from tests.replication.recorded import text
from tests.support.s3_server import Answer, S3Server, stored

RULES = (
    '<ReplicationConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Role>r</Role>{}'
    "</ReplicationConfiguration>"
)
RULE = (
    "<Rule><ID>{id}</ID><Status>{status}</Status><Priority>1</Priority><Filter>{filter}</Filter>"
    "<Destination><Bucket>arn:aws:s3:::{destination}</Bucket></Destination></Rule>"
)


def rule(id: str, filter: str = "<Prefix></Prefix>", status: str = "Enabled", destination: str = "copy") -> str:
    return RULE.format(id=id, filter=filter, status=status, destination=destination)


def rows(text: str) -> dict[str, str]:
    """Return what is said under each heading, and the first line under ""."""
    first, *others = text.splitlines()
    return {"": first, **{line.split()[0]: line.split(maxsplit=1)[1] for line in others}}


@pytest.mark.parametrize("state", ANSWERS)
def test_exit_codes_are_those_of_status(crr: Callable[..., Ended], s3: S3Server, state: str) -> None:
    """Each answer has the exit code that `status` has for it, and is said in words."""
    s3.answers["b", "k"], code = ANSWERS[state]
    s3.replication["b"] = RULES.format(rule("all"))
    run = crr("explain", "s3://b/k")
    assert (run.code, run.err) == (code, "")
    found = rows(run.out)
    assert found["status"].startswith(f"{state}, HTTP ")
    assert found["gate"].startswith({0: "opens", 3: "waits", 4: "fails"}[code])
    assert len(found["why"]) > 20


def test_completed_object(crr: Callable[..., Ended], aws_conn: LocalAws, pair: ReplicatedPair) -> None:
    """Of a replicated object the rule is named that covers it, and where its replica is."""
    pair.source_client.put_object(Bucket=pair.source, Key="dt=1/k", Body=b"x")
    run = crr("explain", f"s3://{pair.source}/dt=1/k")
    assert run.code == 0
    found = rows(run.out)
    assert found[""].startswith(f"s3://{pair.source}/dt=1/k?versionId=")
    assert found["rule"] == "rule 'all' (prefix '')"
    assert found["replica"] == f"s3://{pair.destination}/dt=1/k by the rules as they are now"
    assert "S3 made the replica" in found["why"]


def test_replica(crr: Callable[..., Ended], aws_conn: LocalAws, pair: ReplicatedPair) -> None:
    """Of a replica no rule is named: S3 does not replicate it again."""
    pair.source_client.put_object(Bucket=pair.source, Key="k", Body=b"x")
    run = crr("explain", f"s3://{pair.destination}/k")
    assert run.code == 0
    assert rows(run.out)["rule"] == "none applies: S3 does not replicate a replica"
    assert "replica " not in run.out.replace("a replica", "")


def test_failed_object(crr: Callable[..., Ended], aws_conn: LocalAws, denied_pair: ReplicatedPair) -> None:
    """Of an object that has FAILED the remedy is told, and where its replica should be."""
    denied_pair.source_client.put_object(Bucket=denied_pair.source, Key="k", Body=b"x")
    run = crr("explain", f"s3://{denied_pair.source}/k")
    assert run.code == 4
    found = rows(run.out)
    assert found["why"] == REASONS[ObjectState.FAILED]
    assert found["replica"].startswith(f"s3://{denied_pair.destination}/k ")


def test_object_that_no_rule_covers(
    crr: Callable[..., Ended], aws: LocalAws, aws_conn: LocalAws, pair: ReplicatedPair
) -> None:
    """An object without status is explained by the bucket's rules, with the remedy."""
    pair.source_client.put_bucket_replication(
        Bucket=pair.source,
        ReplicationConfiguration={
            "Role": "arn:aws:iam::111111111111:role/replication",
            "Rules": [replication_rule(pair.destination, "raw/")],
        },
    )
    pair.source_client.put_object(Bucket=pair.source, Key="cooked/k", Body=b"x")
    run = crr("explain", f"s3://{pair.source}/cooked/k")
    assert run.code == 4
    found = rows(run.out)
    assert found["why"].startswith(f"no rule of bucket {pair.source} covers this key (prefixes: 'raw/'). Extend a rule")
    assert found["rule"] == "none: no enabled rule of the bucket covers this key now"
    assert "replica" not in found


def test_bucket_without_rules(crr: Callable[..., Ended], aws_conn: LocalAws, pair: ReplicatedPair) -> None:
    """A bucket without replication configuration is named as the reason."""
    pair.source_client.delete_bucket_replication(Bucket=pair.source)
    pair.source_client.put_object(Bucket=pair.source, Key="k", Body=b"x")
    run = crr("explain", f"s3://{pair.source}/k", "--json")
    found = json.loads(run.out)
    assert (run.code, found["rules"], found["destinations"]) == (4, [], [])
    assert "no replication configuration" in found["reason"]
    assert found["rule"] == "none: the bucket has no replication configuration"


def test_missing_object(crr: Callable[..., Ended], aws_conn: LocalAws, pair: ReplicatedPair) -> None:
    """Of an object that is not there yet, the rule and the place of its replica are told all the same."""
    run = crr("explain", f"s3://{pair.source}/K")
    assert run.code == 3
    found = rows(run.out)
    assert (found["status"], found["gate"]) == ("MISSING, HTTP 404", "waits")
    assert found["replica"].startswith(f"s3://{pair.destination}/K ")
    assert "check the key" in found["remedy"]


def test_document_has_every_rule_that_covers_the_key(crr: Callable[..., Ended], s3: S3Server) -> None:
    """With --json, one document has the answer, the reason, the enabled rules that cover the key, and destinations."""
    s3.answers["b", "raw/k"] = stored("PENDING")
    tag = "<And><Prefix>raw/</Prefix><Tag><Key>t</Key><Value>v</Value></Tag></And>"
    s3.replication["b"] = RULES.format(
        rule("all")
        + rule("off", status="Disabled", destination="off")
        + rule("else", "<Prefix>cooked/</Prefix>", destination="else")
        + rule("tagged", tag, destination="tagged")
    )
    run = crr("explain", "s3://b/raw/k", "--json")
    found = json.loads(run.out)
    assert run.code == 3
    assert (found["status"], found["gate"], found["uri"]) == ("PENDING", "wait", "s3://b/raw/k")
    assert [(each["id"], each["tags"]) for each in found["rules"]] == [("all", {}), ("tagged", {"t": "v"})]
    assert found["destinations"] == ["s3://copy/raw/k"]
    assert "for objects with the tags {'t': 'v'} only" in found["rule"]
    assert "not made the replica" in found["reason"]
    assert found["remedy"].startswith("Wait")


def test_rule_that_does_not_opt_in_to_kms(crr: Callable[..., Ended], s3: S3Server) -> None:
    """A rule that leaves out objects encrypted with KMS is named with that, if the object is one."""
    s3.answers["b", "k"] = stored(headers={"x-amz-server-side-encryption": "aws:kms"})
    s3.replication["b"] = RULES.format(rule("all"))
    found = rows(crr("explain", "s3://b/k").out)
    assert "does not opt in to KMS" in found["why"]
    assert found["rule"] == "rule 'all' (prefix ''), but not for objects encrypted with KMS, as this one is"
    assert found["status"].endswith("aws:kms")


def test_rules_that_may_not_be_read(crr: Callable[..., Ended], s3: S3Server) -> None:
    """Rules that may not be read leave the status and its exit code; the permission is named."""
    s3.answers["b", "k"] = stored("COMPLETED")
    s3.replication["b"] = Answer(403, code="AccessDenied")
    run = crr("explain", "s3://b/k")
    assert run.code == 0
    assert "s3:GetReplicationConfiguration" in rows(run.out)["rule"]
    assert json.loads(crr("explain", "s3://b/k", "--json").out)["rules"] is None


def test_missing_bucket_is_an_error(crr: Callable[..., Ended], s3: S3Server) -> None:
    """A bucket that does not exist is an error, as for status."""
    s3.missing_buckets.add("gone")
    run = crr("explain", "s3://gone/k")
    assert (run.code, run.out) == (1, "")
    assert run.err.startswith("s3://gone: there is no such bucket")


def test_bucket_that_went_away_is_an_error(crr: Callable[..., Ended], s3: S3Server) -> None:
    """A bucket that is gone when its rules are read is an error: what was answered before is out of date."""

    def last_answer() -> Answer:
        s3.missing_buckets.add("b")
        return stored("COMPLETED")

    s3.answers["b", "k"] = last_answer
    assert crr("explain", "s3://b/k").code == 1


def test_object_without_answer(crr: Callable[..., Ended], s3: S3Server) -> None:
    """When S3 gives no answer that can be read, that is said, and what to do."""
    s3.answers["b", "k"] = Answer(503, code="SlowDown")
    run = crr("explain", "s3://b/k")
    found = rows(run.out)
    assert run.code == 3
    assert found["status"].startswith("UNKNOWN")
    assert found["remedy"].startswith("Ask again")


def test_version_and_wrong_arguments(crr: Callable[..., Ended], s3: S3Server) -> None:
    """A version is asked for; what names no object has the exit code of wrong arguments."""
    s3.answers["b", "k", "v1"] = stored("COMPLETED", headers={"x-amz-version-id": "v1"})
    run = crr("explain", "s3://b/k", "--version-id", "v1")
    assert (run.code, rows(run.out)[""]) == (0, "s3://b/k?versionId=v1")
    assert crr("explain", "k").code == 2
    assert crr("explain", "s3://b/1", "s3://b/2").code == 2


def test_hostile_text_is_never_sent_to_the_terminal(crr: Callable[..., Ended], s3: S3Server) -> None:
    """Keys, rule names, tags and bucket names of rules are shown, and never obeyed."""
    key = "a\x1b[2J\u202e\x7f"
    s3.answers["b", key] = stored("COMPLETED")
    tag = "<Tag><Key>\u009b1m</Key><Value>\u202e</Value></Tag>"
    s3.replication["b"] = RULES.format(rule("\u009b2J\u202e", tag, destination="c\u202e"))
    for form in ([], ["--json"]):
        run = crr("explain", json.dumps({"bucket": "b", "key": key}), *form)
        assert run.code == 0
        assert not {"\x1b", "\x9b", "\u202e", "\x7f"} & set(run.out)
    assert json.loads(run.out)["destinations"] == [f"s3://c\u202e/{key}"]


def test_two_destinations(crr: Callable[..., Ended], aws_conn: LocalAws, aws: LocalAws, pair: ReplicatedPair) -> None:
    """A key that two rules cover has two replicas."""
    source, other = f"{pair.source}-two", f"{pair.source}-other"
    rules = [
        replication_rule(f"{pair.source}-one", rule_id="one"),
        replication_rule(other, "a/", rule_id="two", priority=2),
    ]
    two = replicated_pair(aws, source, f"{pair.source}-one", rules)
    two.source_client.put_object(Bucket=source, Key="a/k", Body=b"x")
    found = json.loads(crr("explain", f"s3://{source}/a/k", "--json").out)
    assert found["destinations"] == [f"s3://{pair.source}-one/a/k", f"s3://{other}/a/k"]


@pytest.mark.parametrize(
    ("status", "why", "remedy"),
    [
        ("COMPLETED", "MinIO made the replica", None),
        ("PENDING", "MinIO has not made the replica yet", "replication target; MinIO goes on"),
        ("FAILED", "MinIO tries again by itself", None),
        (None, "MinIO replicates what was there before the rule", None),
        ("REPLICA", "product of a replication", None),
    ],
)
def test_what_is_said_of_minio_is_true_of_minio(
    crr: Callable[..., Ended], s3: S3Server, status: str | None, why: str, remedy: str | None
) -> None:
    """On MinIO nothing is said that is true of S3 alone, and the replica is said to be on the other server."""
    s3.server_header = "MinIO"
    s3.answers["landing", "raw/k"] = stored(status)
    s3.replication["landing"] = text("minio/rules.xml")
    run = crr("explain", "s3://landing/raw/k")
    found = rows(run.out)
    assert run.code == (0 if status in ("COMPLETED", "REPLICA") else 3)
    assert why in found["why"]
    assert (remedy in found["remedy"]) if remedy else ("remedy" not in found)
    if status in ("COMPLETED", "PENDING", "FAILED"):
        assert found["replica"] == "s3://copy/raw/k on the replication target by the rules as they are now"
    else:
        assert "does not replicate a replica" in found["rule"] if status else "replica" not in found
    assert "S3 " not in "".join(found.values())


def test_removed_rule_is_named(crr: Callable[..., Ended], s3: S3Server) -> None:
    """A FAILED object that no rule covers any more is not waited for, and that is why."""
    s3.server_header = "MinIO"
    s3.answers["landing", "raw/k"] = stored("FAILED")
    run = crr("explain", "s3://landing/raw/k")
    assert run.code == 4
    assert "none of bucket landing does now" in rows(run.out)["why"]


def test_what_is_wrong_with_the_settings_is_told(
    crr: Callable[..., Ended], aws_conn: LocalAws, pair: ReplicatedPair
) -> None:
    """Of an object that has FAILED, what of the settings is broken now is told, with the remedy."""
    suspend_versioning(pair.destination_client, pair.destination)
    pair.source_client.put_object(Bucket=pair.source, Key="k", Body=b"x")
    run = crr("explain", f"s3://{pair.source}/k")
    assert run.code == 4
    assert "whose versioning is suspended (DstBucketUnversioned). Enable" in rows(run.out)["error"]
    found = json.loads(crr("explain", f"s3://{pair.source}/k", "--json").out)["findings"]
    assert [each["rule"] for each in found if each["severity"] == "error"] == ["all"]


def test_settings_that_cannot_be_seen_are_told(crr: Callable[..., Ended], s3: S3Server) -> None:
    """What of the settings may not be read is said to be unseen, and keeps neither answer nor exit code."""
    s3.answers["b", "k"] = stored("FAILED")
    s3.replication["b"] = RULES.format(rule("all"))
    s3.settings["copy", "versioning"] = Answer(403, code="AccessDenied")
    run = crr("explain", "s3://b/k")
    assert run.code == 4
    assert "not seen the versioning of s3://copy" in run.out
    assert json.loads(crr("explain", "s3://b/k", "--json").out)["unseen"][0]["what"] == "the versioning of s3://copy"


def test_nothing_is_looked_for_where_nothing_is_wrong(crr: Callable[..., Ended], s3: S3Server) -> None:
    """Of an object that is replicated, no setting is asked for."""
    s3.answers["b", "k"] = stored("COMPLETED")
    s3.replication["b"] = RULES.format(rule("all"))
    assert json.loads(crr("explain", "s3://b/k", "--json").out)["findings"] == []
    assert not [request for request in s3.requests if request.bucket == "copy"]
