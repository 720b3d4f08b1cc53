"""Deletes on the wire: keys that XML cannot hold, conditions, and answers that prove little or nothing."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count
from typing import Any

import pytest

from airflow_provider_crr.errors import LookupFailed
from airflow_provider_crr.failures import ObjectsNotDeleted
from airflow_provider_crr.operators.deletion import S3DeleteReplicatedObjectsOperator
from tests.support.s3_server import Answer
from tests.support.task_context import Context
from tests.support.versioned_s3 import Deleted, Version, VersionedS3, delete_result, said

#: All that XML 1.0 cannot say, of what a key can hold.
UNSAYABLE = [*range(1, 9), 0x0B, 0x0C, *range(0x0E, 0x20), 0xFFFE, 0xFFFF]
SAYABLE = [
    "\t",
    "\n",
    "\r",
    "\r\n",
    "\x7f",
    "\x85",
    "\ud7ff",
    "\ue000",
    "\ufffd",
    "\U0001f600",
    "\U0001fffe",
    "&<>\"' ",
]


@pytest.fixture
def s3(versioned_s3: VersionedS3) -> VersionedS3:
    return versioned_s3


def delete(bucket_key: Any = "s3://b/*", **arguments: Any) -> dict[str, Any]:
    """Run the operator, and return its XCom, be it pushed before an error or returned."""
    context = Context()
    pattern = isinstance(bucket_key, str) and bucket_key.endswith("*")
    operator = S3DeleteReplicatedObjectsOperator(
        task_id="delete", bucket_key=bucket_key, wildcard_match=pattern, **arguments
    )
    try:
        found: dict[str, Any] = operator.execute(context)
    except (ObjectsNotDeleted, LookupFailed):
        found = context.pushed["return_value"]
    return found


def reasons(found: dict[str, Any]) -> list[str]:
    return [f"{each['status']}: {each['reason']}" for each in found["refused_sample"]]


def test_keys_that_xml_cannot_hold_go_one_at_a_time(s3: VersionedS3) -> None:
    """All keys are deleted, those with characters that XML 1.0 cannot hold by DeleteObject, with version and ETag."""
    odd = [f"w/{chr(code)}" for code in UNSAYABLE]
    even = [f"w/{text}" for text in SAYABLE]
    for key in (*odd, *even):
        s3.put("b", key, f"v-{key.encode().hex()}")
    found = delete([f"s3://b/{key}" for key in (*odd, *even)])
    assert (found["deleted"], found["refused"], s3.left()) == (len(odd) + len(even), 0, {})
    assert sorted(each.key for each in s3.deletes if each.alone) == sorted(odd)
    assert sorted(each.key for each in s3.deletes if not each.alone) == sorted(even)
    expected = {
        (key, f"v-{key.encode().hex()}", f'"{Version(f"v-{key.encode().hex()}").etag}"') for key in (*odd, *even)
    }
    assert {(each.key, each.version_id, each.etag) for each in s3.deletes} == expected


def test_one_refused_odd_key_holds_up_no_other(s3: VersionedS3) -> None:
    """A key of DeleteObject that S3 refuses is refused by its name, and the others are deleted."""
    for key in ("w/a", "w/\x10", "w/\x11", "w/z"):
        s3.put("b", key, "v")
    original = s3.delete
    s3.delete = lambda bucket, asked: "AccessDenied" if asked.key == "w/\x10" else original(bucket, asked)  # type: ignore[method-assign]
    found = delete("s3://b/w/*")
    assert (found["deleted"], s3.left()) == (3, {"w/\x10": ["v"]})
    assert found["refused_sample"][0]["uri"] == "s3://b/w/\x10?versionId=v"


@pytest.mark.parametrize("code", ["MalformedXML", "MaxMessageLengthExceeded", "NotImplemented", "MissingContentMD5"])
def test_batch_that_is_refused_for_its_form_goes_one_at_a_time(s3: VersionedS3, code: str) -> None:
    """Where a store refuses the whole request for its form, none of its keys holds up another."""
    for key in "abc":
        s3.put("b", key, "v")
    s3.on_delete = lambda objects: Answer(400, code=code)
    assert (delete()["deleted"], s3.left()) == (3, {})
    assert sorted(each.key for each in s3.deletes if each.alone) == ["a", "b", "c"]
    assert all(each.etag for each in s3.deletes if each.alone)


def test_failed_request_names_what_was_asked_and_what_is_deleted(
    s3: VersionedS3, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error of a request that fails as a whole names its first and last object, and counts what is deleted."""
    monkeypatch.setattr("airflow_provider_crr.replication.deletion.batches.BATCH", 2)
    for key in "abcd":
        s3.put("b", key, "v")
    turn = count()
    s3.on_delete = lambda objects: Answer(403, code="AccessDenied") if next(turn) else None
    operator = S3DeleteReplicatedObjectsOperator(task_id="d", bucket_key=[f"s3://b/{key}" for key in "abcd"])
    context = Context()
    with pytest.raises(LookupFailed, match="2 object versions are deleted by now") as caught:
        operator.execute(context)
    assert "2 object versions, s3://b/" in str(caught.value)
    assert context.pushed["return_value"]["deleted"] == 2


def test_every_version_goes_by_its_id_and_the_current_one_by_its_etag(s3: VersionedS3) -> None:
    """S3 holds an ETag against the current version only, so an older one is deleted by its id alone."""
    s3.put("b", "k", "v1", "v2", "v3")
    assert (delete("s3://b/k")["deleted"], s3.left()) == (3, {})
    sent = sorted((each.version_id, bool(each.etag)) for each in s3.deletes)
    assert sent == [("v1", False), ("v2", False), ("v3", True)]


@pytest.mark.parametrize("on_top", [Version("v2", "PENDING"), Version("m", marker=True)])
def test_named_version_that_is_not_current_is_deleted(s3: VersionedS3, on_top: Version) -> None:
    """A named version whose ETag S3 held against the current one, or a marker, is checked again, and deleted."""
    s3.put("b", "k", "v1", on_top)
    found = delete({"bucket": "b", "key": "k", "version_id": "v1"})
    assert (found["deleted"], found["refused"], s3.left()) == (1, 0, {"k": [on_top.id]})


def test_etag_that_is_not_the_checked_one_is_refused(s3: VersionedS3) -> None:
    """A version whose ETag is not the one that HEAD named stays, is counted, and named with the code."""
    s3.put("b", "k", "v1")
    s3.put("b", "other", "v1")
    wrong = {"x-amz-version-id": "v1", "ETag": '"wrong"', "x-amz-replication-status": "COMPLETED"}
    s3.on_head = lambda request: Answer(headers=wrong) if request.key == "k" else None
    found = delete(["s3://b/k", "s3://b/other"], versions="current")
    assert (found["deleted"], found["refused_statuses"], s3.left()) == (1, {"NOT_DELETED": 1}, {"k": ["v1"]})
    assert "PreconditionFailed" in reasons(found)[0]


def test_version_whose_status_changed_before_the_condition_failed_stays(s3: VersionedS3) -> None:
    """What is no longer COMPLETED when its condition failed is not deleted without one."""
    s3.put("b", "k", "v1", "v2")
    seen: list[str] = []

    def pending_later(request: Any) -> Answer | None:
        seen.append(request.version_id)
        if seen.count("v1") > 1:
            s3.objects["b", "k"][-1].replication = "PENDING"
        return None

    s3.on_head = pending_later
    found = delete({"bucket": "b", "key": "k", "version_id": "v1"})
    assert (found["deleted"], s3.left()) == (0, {"k": ["v2", "v1"]})


@pytest.mark.parametrize("code", ["NotImplemented", "MalformedXML", "InvalidArgument", "InvalidRequest"])
def test_store_that_refuses_conditions_is_asked_without_from_then_on(
    s3: VersionedS3, monkeypatch: pytest.MonkeyPatch, code: str
) -> None:
    """Where a store refuses ETags, versions are deleted by their ids alone, and only the first request is repeated."""
    monkeypatch.setattr("airflow_provider_crr.replication.deletion.batches.BATCH", 2)
    s3.conditions = code
    for key in "abcd":
        s3.put("b", key, "v")
    assert (delete()["deleted"], s3.left()) == (4, {})
    assert [bool(each.etag) for each in s3.deletes] == [True, True, False, False, False, False]


def test_store_that_refuses_conditions_key_by_key_is_asked_without(s3: VersionedS3) -> None:
    """A condition for which the caller has no permission is left out; the version is deleted by its id."""
    s3.put("b", "k", "v")
    s3.on_delete = lambda objects: (
        delete_result(*(said(each, "AccessDenied") for each in objects)) if objects[0].etag else None
    )
    assert (delete()["deleted"], s3.left()) == (1, {})


def test_store_that_ignores_conditions_deletes_by_version(s3: VersionedS3) -> None:
    """Where a store passes ETags over, nothing else changes."""
    s3.conditions = "ignored"
    s3.put("b", "k", "v1", "v2")
    assert (delete("s3://b/k", versions="current")["deleted"], s3.left()) == (1, {"k": ["v1"]})


def silent(objects: Sequence[Deleted]) -> str:
    return delete_result()


UNPROVEN: dict[str, Any] = {
    "nothing": silent,
    "no key": lambda objects: delete_result("<Deleted><VersionId>v</VersionId></Deleted>"),
    "no version": lambda objects: delete_result("<Deleted><Key>k</Key></Deleted>"),
    "another key": lambda objects: delete_result(said(Deleted("z", "v", None, alone=False))),
    "another version": lambda objects: delete_result(said(Deleted("k", "w", None, alone=False))),
    "empty": lambda objects: "",
    "XHTML": lambda objects: "<html xmlns='http://www.w3.org/1999/xhtml'><body>all is well</body></html>",
    "cut short": lambda objects: delete_result(said(objects[0]))[:-20],
    "marker": lambda objects: delete_result(
        said(objects[0]).replace("</Dele", "<DeleteMarker>true</DeleteMarker></Dele")
    ),
    "new marker": lambda objects: delete_result(
        said(objects[0]).replace("</Dele", "<DeleteMarkerVersionId>m</DeleteMarkerVersionId></Dele")
    ),
}


@pytest.mark.parametrize("answer", UNPROVEN)
@pytest.mark.parametrize("really", [True, False], ids=["deleted", "still there"])
def test_what_the_answer_leaves_open_is_asked_again(s3: VersionedS3, answer: str, really: bool) -> None:
    """Where an answer proves nothing of a version, HEAD for it tells whether it is deleted, and XCom counts that."""
    s3.put("b", "k", "v")

    def script(objects: Sequence[Deleted]) -> str:
        if really:
            s3.delete("b", objects[0])
        body: str = UNPROVEN[answer](objects)
        return body

    s3.on_delete = script
    found = delete("s3://b/k")
    assert found["deleted"] == (1 if really else 0)
    if answer == "cut short":  # no answer: an error that a retry may mend
        assert found["refused"] == 0
    elif not really:
        assert reasons(found) == ["NOT_DELETED: S3 did not say that it is deleted"]


def test_what_is_said_twice_or_of_others_counts_once_or_not(s3: VersionedS3) -> None:
    """A version that S3 names twice is one version, and one that was not asked for is none."""
    s3.put("b", "k", "v")
    other = Deleted("z", "v", None, alone=False)
    s3.on_delete = lambda objects: delete_result(said(objects[0]), said(other), said(objects[0]))
    found = delete("s3://b/k")
    assert (found["deleted"], found["refused"], len(s3.heads())) == (1, 0, 1)


def test_of_an_error_and_a_success_the_error_counts(s3: VersionedS3) -> None:
    """A version that S3 names both as deleted and as failed is not deleted."""
    s3.put("b", "k", "v")
    s3.on_delete = lambda objects: delete_result(said(objects[0]), said(objects[0], "InternalError"))
    found = delete("s3://b/k")
    assert (found["deleted"], reasons(found)) == (0, ["NOT_DELETED: S3 did not delete it: InternalError"])


def test_same_version_is_deleted_and_counted_once(s3: VersionedS3) -> None:
    """A key and the same version by its id, both named, are one version."""
    s3.put("b", "k", "v")
    found = delete(["s3://b/k", {"bucket": "b", "key": "k", "version_id": "v"}], versions="current")
    assert (found["deleted"], len(s3.deletes)) == (1, 1)


def test_answer_whose_etag_is_not_the_listed_one_is_unknown(s3: VersionedS3) -> None:
    """An answer with another ETag than the listing showed for that version is about something else: nothing goes."""
    s3.put("b", "k", "v")
    other = {"x-amz-version-id": "v", "ETag": '"other"', "x-amz-replication-status": "COMPLETED"}
    s3.on_head = lambda request: Answer(headers=other)
    for versions in ("all", "current"):
        found = delete(versions=versions)
        assert (found["deleted"], found["refused_statuses"], s3.deletes) == (0, {"UNKNOWN": 1}, [])


@pytest.mark.parametrize("named", [None, "v2"])
def test_answer_about_no_or_another_version_is_unknown(s3: VersionedS3, named: str | None) -> None:
    """Where HEAD for a version names none, or another, as of an endpoint that ignores versionId, nothing is deleted."""
    s3.put("b", "k", Version("v1", "FAILED"), "v2")
    version = {"x-amz-version-id": named} if named else {}
    s3.on_head = lambda request: Answer(
        headers={**version, "ETag": f'"{Version("v2").etag}"', "x-amz-replication-status": "COMPLETED"}
    )
    found = delete({"bucket": "b", "key": "k", "version_id": "v1"})
    assert (found["deleted"], found["refused_statuses"], s3.deletes) == (0, {"UNKNOWN": 1}, [])
