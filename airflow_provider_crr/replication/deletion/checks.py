"""What an answer about a version says for its deletion: replicated, gone, or not to be deleted, and why."""

from __future__ import annotations

from airflow_provider_crr.replication.reasons import reason_of
from airflow_provider_crr.replication.status import ObjectReplication, ObjectState
from airflow_provider_crr.s3.listing import ListedObject
from airflow_provider_crr.s3.objects import S3Object

#: Reasons that are other ones than those of a gate.
_REFUSALS = {
    ObjectState.PENDING: "it, or a change of its metadata, is not replicated yet",
    ObjectState.REPLICA: "it is itself a replica; deleting it here says nothing about its source",
}


def refusal(answer: ObjectReplication, listed: ListedObject | None = None) -> tuple[str, str] | None:
    """
    Return state and reason why an object may not be deleted; None if S3 said that this very version is replicated.

    :param answer: what S3 says of it.
    :param listed: what the listing said of it.
    """
    if answer.state is not ObjectState.COMPLETED:
        return answer.state.value, answer.detail or _REFUSALS.get(answer.state) or reason_of(answer)
    asked, named = answer.object.version_id, answer.version_id
    if asked is not None and named != asked:
        reason = f"S3 was asked for version {asked} and answered for {named or 'none'}"
        return ObjectState.UNKNOWN.value, reason
    if named is None:
        reason = "S3 named no version, so what is deleted could be something else than what was checked"
        return answer.state.value, reason
    if named == "null":
        return answer.state.value, "a null version can be replaced in place between the check and the delete"
    if listed is not None and listed.etag and listed.etag != answer.etag:
        reason = f"it was listed with ETag {listed.etag}, and S3 answered for {answer.etag or 'none'}"
        return ObjectState.UNKNOWN.value, reason
    return None


def named_version(answer: ObjectReplication) -> S3Object:
    """Return the version that S3 named in its answer."""
    return S3Object(answer.object.bucket, answer.object.key, answer.version_id)


def is_gone(answer: ObjectReplication) -> bool:
    """Return whether S3 said that the version that was asked for is not there."""
    return answer.state is ObjectState.MISSING and answer.http_status == 404 and answer.object.version_id is not None


def is_another(current: ObjectReplication | None, version: S3Object) -> bool:
    """
    Return whether S3 said that something else than a version is current: another one, a delete marker, or nothing.

    :param current: what S3 says of the key without a version; None if it did not say anything.
    :param version: the version.
    """
    if current is None:
        return False
    if current.state in (ObjectState.MISSING, ObjectState.DELETED):
        return True
    return current.http_status == 200 and current.version_id not in (None, version.version_id)
