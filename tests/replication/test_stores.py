"""Which store answered, and what its answers mean there."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from airflow_provider_crr.errors import LookupFailed
from airflow_provider_crr.replication.gate import GatePolicy, Outcome
from airflow_provider_crr.replication.rules import ReadOnce, ReplicationRule, why_no_status
from airflow_provider_crr.replication.status import ObjectReplication, ObjectState, from_head
from airflow_provider_crr.replication.verdict import Tally
from airflow_provider_crr.s3.objects import S3Object
from airflow_provider_crr.s3.stores import AMAZON_S3, CEPH, MINIO, RUSTFS, STORAGEGRID, UNNAMED, Store, store_of
from tests.replication.recorded import ANSWERS, head

NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)
OBJ = S3Object("landing", "raw/k")
RULE = ReplicationRule("all", enabled=True, prefix="raw/", replicates_existing=True)
#: A host id of S3: Base64.
S3_ID = "Yd6PSJxJQeTYJ/3dDO7miqJfVMXXW0S2Hijo3WFs4bz6oe2QCVXasxXLZdMfASd1"


@pytest.mark.parametrize(
    ("server", "store"),
    [
        ("AmazonS3", AMAZON_S3),
        ("MinIO", MINIO),
        ("MinIO/RELEASE.2020-01-25T02-50-51Z", MINIO),
        ("Ceph Object Gateway (squid)", CEPH),
        ("StorageGRID/11.9.0.2", STORAGEGRID),
        ("RustFS", RUSTFS),
        ("nginx/1.26.2", UNNAMED),
        ("envoy", UNNAMED),
        ("AmazonS3-like", UNNAMED),
        ("not MinIO", UNNAMED),
        ("", UNNAMED),
    ],
)
def test_store_is_told_by_its_server_header(server: str, store: Store) -> None:
    """A store is told by what it calls itself; a proxy's name, or none, tells nothing and is taken for S3."""
    assert store_of(server) is store
    answer = from_head(OBJ, 200, {"server": server, "x-amz-id-2": S3_ID})
    assert (answer.server, store_of(answer.server)) == (server, store)


@pytest.mark.parametrize("name", sorted(path.stem for path in ANSWERS.glob("minio/*.txt")))
def test_minio_is_told_behind_a_proxy(name: str) -> None:
    """MinIO is told by every answer that it gave, also if a proxy has put its own name into Server, or none."""
    http_status, headers = head(f"minio/{name}")
    for server in ("MinIO", "nginx/1.26.2", ""):
        assert store_of(from_head(OBJ, http_status, {**headers, "server": server}).server) is MINIO


@pytest.mark.parametrize(
    ("header", "store"), [("x-rgw-object-type", CEPH), ("x-ntap-sg-cgr-replication-status", STORAGEGRID)]
)
def test_others_are_told_behind_a_proxy_by_headers_of_their_own(header: str, store: Store) -> None:
    """Stores that send headers of their own are told by these; nobody can put them there as metadata."""
    assert store_of(from_head(OBJ, 200, {header: "Normal", "server": "nginx"}).server) is store
    assert store_of(from_head(OBJ, 200, {f"x-amz-meta-{header}": "Normal", "server": "nginx"}).server) is UNNAMED


@pytest.mark.parametrize(
    ("name", "state"),
    [
        ("pending", ObjectState.PENDING),
        ("completed", ObjectState.COMPLETED),
        ("replica", ObjectState.REPLICA),
        ("chain-replica", ObjectState.REPLICA),
        ("failed", ObjectState.FAILED),
        ("failed-rule-removed", ObjectState.FAILED),
        ("failed-rule-back", ObjectState.COMPLETED),
        ("tags-changed-target-down", ObjectState.FAILED),
        ("outside-prefix", ObjectState.NONE),
        ("existing-at-first", ObjectState.NONE),
        ("existing-later", ObjectState.COMPLETED),
        ("existing-left-out", ObjectState.NONE),
        ("rule-by-tag-before", ObjectState.NONE),
        ("rule-by-tag-tagged-later", ObjectState.COMPLETED),
        ("missing", ObjectState.MISSING),
        ("chain-missing", ObjectState.MISSING),
        ("delete-marker", ObjectState.DELETED),
        ("delete-marker-by-version", ObjectState.DELETED),
        ("purge-by-key", ObjectState.DELETED),
        ("purge-by-version", ObjectState.DELETED),
        # Unmarked, and about what is not there: this is why MinIO is asked with a header.
        ("missing-proxied", ObjectState.NONE),
        ("chain-missing-proxied", ObjectState.COMPLETED),
    ],
)
def test_what_minio_answered_has_its_meaning(name: str, state: ObjectState) -> None:
    """Each answer that MinIO gave is read as what it was."""
    found = from_head(OBJ, *head(f"minio/{name}"))
    assert found.state is state
    assert found.answered_at is not None


@pytest.mark.parametrize("http_status", [404, 405])
@pytest.mark.parametrize("value", ["PENDING", "FAILED", "COMPLETE"])
def test_purge_under_way_is_a_delete(http_status: int, value: str) -> None:
    """A version that is being deleted for good is DELETED, said so, whether or not a delete marker is named."""
    for more in ({}, {"x-amz-delete-marker": "true"}, {"x-amz-delete-marker": "false"}):
        found = from_head(OBJ, http_status, {"x-minio-replication-delete-status": value, **more})
        assert found.state is ObjectState.DELETED
        assert f"x-minio-replication-delete-status: {value}" in found.detail


@pytest.mark.parametrize(("http_status", "state"), [(404, ObjectState.MISSING), (405, ObjectState.UNKNOWN)])
def test_empty_purge_status_is_none(http_status: int, state: ObjectState) -> None:
    """The header without a value says nothing."""
    assert from_head(OBJ, http_status, {"x-minio-replication-delete-status": ""}).state is state


CGR = "x-ntap-sg-cgr-replication-status"


@pytest.mark.parametrize(
    ("headers", "state"),
    [
        ({"x-amz-replication-status": "PROCESSING"}, ObjectState.PENDING),
        ({CGR: "PENDING"}, ObjectState.PENDING),
        ({CGR: "COMPLETED"}, ObjectState.COMPLETED),
        ({CGR: "FAILURE"}, ObjectState.FAILED),
        ({CGR: "REPLICA"}, ObjectState.REPLICA),
        ({CGR: "FAILED"}, ObjectState.UNKNOWN),
        ({CGR: ""}, ObjectState.UNKNOWN),
        ({CGR: "completed"}, ObjectState.UNKNOWN),
        ({"x-amz-replication-status": "FAILURE"}, ObjectState.UNKNOWN),
        ({"x-amz-replication-status": "PENDING", CGR: "COMPLETED"}, ObjectState.PENDING),
        ({"x-amz-replication-status": "", CGR: "COMPLETED"}, ObjectState.UNKNOWN),
        ({"x-amz-replication-status": "SHIPPED", CGR: "COMPLETED"}, ObjectState.UNKNOWN),
        ({"x-amz-meta-eu-west-1-replication-status": "COMPLETED"}, ObjectState.NONE),
        (
            {
                "x-amz-replication-status": "PROCESSING",
                "x-amz-meta-one-replication-status": "COMPLETED",
                "x-amz-meta-two-replication-status": "COMPLETED",
            },
            ObjectState.PENDING,
        ),
    ],
)
def test_words_of_other_stores(headers: dict[str, str], state: ObjectState) -> None:
    """Each store's words are read in its own header; a header for each site, or of two, decides nothing alone."""
    assert from_head(OBJ, 200, headers).state is state


def answer(state: ObjectState, server: str = "MinIO", age: float | None = 60.0) -> ObjectReplication:
    written = None if age is None else NOW - timedelta(seconds=age)
    return ObjectReplication(OBJ, state, last_modified=written, server=server)


def rules(*found: ReplicationRule) -> ReadOnce:
    return ReadOnce(lambda bucket: found)


def unreadable(passing: bool) -> ReadOnce:
    def read(bucket: str) -> tuple[ReplicationRule, ...]:
        raise LookupFailed("cannot read the replication rules", passing=passing)

    return ReadOnce(read)


#: Rules -> what FAILED and NONE mean on MinIO by them.
BY_RULES = {
    "covering": (rules(RULE), "wait", "wait"),
    "one of two": (rules(replace(RULE, prefix="x/"), RULE), "wait", "wait"),
    "silent about existing objects": (rules(replace(RULE, replicates_existing=None)), "wait", "wait"),
    "for new objects only": (rules(replace(RULE, replicates_existing=False)), "wait", "fail"),
    "by tag": (rules(replace(RULE, tags={"t": "v"}, replicates_existing=False)), "wait", "wait"),
    "disabled": (rules(replace(RULE, enabled=False)), "fail", "fail"),
    "for another prefix": (rules(replace(RULE, prefix="cooked/")), "fail", "fail"),
    "none": (rules(), "fail", "fail"),
    "not readable": (unreadable(passing=False), "wait", "fail"),
    "not readable just now": (unreadable(passing=True), "wait", "wait"),
}


@pytest.mark.parametrize("name", BY_RULES)
def test_where_the_store_repairs_the_rules_decide(name: str) -> None:
    """By default FAILED and NONE wait on MinIO while a rule covers the key, and fail once none does."""
    read, failed, none = BY_RULES[name]
    policy = GatePolicy()
    assert policy.judge(answer(ObjectState.FAILED), NOW, covered=read.cover) == failed
    assert policy.judge(answer(ObjectState.NONE), NOW, covered=read.cover) == none


@pytest.mark.parametrize(
    "server", ["AmazonS3", "nginx", "", "Ceph Object Gateway (squid)", "StorageGRID/11.9", "RustFS"]
)
@pytest.mark.parametrize("state", [ObjectState.FAILED, ObjectState.NONE])
def test_elsewhere_they_fail(server: str, state: ObjectState) -> None:
    """By default FAILED and NONE fail on S3, and wherever it is not known that the store repairs them."""
    assert GatePolicy().judge(answer(state, server), NOW, covered=rules(RULE).cover) is Outcome.FAIL


@pytest.mark.parametrize("server", ["AmazonS3", "MinIO", ""])
@pytest.mark.parametrize(
    ("arguments", "state", "outcome"),
    [
        ({"on_failed": "fail"}, ObjectState.FAILED, Outcome.FAIL),
        ({"on_failed": "wait"}, ObjectState.FAILED, Outcome.WAIT),
        ({"on_none": "fail"}, ObjectState.NONE, Outcome.FAIL),
        ({"on_none": "wait"}, ObjectState.NONE, Outcome.WAIT),
        ({"on_none": "done"}, ObjectState.NONE, Outcome.DONE),
    ],
)
def test_what_the_author_wrote_holds_in_every_store(
    server: str, arguments: dict[str, str], state: ObjectState, outcome: Outcome
) -> None:
    """Whatever the author wrote for FAILED and NONE is done on every store, whatever the age and the rules."""
    policy = GatePolicy(**arguments, max_pending_age=30.0)
    for read in (rules(), rules(RULE), unreadable(passing=True)):
        assert policy.judge(answer(state, server), NOW, covered=read.cover) is outcome


@pytest.mark.parametrize("state", [ObjectState.FAILED, ObjectState.NONE, ObjectState.PENDING])
@pytest.mark.parametrize(("age", "outcome"), [(60.0, "wait"), (61.0, "fail"), (None, "wait")])
def test_age_ends_what_the_store_may_repair(state: ObjectState, age: float | None, outcome: str) -> None:
    """On MinIO max_pending_age ends FAILED and NONE as it ends PENDING, counted from Last-Modified."""
    policy = GatePolicy(max_pending_age=60.0)
    assert policy.judge(answer(state, age=age), NOW, covered=rules(RULE).cover) == outcome


def reason(found: ObjectReplication, read: ReadOnce, policy: GatePolicy | None = None) -> str:
    tally = Tally(NOW)
    tally.add(found, (policy or GatePolicy()).judge(found, NOW, covered=read.cover))
    (named,) = tally.verdict(read.why_no_status, read.cover).sample
    return named["reason"]


S3_ONLY = ("S3 does not retry", "Batch Replication", "S3 looks at tags", "rules reach only", "S3 goes on", "Inventory")


@pytest.mark.parametrize("server", ["MinIO", "RustFS", "Ceph Object Gateway (squid)", "StorageGRID/11.9.0.2"])
@pytest.mark.parametrize(
    "state",
    [ObjectState.FAILED, ObjectState.NONE, ObjectState.PENDING, ObjectState.REPLICA, ObjectState.UNREADABLE],
)
@pytest.mark.parametrize("name", BY_RULES)
def test_nothing_that_is_true_of_s3_alone_is_said_of_another(server: str, state: ObjectState, name: str) -> None:
    """A verdict about another store says nothing that holds for S3 only."""
    found = replace(answer(state, server), encryption="aws:kms", storage_class="GLACIER")
    for policy in (
        GatePolicy(on_replica="fail", max_pending_age=30.0),
        GatePolicy(on_failed="fail", on_none="fail", on_replica="fail", max_pending_age=30.0),
    ):
        said = reason(found, BY_RULES[name][0], policy)
        assert not [text for text in S3_ONLY if text in said], said
        assert "\n" not in said


@pytest.mark.parametrize(
    ("found", "read", "says"),
    [
        (answer(ObjectState.FAILED), rules(RULE), "MinIO tries again by itself"),
        (answer(ObjectState.FAILED), rules(), "none of bucket landing does now"),
        (answer(ObjectState.FAILED), rules(replace(RULE, enabled=False)), "none of bucket landing does now"),
        (answer(ObjectState.NONE), rules(RULE), "MinIO replicates what was there before the rule"),
        (answer(ObjectState.NONE), rules(replace(RULE, tags={"t": "v"})), "as soon as it has them"),
        (answer(ObjectState.NONE), rules(replace(RULE, replicates_existing=False)), "leaves out what was there before"),
        (answer(ObjectState.NONE), rules(), "no replication configuration"),
        (
            answer(ObjectState.NONE),
            unreadable(passing=False),
            "MinIO has no replication status for it; why is not known",
        ),
        (answer(ObjectState.FAILED, "AmazonS3"), rules(), "S3 does not retry"),
        (answer(ObjectState.NONE, "AmazonS3"), rules(RULE), "rules reach only what is written after them"),
        (answer(ObjectState.NONE, "AmazonS3"), rules(replace(RULE, tags={"t": "v"})), "S3 looks at tags"),
        (answer(ObjectState.FAILED, "StorageGRID/11.9"), rules(), "StorageGRID gave up"),
        (answer(ObjectState.NONE, "StorageGRID/11.9"), rules(RULE), "x-ntap-sg-cgr-replication-status"),
        (answer(ObjectState.NONE, "Ceph Object Gateway (squid)"), rules(), "without any rule of the bucket"),
        (answer(ObjectState.NONE, "Ceph Object Gateway (squid)"), rules(RULE), "Ceph notes a status when"),
    ],
)
def test_verdicts_say_what_is_true_of_the_store(found: ObjectReplication, read: ReadOnce, says: str) -> None:
    """Why an object fails, or is waited for, is told as it is in the store that answered, by the rules as they are."""
    assert says in reason(found, read)


def test_kms_needs_no_opt_in_on_minio() -> None:
    """MinIO replicates objects that are encrypted with KMS without the rule saying so."""
    found = replace(answer(ObjectState.NONE), encryption="aws:kms")
    assert "KMS" not in why_no_status([RULE], found)
    assert "does not opt in to KMS" in why_no_status([RULE], replace(found, server="AmazonS3"))


def test_failure_names_what_decided_and_not_what_waits() -> None:
    """Of two FAILED objects the one that a rule still covers waits, and is not named among those that decided."""
    tally, read = Tally(NOW), rules(RULE)
    outside = replace(answer(ObjectState.FAILED), object=S3Object("landing", "other/k"))
    for found in (answer(ObjectState.FAILED), outside):
        tally.add(found, GatePolicy().judge(found, NOW, covered=read.cover))
    verdict = tally.verdict(read.why_no_status, read.cover)
    assert verdict.deciding == {"FAILED": 1}
    assert "s3://landing/other/k FAILED\n  MinIO tries again only while" in verdict.failure()
    assert "raw/k" not in verdict.failure()
    assert " more FAILED" not in verdict.failure()


def test_rules_say_whether_they_are_for_existing_objects() -> None:
    """A rule's ExistingObjectReplication is read; S3's rules have none."""
    assert ReplicationRule.from_api({"ExistingObjectReplication": {"Status": "Enabled"}}).replicates_existing is True
    assert ReplicationRule.from_api({"ExistingObjectReplication": {"Status": "Disabled"}}).replicates_existing is False
    assert ReplicationRule.from_api({"ID": "s3"}).replicates_existing is None
