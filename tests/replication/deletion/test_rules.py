"""Where a store is not Amazon S3, its rules have to say that a delete of a version stays in the bucket."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from airflow_provider_crr.errors import InvalidArgument, LookupFailed
from airflow_provider_crr.failures import ObjectsNotDeleted
from airflow_provider_crr.operators.deletion import S3DeleteReplicatedObjectsOperator
from airflow_provider_crr.replication.deletion.rules import DeleteRules, _at_aws
from airflow_provider_crr.s3.objects import S3Object
from tests.support.s3_server import Answer
from tests.support.task_context import Context
from tests.support.versioned_s3 import VersionedS3

#: As MinIO 7aac2a2c5 (2026-02-12) answers GetBucketReplication, for the rule that its client makes by default.
MINIO = (
    "<ReplicationConfiguration><Rule><ID>all</ID><Status>Enabled</Status><Priority>1</Priority>"
    "<DeleteMarkerReplication><Status>Enabled</Status></DeleteMarkerReplication>"
    "<DeleteReplication><Status>Enabled</Status></DeleteReplication>"
    "<Destination><Bucket>arn:minio:replication::9fc2f010-0941-4a5d-9569-be3b58db93c8:dst</Bucket></Destination>"
    "<SourceSelectionCriteria><ReplicaModifications><Status>Enabled</Status></ReplicaModifications>"
    "</SourceSelectionCriteria><Filter><Prefix></Prefix></Filter>"
    "<ExistingObjectReplication><Status>Enabled</Status></ExistingObjectReplication></Rule><Role></Role>"
    "</ReplicationConfiguration>"
)
ENABLED = "<DeleteReplication><Status>Enabled</Status></DeleteReplication>"
DISABLED = "<DeleteReplication><Status>Disabled</Status></DeleteReplication>"
S3 = (
    '<?xml version="1.0" encoding="UTF-8"?>\n<ReplicationConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
    "<Role>arn:aws:iam::111122223333:role/r</Role><Rule><ID>all</ID><Priority>1</Priority><Status>Enabled</Status>"
    "<Filter><Prefix>a</Prefix></Filter><DeleteMarkerReplication><Status>Disabled</Status></DeleteMarkerReplication>"
    "<Destination><Bucket>arn:aws:s3:::dst</Bucket></Destination></Rule></ReplicationConfiguration>"
)
REFUSED: dict[str, str | Answer] = {
    "as MinIO's client makes it": MINIO,
    "covered by its prefix": MINIO.replace("<Prefix></Prefix>", "<Prefix>a</Prefix>"),
    "for certain tags": MINIO.replace("<Prefix></Prefix>", "<Tag><Key>k</Key><Value>v</Value></Tag>"),
    "for certain tags below a prefix": MINIO.replace(
        "<Prefix></Prefix>", "<And><Prefix>a</Prefix><Tag><Key>k</Key><Value>v</Value></Tag></And>"
    ),
    "behind one that does not": MINIO.replace(
        "<Role>", "{}<Role>".format(MINIO[MINIO.index("<Rule>") : MINIO.index("<Role>")].replace("all", "second"))
    ).replace(ENABLED, DISABLED, 1),
    "in a namespace": MINIO.replace("<ReplicationConfiguration>", '<ReplicationConfiguration xmlns="urn:x">'),
    "with two switches": MINIO.replace(ENABLED, DISABLED + ENABLED),
    "forbidden": Answer(403, code="AccessDenied"),
    "not implemented": Answer(501, code="NotImplemented"),
    "of another form": MINIO.replace(ENABLED, "<VersionDeletes><Status>Disabled</Status></VersionDeletes>"),
    "with a switch of another form": MINIO.replace(ENABLED, "<DeleteReplication><Mode>off</Mode></DeleteReplication>"),
    "with a switch of another value": MINIO.replace(ENABLED, ENABLED.replace("Enabled", "enabled")),
    "with a switch of no value": MINIO.replace(ENABLED, "<DeleteReplication/>"),
    "with a filter of another form": MINIO.replace(ENABLED, DISABLED).replace(
        "<Prefix></Prefix>", "<Suffix>a</Suffix>"
    ),
    "neither enabled nor disabled": MINIO.replace(ENABLED, DISABLED).replace(
        "<Status>Enabled</Status><P", "<Status/><P"
    ),
    "no rules at all": "<html><body>all is well</body></html>",
    "empty": "",
}
ALLOWED: dict[str, str | Answer] = {
    "which do not": MINIO.replace(ENABLED, DISABLED),
    "without the switch, which is off then": MINIO.replace(ENABLED, ""),
    "disabled": MINIO.replace("<Status>Enabled</Status><P", "<Status>Disabled</Status><P"),
    "for another prefix": MINIO.replace("<Prefix></Prefix>", "<Prefix>z/</Prefix>"),
    "as S3 writes them": S3,
    "of version 1": S3.replace("<Filter><Prefix>a</Prefix></Filter>", "<Prefix>a</Prefix>"),
    "none": Answer(404, code="ReplicationConfigurationNotFoundError"),
}


@pytest.fixture
def s3(versioned_s3: VersionedS3) -> VersionedS3:
    versioned_s3.put("b", "a", "v1", "v2")
    return versioned_s3


def delete(**arguments: Any) -> dict[str, Any]:
    context = Context()
    operator = S3DeleteReplicatedObjectsOperator(task_id="delete", bucket_key="s3://b/a", **arguments)
    try:
        found: dict[str, Any] = operator.execute(context)
    except ObjectsNotDeleted:
        found = context.pushed["return_value"]
    return found


@pytest.fixture(scope="module")
def shared() -> Iterator[tuple[VersionedS3, Any]]:
    """A server for many configurations, and a client of it."""
    with VersionedS3() as server:
        yield server, server.client(retries={"total_max_attempts": 1})


def refusals(shared: tuple[VersionedS3, Any], rules: str | Answer, server: str = "MinIO") -> dict[S3Object, str]:
    s3, client = shared
    s3.server, s3.replication["b"] = server, rules
    found = DeleteRules(client)
    found.answered("b", server)
    return found.refusals([S3Object("b", "a", "v1"), S3Object("b", "a", "v2")])


@pytest.mark.parametrize("rules", REFUSED)
def test_rules_that_may_take_the_replica_along_are_a_refusal(shared: tuple[VersionedS3, Any], rules: str) -> None:
    """At a store that is not S3, rules that replicate deletes of versions, or are not understood, refuse all."""
    assert len(refusals(shared, REFUSED[rules])) == 2


@pytest.mark.parametrize("rules", ALLOWED)
def test_rules_that_leave_the_replica_alone_refuse_nothing(shared: tuple[VersionedS3, Any], rules: str) -> None:
    """At a store that is not S3, rules that say that deletes of versions stay in the bucket refuse none."""
    assert refusals(shared, ALLOWED[rules]) == {}


@pytest.mark.parametrize("rules", ["forbidden", "not implemented", "of another form", "no rules at all", "empty"])
def test_rules_need_not_be_readable_at_s3(shared: tuple[VersionedS3, Any], rules: str) -> None:
    """Amazon S3 replicates no delete of a version, whatever the rules: no permission to read them is needed there."""
    found = REFUSED[rules]
    assert (
        refusals(shared, found.replace("arn:minio", "arn:aws") if isinstance(found, str) else found, "AmazonS3") == {}
    )


@pytest.mark.parametrize("rules", [MINIO, MINIO.replace("arn:minio:replication::", "arn:aws:s3:::")])
def test_rules_that_s3_never_writes_are_of_another_store(shared: tuple[VersionedS3, Any], rules: str) -> None:
    """A store that calls itself AmazonS3, and whose rules name a MinIO or replicate deletes, is not believed."""
    assert len(refusals(shared, rules, "AmazonS3")) == 2


@pytest.mark.parametrize("server", ["MinIO", None, "nginx"])
def test_nothing_is_deleted_where_the_replica_could_go_too(s3: VersionedS3, server: str | None) -> None:
    """With the rule of MinIO's client nothing is deleted, whatever else the server calls itself."""
    s3.server, s3.replication["b"] = server, MINIO
    found = delete()
    assert (found["deleted"], found["refused_statuses"], s3.deletes) == (0, {"COMPLETED": 2}, [])
    assert s3.left() == {"a": ["v2", "v1"]}


@pytest.mark.parametrize("rules", ["which do not", "none"])
def test_versions_are_deleted_where_the_rules_say_that_it_stays_here(s3: VersionedS3, rules: str) -> None:
    """At a store that is not S3, versions are deleted where its rules leave the replica alone."""
    s3.server, s3.replication["b"] = "MinIO", ALLOWED[rules]
    assert (delete()["deleted"], s3.left()) == (2, {})


def test_refusal_names_the_rule_and_the_remedy(s3: VersionedS3) -> None:
    """The reason names the rule that deletes the replica, and how to switch that off."""
    s3.server, s3.replication["b"] = "MinIO", MINIO
    reason = delete()["refused_sample"][0]["reason"]
    assert "rule 'all' (prefix '') deletes the replica, too" in reason
    assert "mc replicate update" in reason


def test_dry_run_says_so_too(s3: VersionedS3) -> None:
    """A dry run counts as refused what a delete would refuse for the rules."""
    s3.server, s3.replication["b"] = "MinIO", MINIO
    assert (delete(dry_run=True)["deleted"], delete(dry_run=True)["refused"]) == (0, 2)


def test_rules_that_change_between_two_batches_are_seen(s3: VersionedS3, monkeypatch: pytest.MonkeyPatch) -> None:
    """At a store that is not S3 the rules are read before each batch."""
    monkeypatch.setattr("airflow_provider_crr.replication.deletion.batches.BATCH", 1)
    s3.server, s3.replication["b"] = "MinIO", MINIO.replace(ENABLED, DISABLED)

    def switch(objects: Any) -> None:
        s3.replication["b"] = MINIO

    s3.on_delete = switch
    found = delete()
    assert (found["deleted"], found["refused"], len(s3.deletes)) == (1, 1, 1)


def test_store_that_is_told_by_one_answer_is_no_s3(s3: VersionedS3) -> None:
    """One answer of another server, as behind a proxy that fails over, is enough to read the rules."""
    s3.replication["b"] = Answer(403, code="AccessDenied")

    def once(request: Any) -> None:
        s3.server = "MinIO" if request.version_id == "v1" else "AmazonS3"

    s3.on_head = once
    assert delete()["deleted"] == 0


@pytest.mark.parametrize(
    ("endpoint", "is_aws"),
    [
        ("https://s3.eu-west-1.amazonaws.com", True),
        ("https://s3.cn-north-1.amazonaws.com.cn", True),
        ("https://bucket.vpce-1a2b3c4d-5e6f.s3.eu-west-1.vpce.amazonaws.com", True),
        ("https://s3-fips.dualstack.us-gov-west-1.amazonaws.com", True),
        ("https://s3.eusc-de-east-1.amazonaws.eu", True),
        ("https://s3.us-iso-east-1.c2s.ic.gov", True),
        ("http://s3.eu-west-1.amazonaws.com", False),
        ("https://amazonaws.com.example.org", False),
        ("https://notamazonaws.com", False),
    ],
)
def test_endpoint_of_aws_is_told(endpoint: str, is_aws: bool) -> None:
    """Answers without a Server header count as S3's only from an endpoint of AWS, over TLS."""
    assert _at_aws(endpoint) is is_aws


def test_rules_that_cannot_be_read_for_a_moment_are_no_permission(shared: tuple[VersionedS3, Any]) -> None:
    """Rules that a store fails to give for a moment let nothing pass: an error, if a retry helps, or a refusal."""
    try:
        found = refusals(shared, Answer(503, code="SlowDown"))
    except LookupFailed:
        return
    assert len(found) == 2


@pytest.mark.parametrize("rules", [None, S3])
def test_store_that_synchronizes_without_rules_keeps_its_versions(s3: VersionedS3, rules: str | None) -> None:
    """Ceph's zones may delete the copies too, whatever the rules of the bucket say or do not: nothing is deleted."""
    s3.server = "Ceph Object Gateway (squid)"
    if rules:
        s3.replication["b"] = rules
    found = delete()
    assert (found["deleted"], found["refused"], s3.deletes) == (0, 2, [])
    assert "other zones" in found["refused_sample"][0]["reason"]


@pytest.mark.parametrize(
    "bucket",
    [
        "arn:aws:s3::111122223333:accesspoint/mfzwi23gnjvgw.mrap",
        "arn:aws:s3-object-lambda:eu-west-1:111122223333:accesspoint/redacting",
    ],
)
def test_access_point_that_may_lead_to_the_replica_is_refused(bucket: str) -> None:
    """A delete goes to one bucket: not where each request is led to one of several, or answered by a function."""
    with pytest.raises(InvalidArgument, match="may reach the replica"):
        S3DeleteReplicatedObjectsOperator(task_id="t", bucket_key="a", bucket_name=bucket)
