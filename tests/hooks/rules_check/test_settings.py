"""What a check of rules asks of S3 and IAM, and what it makes of their answers."""

from __future__ import annotations

import contextlib
import json
import socket
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import pytest

from airflow_provider_crr.errors import BucketNotFound, LookupFailed
from airflow_provider_crr.hooks.replication import S3ReplicationHook
from airflow_provider_crr.hooks.rules_check.settings import _Asked, check_rules
from airflow_provider_crr.replication.rules_check.findings import RulesReport
from airflow_provider_crr.replication.rules_check.look import Archiving, Encryption, RoleState, Unseen, Versioning
from local_aws import LocalAws
from local_aws.buckets import ROLE, ReplicatedPair, replication_rule, suspend_versioning
from tests.support.s3_server import SETTINGS, Answer, S3Server

CONFIGURATION = (
    "<ReplicationConfiguration><Role>arn:aws:iam::111111111111:role/service/replication</Role><Rule><ID>all</ID>"
    "<Priority>1</Priority><Status>Enabled</Status><Filter><Prefix></Prefix></Filter><DeleteMarkerReplication><Status>"
    "Disabled</Status></DeleteMarkerReplication><SourceSelectionCriteria><SseKmsEncryptedObjects><Status>Enabled"
    "</Status></SseKmsEncryptedObjects></SourceSelectionCriteria><Destination><Bucket>arn:aws:s3:::copy</Bucket>"
    "<Account>222222222222</Account><AccessControlTranslation><Owner>Destination</Owner></AccessControlTranslation>"
    "<EncryptionConfiguration><ReplicaKmsKeyID>arn:aws:kms:eu-west-1:222222222222:key/1</ReplicaKmsKeyID>"
    "</EncryptionConfiguration><Metrics><Status>Enabled</Status></Metrics></Destination></Rule>"
    "</ReplicationConfiguration>"
)
LOCKED = "<ObjectLockConfiguration><ObjectLockEnabled>Enabled</ObjectLockEnabled></ObjectLockConfiguration>"
KMS_BY_DEFAULT = (
    "<ServerSideEncryptionConfiguration><Rule><ApplyServerSideEncryptionByDefault><SSEAlgorithm>aws:kms</SSEAlgorithm>"
    "</ApplyServerSideEncryptionByDefault><BucketKeyEnabled>true</BucketKeyEnabled></Rule>"
    "</ServerSideEncryptionConfiguration>"
)
LIFECYCLE = (
    "<LifecycleConfiguration>"
    "<Rule><ID>a</ID><Status>Enabled</Status><Filter><Prefix>raw/</Prefix></Filter><Transition><Days>30</Days>"
    "<StorageClass>GLACIER</StorageClass></Transition><Transition><Days>9</Days><StorageClass>STANDARD_IA"
    "</StorageClass></Transition></Rule>"
    "<Rule><ID>b</ID><Status>Enabled</Status><Prefix>old/</Prefix><Transition><Date>2027-01-01T00:00:00Z</Date>"
    "<StorageClass>DEEP_ARCHIVE</StorageClass></Transition></Rule>"
    "<Rule><ID>c</ID><Status>Disabled</Status><Filter/><Transition><Days>1</Days><StorageClass>GLACIER"
    "</StorageClass></Transition></Rule></LifecycleConfiguration>"
)
DENIED = Answer(403, code="AccessDenied")
ARN = "arn:aws:iam::111111111111:role/service/replication"


def role(arn: str = ARN, service: str = "s3.amazonaws.com") -> str:
    statement = {"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}
    policy = quote(json.dumps({"Version": "2012-10-17", "Statement": [statement]}))
    return (
        f"<Role><Path>/service/</Path><RoleName>replication</RoleName><RoleId>AROA</RoleId><Arn>{arn}</Arn><CreateDate>"
        f"2026-01-01T00:00:00Z</CreateDate><AssumeRolePolicyDocument>{policy}</AssumeRolePolicyDocument></Role>"
    )


@pytest.fixture
def hook() -> S3ReplicationHook:
    return S3ReplicationHook()


@pytest.fixture
def whole(s3: S3Server) -> S3Server:
    """An S3 where every question is asked, and nothing is wrong."""
    s3.server_header = "AmazonS3"
    s3.replication["b"] = CONFIGURATION
    s3.settings["b", "object-lock"] = s3.settings["copy", "object-lock"] = LOCKED
    s3.actions["GetRole"] = role()
    return s3


def severities(report: RulesReport) -> dict[str, int]:
    return {severity: count for severity, count in report.severities.items() if count}


def test_everything_is_seen_and_in_order(whole: S3Server, hook: S3ReplicationHook) -> None:
    """With all permissions nothing is unseen; each setting is asked for once, however many keys there are."""
    report = check_rules(hook, "b", [f"k{number}" for number in range(1000)], ["p/"])
    assert (severities(report), report.unseen) == ({"info": 2}, ())
    asked = [(request.bucket, min(request.query, default="")) for request in whole.requests if request.method == "GET"]
    assert len(asked) == len(set(asked)) == 10
    assert whole.heads() == []


@pytest.mark.parametrize("bucket", ["b", "copy"])
@pytest.mark.parametrize("setting", SETTINGS)
def test_a_setting_that_may_not_be_read_is_unseen(
    whole: S3Server, hook: S3ReplicationHook, bucket: str, setting: str
) -> None:
    """Each setting that S3 does not let this connection read is unseen, and the permission is named."""
    not_asked = {("b", "requestPayment"), ("b", "location"), ("copy", "lifecycle")}
    whole.settings[bucket, setting] = DENIED
    report = check_rules(hook, "b", ["k"])
    assert "error" not in severities(report)
    if (bucket, setting) in not_asked:
        assert report.unseen == ()
        return
    (unseen,) = report.unseen
    assert f"of s3://{bucket}" in unseen.what
    assert "S3 answered AccessDenied" in unseen.why
    assert "Allow s3:Get" in unseen.why
    harmless = {("b", "encryption"), ("b", "lifecycle"), ("copy", "encryption")}  # the rule opts in to KMS
    assert report.fails("warning") == ((bucket, setting) not in harmless)


def test_rules_that_may_not_be_read(whole: S3Server, hook: S3ReplicationHook) -> None:
    """Rules that may not be read are an error of the check, which asks nothing else."""
    whole.replication["b"] = DENIED
    report = check_rules(hook, "b", ["k"])
    assert severities(report) == {"error": 1}
    assert "s3:GetReplicationConfiguration" in report.unseen[0].why
    assert len(whole.requests) == 1


def test_what_is_no_want_of_permission_is_raised(whole: S3Server, hook: S3ReplicationHook) -> None:
    """A bucket that is gone, and rules that S3 could not be asked for, are errors of the task."""
    whole.missing_buckets.add("b")
    with pytest.raises(BucketNotFound):
        check_rules(hook, "b")
    whole.missing_buckets.clear()
    whole.replication["b"] = Answer(400, code="InvalidAccessKeyId")
    with pytest.raises(LookupFailed, match="access key"):
        check_rules(hook, "b")


@pytest.mark.parametrize(
    ("setting", "answer", "question", "found"),
    [
        ("versioning", "<VersioningConfiguration/>", "versioning", Versioning.NEVER),
        (
            "versioning",
            "<VersioningConfiguration><Status>Suspended</Status></VersioningConfiguration>",
            "versioning",
            Versioning.SUSPENDED,
        ),
        ("versioning", Answer(404, code="NoSuchBucket"), "versioning", Versioning.GONE),
        (
            "encryption",
            KMS_BY_DEFAULT,
            "encryption",
            Encryption("aws:kms", bucket_key=True),
        ),
        (
            "encryption",
            Answer(404, code="ServerSideEncryptionConfigurationNotFoundError"),
            "encryption",
            Encryption("AES256"),
        ),
        ("object-lock", LOCKED, "object_lock", True),
        ("object-lock", Answer(404, code="ObjectLockConfigurationNotFoundError"), "object_lock", False),
        (
            "requestPayment",
            "<RequestPaymentConfiguration><Payer>Requester</Payer></RequestPaymentConfiguration>",
            "requester_pays",
            True,
        ),
        ("location", "<LocationConstraint/>", "region", "us-east-1"),
        ("location", "<LocationConstraint>EU</LocationConstraint>", "region", "eu-west-1"),
        ("location", "<LocationConstraint>eu-south-2</LocationConstraint>", "region", "eu-south-2"),
        ("lifecycle", Answer(404, code="NoSuchLifecycleConfiguration"), "archivings", ()),
        (
            "lifecycle",
            LIFECYCLE,
            "archivings",
            (
                Archiving("a", "raw/", "after 30 days", "GLACIER"),
                Archiving("b", "old/", "on 2027-01-01", "DEEP_ARCHIVE"),
            ),
        ),
    ],
)
def test_settings_as_s3_says_them(
    s3: S3Server, hook: S3ReplicationHook, setting: str, answer: Any, question: str, found: object
) -> None:
    """Each setting is read as S3 writes it, and what S3 says where there is none."""
    s3.settings["b", setting] = answer
    assert getattr(_Asked(hook), question)("b") == found


@pytest.mark.parametrize("question", ["encryption", "object_lock", "requester_pays", "region", "archivings"])
def test_a_bucket_that_is_gone_has_no_settings(s3: S3Server, hook: S3ReplicationHook, question: str) -> None:
    """Of a bucket that does not exist no setting is seen."""
    s3.missing_buckets.add("gone")
    found = getattr(_Asked(hook), question)("gone")
    assert isinstance(found, Unseen)
    assert "no such bucket" in found.why


@pytest.mark.parametrize(
    ("answer", "account", "found"),
    [
        (role(), "", RoleState.TRUSTS_S3),
        (role(service="ec2.amazonaws.com"), "", RoleState.TRUSTS_OTHERS),
        (Answer(404, code="NoSuchEntity"), "111111111111", RoleState.GONE),
        (Answer(404, code="NoSuchEntity"), "999999999999", "of another account than the connection, which is of 9"),
        (role(arn="arn:aws:iam::999999999999:role/replication"), "", "another role of this name"),
        (DENIED, "", "AWS answered AccessDenied to GetRole"),
        (Answer(404, code="NoSuchEntity"), "", "AWS answered NotImplemented to GetCallerIdentity"),
        ("", "", "KeyError"),
    ],
)
def test_role(s3: S3Server, hook: S3ReplicationHook, answer: Any, account: str, found: object) -> None:
    """An answer counts only for the very role: that IAM of another account knows no such name says nothing of it."""
    s3.actions["GetRole"] = answer
    if account:
        s3.actions["GetCallerIdentity"] = f"<Account>{account}</Account><Arn>a</Arn><UserId>u</UserId>"
    said = _Asked(hook).role(ARN)
    assert (said == found) if isinstance(found, RoleState) else (isinstance(said, Unseen) and str(found) in said.why)


@pytest.mark.parametrize(
    "answer",
    [
        Answer(raw=b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n<html>"),
        Answer(raw=b"HTTP/1.1 200 OK\r\nContent-Length: 180000\r\n\r\n" + b"<a>" * 60_000),
        "<a>" * 30_000 + "</a>" * 30_000,
        Answer(raw=b"HTTP/1.1 403 No\r\nContent-Length: 39\r\n\r\n<ErrorResponse><Error/></ErrorResponse>\n"),
    ],
    ids=["no XML", "never closed", "nested deeply", "no code"],
)
def test_answer_of_iam_that_cannot_be_read_is_unseen(s3: S3Server, hook: S3ReplicationHook, answer: Any) -> None:
    """It says nothing of the role, and does not end the check."""
    s3.actions["GetRole"] = answer
    assert isinstance(_Asked(hook).role(ARN), Unseen)


def test_amazons_iam_is_not_asked_about_the_roles_of_others(s3: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where only S3 has an endpoint of its own, as for MinIO, no request with its keys goes to AWS."""
    connection = json.loads(s3.airflow_connection_json())
    url = connection["extra"].pop("endpoint_url")
    connection["extra"]["service_config"] = {"s3": {"endpoint_url": url}}
    monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", json.dumps(connection))
    monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **kwargs: pytest.fail("a name was looked up"))
    found = _Asked(S3ReplicationHook()).role(ARN)
    assert isinstance(found, Unseen)
    assert "no endpoint of IAM goes with it" in found.why


def test_the_owner_of_the_source_need_not_own_the_destination(whole: S3Server) -> None:
    """expected_bucket_owner is sent about the source's rules, and about no destination."""
    whole.settings["b", "versioning"] = DENIED
    check_rules(S3ReplicationHook(expected_bucket_owner="111111111111"), "b", ["k"])
    owners = {
        bucket: {
            request.headers.get("x-amz-expected-bucket-owner") for request in whole.requests if request.bucket == bucket
        }
        for bucket in ("b", "copy")
    }
    assert owners == {"b": {"111111111111"}, "copy": {None}}


def test_a_destination_that_gives_no_answer_is_asked_once(
    whole: S3Server, hook: S3ReplicationHook, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A destination that hangs costs seconds, and not seconds for each of its settings."""
    monkeypatch.setattr("airflow_provider_crr.hooks.base.BRIEF", 0.3)
    whole.settings["copy", "versioning"] = Answer(delay=60)
    began = time.monotonic()
    report = check_rules(hook, "b", ["k"])
    assert time.monotonic() - began < 20
    assert {each.why for each in report.unseen[1:]} == {"the bucket gave no answer before"}
    assert len([request for request in whole.requests if request.bucket == "copy"]) <= 2


def test_throttled_settings_are_unseen_and_throttled_rules_are_raised(whole: S3Server, hook: S3ReplicationHook) -> None:
    """What passes by itself ends the check only if nothing could be checked without it."""
    whole.settings["b", "lifecycle"] = Answer(503, code="SlowDown")
    assert [each.what for each in check_rules(hook, "b", ["k"]).unseen] == ["the lifecycle rules of s3://b"]
    whole.replication["b"] = Answer(503, code="SlowDown")
    with pytest.raises(LookupFailed) as caught:
        check_rules(S3ReplicationHook(config=_hasty()), "b", ["k"])
    assert caught.value.passing


def _hasty() -> Any:
    from botocore.config import Config

    return Config(retries={"total_max_attempts": 1})


def bad(report: RulesReport) -> list[str]:
    return [finding.what for finding in report.findings if finding.severity == "error"]


@pytest.fixture
def replication_role(aws: LocalAws) -> None:
    """The role that local buckets are replicated with."""
    iam = aws.client("iam")
    statement = {"Effect": "Allow", "Principal": {"Service": "s3.amazonaws.com"}, "Action": "sts:AssumeRole"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    with contextlib.suppress(iam.exceptions.EntityAlreadyExistsException):
        iam.create_role(RoleName=ROLE.rpartition("/")[2], AssumeRolePolicyDocument=policy)


def test_a_pair_of_buckets_that_replicates(
    replication_role: None, aws_conn: LocalAws, pair: ReplicatedPair, hook: S3ReplicationHook
) -> None:
    """Of buckets that really replicate, only the missing metrics are told."""
    report = check_rules(hook, pair.source, ["k"])
    assert severities(report)["warning"] == 1
    assert (bad(report), report.unseen) == ([], ())
    pair.source_client.put_object(Bucket=pair.source, Key="k", Body=b"x")
    assert pair.source_client.head_object(Bucket=pair.source, Key="k")["ReplicationStatus"] == "COMPLETED"


def _suspend(pair: ReplicatedPair) -> None:
    suspend_versioning(pair.destination_client, pair.destination)


def _drop(pair: ReplicatedPair) -> None:
    pair.destination_client.delete_bucket(Bucket=pair.destination)


def _point_at_itself(pair: ReplicatedPair) -> None:
    _configure(pair, replication_rule(pair.source))


def _configure(pair: ReplicatedPair, *rules: dict[str, Any]) -> None:
    configuration = {"Role": ROLE, "Rules": list(rules)}
    pair.source_client.put_bucket_replication(Bucket=pair.source, ReplicationConfiguration=configuration)


def _cover_another_prefix(pair: ReplicatedPair) -> None:
    _configure(pair, replication_rule(pair.destination, "/k"))


def _disable(pair: ReplicatedPair) -> None:
    _configure(pair, {**replication_rule(pair.destination), "Status": "Disabled"})


def _drop_rules(pair: ReplicatedPair) -> None:
    pair.source_client.delete_bucket_replication(Bucket=pair.source)


@pytest.mark.parametrize(
    ("break_it", "what", "status"),
    [
        (_suspend, "whose versioning is suspended", "FAILED"),
        (_drop, "does not exist", "FAILED"),
        (_point_at_itself, "has its own bucket for destination", "FAILED"),
        (_cover_another_prefix, "begins with a slash", None),
        (_disable, "only disabled rules", None),
        (_drop_rules, "has no replication configuration", None),
    ],
)
def test_what_the_check_says_beforehand_is_what_happens(
    aws_conn: LocalAws,
    pair: ReplicatedPair,
    hook: S3ReplicationHook,
    break_it: Callable[[ReplicatedPair], None],
    what: str,
    status: str | None,
) -> None:
    """Where the check finds an error, an object that is then written is not replicated."""
    break_it(pair)
    assert any(what in said for said in bad(check_rules(hook, pair.source, ["k"])))
    pair.source_client.put_object(Bucket=pair.source, Key="k", Body=b"x")
    assert pair.source_client.head_object(Bucket=pair.source, Key="k").get("ReplicationStatus") == status


def test_a_destination_of_another_account_is_unseen(
    aws_conn: LocalAws, denied_pair: ReplicatedPair, hook: S3ReplicationHook
) -> None:
    """A destination whose account lets nobody look is unseen, and said to be."""
    report = check_rules(hook, denied_pair.source, ["k"])
    assert [each.what for each in report.unseen] == [f"the versioning of s3://{denied_pair.destination}"]
    assert any("cannot be seen" in finding.what for finding in report.findings)


def test_real_settings_are_read(
    aws_conn: LocalAws, aws: LocalAws, pair: ReplicatedPair, hook: S3ReplicationHook
) -> None:
    """Settings that were made through the API are seen as they were made."""
    client, bucket = pair.source_client, pair.source
    client.put_bucket_encryption(
        Bucket=bucket,
        ServerSideEncryptionConfiguration={
            "Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms"}, "BucketKeyEnabled": True}]
        },
    )
    client.put_bucket_lifecycle_configuration(
        Bucket=bucket,
        LifecycleConfiguration={
            "Rules": [
                {
                    "ID": "old",
                    "Status": "Enabled",
                    "Filter": {"Prefix": "raw/"},
                    "Transitions": [{"Date": datetime(2027, 1, 1, tzinfo=UTC), "StorageClass": "GLACIER"}],
                }
            ]
        },
    )
    looked = _Asked(hook)
    assert looked.encryption(bucket) == Encryption("aws:kms", bucket_key=True)
    assert looked.archivings(bucket) == (Archiving("old", "raw/", "on 2027-01-01", "GLACIER"),)
    assert (looked.region(bucket), looked.region(pair.destination)) == ("eu-west-1", "us-east-1")
    assert any("encrypts with aws:kms by default" in said for said in bad(check_rules(hook, bucket, ["raw/1"])))


def test_two_rules_with_one_destination(
    aws_conn: LocalAws, aws: LocalAws, pair: ReplicatedPair, hook: S3ReplicationHook
) -> None:
    """Of two rules with the same destination, the one of lower priority is said not to be applied."""
    _configure(
        pair,
        replication_rule(pair.destination, rule_id="low"),
        replication_rule(pair.destination, "raw/", rule_id="high", priority=2),
    )
    found = check_rules(hook, pair.source, ["raw/1"]).findings
    (shadowed,) = [finding for finding in found if "never applied" in finding.what]
    assert (shadowed.rule, shadowed.key) == ("low", "raw/1")
