"""Check before delete, against a local AWS that really keeps versions."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_crr.errors import BucketNotFound, InvalidArgument, LookupFailed
from airflow_provider_crr.failures import ObjectsNotDeleted
from airflow_provider_crr.lookup.choice import head_one
from airflow_provider_crr.operators.deletion import S3DeleteReplicatedObjectsOperator
from airflow_provider_crr.replication.deletion.batches import BATCH, Deletion
from airflow_provider_crr.replication.deletion.progress import VersionsUnknown
from airflow_provider_crr.replication.status import ObjectReplication, ObjectState
from airflow_provider_crr.s3.objects import S3Object
from local_aws import LocalAws
from local_aws.buckets import ReplicatedPair
from tests.support.task_context import Context


def delete(**arguments: Any) -> dict[str, Any]:
    return S3DeleteReplicatedObjectsOperator(task_id="delete", **arguments).execute(Context())


def put(pair: ReplicatedPair, *keys: str) -> list[str]:
    return [pair.source_client.put_object(Bucket=pair.source, Key=key, Body=b"x")["VersionId"] for key in keys]


def versions(pair: ReplicatedPair) -> set[tuple[str, str]]:
    found = pair.source_client.list_object_versions(Bucket=pair.source)
    assert "DeleteMarkers" not in found
    return {(line["Key"], line["VersionId"]) for line in found.get("Versions", ())}


@pytest.mark.usefixtures("aws_conn")
def test_completed_versions_are_deleted_for_good_and_the_replica_stays(pair: ReplicatedPair) -> None:
    """Every version of a COMPLETED key is deleted by its id, and the replica is still there."""
    put(pair, "a", "a", "b")
    found = delete(bucket_key=["a", "b"], bucket_name=pair.source)
    assert (found["deleted"], found["refused"], versions(pair)) == (3, 0, set())
    assert pair.destination_client.head_object(Bucket=pair.destination, Key="a")["ReplicationStatus"] == "REPLICA"


@pytest.mark.usefixtures("aws_conn")
def test_dry_run_deletes_nothing(pair: ReplicatedPair) -> None:
    """A dry run counts what would be deleted, and deletes nothing."""
    kept = {("a", version) for version in put(pair, "a", "a")}
    found = delete(bucket_key=f"s3://{pair.source}/a", dry_run=True)
    assert (found["dry_run"], found["deleted"]) == (True, 2)
    assert versions(pair) == kept


def test_what_is_not_completed_is_refused_and_reported(aws_conn: LocalAws, pair: ReplicatedPair) -> None:
    """PENDING and missing objects are refused while COMPLETED ones are deleted, and the task fails with both."""
    (pending,) = put(pair, "slow")
    put(pair, "fast")
    aws_conn.hold(pair.source, "slow")
    context = Context()
    operator = S3DeleteReplicatedObjectsOperator(
        task_id="delete", bucket_key=["slow", "fast", "gone"], bucket_name=pair.source
    )
    with pytest.raises(ObjectsNotDeleted, match="slow") as caught:
        operator.execute(context)
    found = context.pushed["return_value"]
    assert caught.value.summary == found
    assert (found["deleted"], found["refused_statuses"]) == (1, {"PENDING": 1, "MISSING": 1})
    assert versions(pair) == {("slow", pending)}


@pytest.mark.usefixtures("aws_conn")
def test_retry_that_cannot_know_what_was_meant_fails(pair: ReplicatedPair) -> None:
    """Where nothing is kept, a retry on current versions ends for good, says what to do, and keeps the cause."""
    kept = {("a", version) for version in put(pair, "a")}
    context = Context()
    context.try_number, context.max_tries = 2, 1
    operator = S3DeleteReplicatedObjectsOperator(
        task_id="delete", bucket_key=f"s3://{pair.source}/a", versions="current", retries=1
    )
    with pytest.raises(ObjectsNotDeleted, match="Clear the task") as caught:
        operator.execute(context)
    assert isinstance(caught.value.__cause__, VersionsUnknown)
    assert (context.pushed["return_value"]["deleted"], versions(pair)) == (0, kept)


@pytest.mark.usefixtures("aws_conn")
def test_failed_versions_can_be_reported_without_failing(denied_pair: ReplicatedPair) -> None:
    """With on_refused="report" a FAILED version stays, and the task succeeds with its evidence."""
    (kept,) = put(denied_pair, "dt=1/a")
    found = delete(bucket_key=f"s3://{denied_pair.source}/dt=*", wildcard_match=True, on_refused="report")
    assert found["refused_sample"][0]["status"] == "FAILED"
    assert versions(denied_pair) == {("dt=1/a", kept)}


@pytest.mark.usefixtures("aws_conn")
def test_pattern_deletes_all_or_current_versions(pair: ReplicatedPair) -> None:
    """A pattern deletes every version of the keys that match, or only the current ones, and no other key."""
    old, _ = put(pair, "dt=1/a", "dt=1/a")
    (other,) = put(pair, "dt=2/a")
    assert delete(bucket_key=f"s3://{pair.source}/dt=1/*", wildcard_match=True, versions="current")["deleted"] == 1
    assert versions(pair) == {("dt=1/a", old), ("dt=2/a", other)}
    assert delete(bucket_key=f"s3://{pair.source}/dt=1/*", wildcard_match=True)["deleted"] == 1
    assert versions(pair) == {("dt=2/a", other)}


@pytest.mark.usefixtures("aws_conn")
def test_object_that_changes_between_check_and_delete_is_kept(pair: ReplicatedPair) -> None:
    """An object overwritten after it was checked keeps its new version: only the checked version is deleted."""
    put(pair, "a")
    client = pair.source_client
    original = client.delete_objects
    new: list[str] = []

    class Overwriting:
        """The client of a task, beside which somebody overwrites the object."""

        def delete_objects(self, **request: Any) -> Any:
            new.extend(put(pair, "a"))
            return original(**request)

    from airflow_provider_crr.hooks.replication import S3ReplicationHook

    deletion = deleting(Overwriting())
    deletion.run([S3ReplicationHook().get_replication_status(f"s3://{pair.source}/a")])
    assert deletion.counts.deleted == 1
    assert versions(pair) == {("a", new[0])}


def deleting(client: Any) -> Deletion:
    return Deletion(client, lambda objects: [head_one(client, obj) for obj in objects], dry_run=False)


def completed(version_id: str | None) -> ObjectReplication:
    return ObjectReplication(S3Object("b", "k"), ObjectState.COMPLETED, version_id=version_id)


@pytest.mark.parametrize(("version_id", "says"), [(None, "named no version"), ("null", "replaced in place")])
def test_version_that_can_be_replaced_is_refused(version_id: str | None, says: str) -> None:
    """COMPLETED without a version id of its own is refused: what is deleted could differ from what was checked."""
    deletion = deleting(None)
    deletion.run([completed(version_id)])
    assert deletion.counts.deleted == 0
    assert says in deletion.counts.refused_sample[0]["reason"]


@pytest.mark.parametrize("state", [state for state in ObjectState if state is not ObjectState.COMPLETED])
def test_only_completed_is_deleted(state: ObjectState) -> None:
    """No state but COMPLETED leads to a delete, and each refusal has a reason."""
    deletion = deleting(None)
    deletion.run([ObjectReplication(S3Object("b", "k", "v"), state)])
    assert (deletion.counts.deleted, deletion.counts.refused_sample[0]["status"]) == (0, state.value)
    assert deletion.counts.refused_sample[0]["reason"]


class Answering:
    """A client that answers DeleteObjects as S3 does when it keeps one of the objects."""

    def __init__(self) -> None:
        self.sizes: list[int] = []

    def delete_objects(self, **request: Any) -> Any:
        objects = request["Delete"]["Objects"]
        self.sizes.append(len(objects))
        return {"Deleted": objects[1:], "Errors": [{**objects[0], "Code": "AccessDenied"}]}


def test_batches_are_bounded_and_errors_counted() -> None:
    """Deletes go out in batches of at most 1,000, and what S3 did not delete is refused, not deleted."""
    client = Answering()
    deletion = deleting(client)
    deletion.run(
        ObjectReplication(S3Object("b", f"k{n}", "v"), ObjectState.COMPLETED, version_id="v") for n in range(BATCH + 5)
    )
    assert client.sizes == [BATCH, 5]
    assert (deletion.counts.deleted, deletion.counts.refused) == (BATCH + 3, {"NOT_DELETED": 2})
    assert deletion.to_dict()["refused_sample"][0]["reason"].endswith("AccessDenied")


def test_only_what_s3_says_is_deleted_counts_as_deleted() -> None:
    """An error that names no version leaves nothing counted as deleted that S3 did not list as deleted."""

    class Vague:
        def delete_objects(self, **request: Any) -> Any:
            return {"Errors": [{"Key": "k", "Code": "AccessDenied"}]}

    deletion = deleting(Vague())
    deletion.run([ObjectReplication(S3Object("b", "k", "v"), ObjectState.COMPLETED, version_id="v")])
    assert (deletion.counts.deleted, deletion.counts.refused) == (0, {"NOT_DELETED": 1})


def test_what_s3_did_not_delete_fails_even_a_report(
    aws_conn: LocalAws, pair: ReplicatedPair, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A version that S3 did not delete fails the task also with on_refused="report"."""
    put(pair, "a")
    monkeypatch.setattr(Deletion, "_send", lambda *_: None)
    with pytest.raises(ObjectsNotDeleted, match="did not say that it is deleted"):
        delete(bucket_key=f"s3://{pair.source}/a", on_refused="report")


def test_evidence_of_deletes_survives_an_error(
    aws_conn: LocalAws, pair: ReplicatedPair, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was deleted before an error is in the XCom of the failed task."""
    put(pair, "a", "b")
    monkeypatch.setattr("airflow_provider_crr.replication.deletion.batches.BATCH", 1)
    asked: list[Any] = []
    send = Deletion._send

    def fail_later(self: Deletion, batch: list[S3Object], *rest: Any) -> None:
        asked.append(batch)
        if len(asked) == 2:
            raise LookupFailed("the network is gone")
        send(self, batch, *rest)

    monkeypatch.setattr(Deletion, "_send", fail_later)
    context = Context()
    operator = S3DeleteReplicatedObjectsOperator(task_id="d", bucket_key=["a", "b"], bucket_name=pair.source)
    with pytest.raises(LookupFailed):
        operator.execute(context)
    assert context.pushed["return_value"]["deleted"] == 1


@pytest.mark.usefixtures("aws_conn")
def test_overlapping_patterns_delete_once(pair: ReplicatedPair) -> None:
    """A version that two patterns match, or a key and a mapping name, is looked up and deleted once."""
    (version,) = put(pair, "ab")
    found = delete(bucket_key=["a*", "*b"], bucket_name=pair.source, wildcard_match=True, dry_run=True)
    assert found["deleted"] == 1
    found = delete(bucket_key=["ab", {"key": "ab", "version_id": version}], bucket_name=pair.source, dry_run=True)
    assert found["deleted"] == 1


def test_bucket_that_does_not_exist_is_found_before_any_delete(aws_conn: LocalAws, pair: ReplicatedPair) -> None:
    """A list that names a missing bucket deletes nothing at all."""
    kept = {("a", version) for version in put(pair, "a")}
    with pytest.raises(BucketNotFound):
        delete(bucket_key=[f"s3://{pair.source}/a", "s3://no-such-bucket-here/a"])
    assert versions(pair) == kept


@pytest.mark.parametrize(
    "arguments",
    [
        {"bucket_key": []},
        {"bucket_key": "k"},
        {"bucket_key": "s3://b/k\0"},
        {"bucket_key": "s3://b/k", "versions": "some"},
        {"bucket_key": "s3://b/k", "on_refused": "ignore"},
        {"bucket_key": "s3://b/k", "wildcard_match": "False"},
        {"bucket_key": "s3://b/k", "dry_run": "no"},
        {"bucket_key": "s3://b/k", "max_requests_per_second": -1},
    ],
)
def test_bad_arguments_fail_when_the_dag_is_parsed(arguments: dict[str, Any]) -> None:
    """Arguments that can never work are refused when the operator is made."""
    with pytest.raises(InvalidArgument):
        S3DeleteReplicatedObjectsOperator(task_id="delete", **arguments)


@pytest.mark.usefixtures("aws_conn")
def test_rendered_list_text_is_refused() -> None:
    """A template that rendered to the text of a list is refused rather than taken for a key."""
    operator = S3DeleteReplicatedObjectsOperator(
        task_id="delete", bucket_key=["{{ keys }}"], bucket_name="b", wildcard_match=True
    )
    operator.bucket_key = ["['a', 'b']"]
    with pytest.raises(InvalidArgument, match=r"task\.output"):
        operator.execute(Context())


def test_failed_delete_request_is_an_error() -> None:
    """A DeleteObjects request that fails as a whole is an error that names the permission."""
    from botocore.exceptions import ClientError

    class Denying:
        def delete_objects(self, **request: Any) -> Any:
            raise ClientError({"Error": {"Code": "AccessDenied"}}, "DeleteObjects")

    deletion = deleting(Denying())
    with pytest.raises(LookupFailed, match="s3:DeleteObjectVersion"):
        deletion.run([completed("v")])
