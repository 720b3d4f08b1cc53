"""Why an object decides against the gate, and the remedy, in one line."""

from __future__ import annotations

from airflow_provider_crr.replication.status import ObjectReplication, ObjectState
from airflow_provider_crr.s3.stores import UNNAMED, store_of

#: Most characters of one object's reason.
MAX_REASON = 1000


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


#: The reasons on Amazon S3. NONE is explained by the bucket's rules instead; what is different elsewhere, by the store.
REASONS = {
    ObjectState.FAILED: "S3 does not retry a failed replication. Mend the cause (role, KMS key, destination bucket),"
    " then upload the object again or run an S3 Batch Replication job",
    ObjectState.PENDING: f"PENDING for longer than max_pending_age. {_sentence(UNNAMED.pending)}",
    ObjectState.NONE: "S3 has no replication status for it",
    ObjectState.MISSING: "there is no such object",
    ObjectState.DELETED: "its current version, or the version asked for, is a delete marker",
    ObjectState.REPLICA: "it is itself a replica. Ask the source bucket, or set on_replica='done'",
    ObjectState.FORBIDDEN: "S3 answered 403. Allow s3:GetObject (with a version id: s3:GetObjectVersion) on the"
    " object, and s3:ListBucket on the bucket, without which a missing object looks forbidden",
    ObjectState.UNREADABLE: "S3 answered 400, as it does for objects encrypted with a customer key (SSE-C): their"
    " status can only be read from an S3 Inventory report",
    ObjectState.UNKNOWN: "S3 gave no answer that can be read",
}
_IF_MISSING = (
    "Look at the bucket, the key and its date: does the writer write it? If it may come later, on_missing='wait'"
)
#: Why an object is FAILED for good on a store that tries again. {0} is the store's name, {1} the bucket's.
UNCOVERED = (
    "{0} tries again only while an enabled rule covers the key, and none of bucket {1} does now. Put the rule back, or"
    " upload the object again once there is one"
)
#: Reasons that are different for what a pattern matched. {0} is the store's name.
_LISTED_REASONS = {
    ObjectState.REPLICA: "it is itself a replica, and matched by a pattern: {0} replicates in no order, and what is not"
    " there yet cannot be seen. Ask the source bucket, name the objects, or set on_replica='done'",
}


def reason_of(answer: ObjectReplication, *, listed: bool = False) -> str:
    """
    Return why an object decides against the gate, and the remedy, for the store that answered.

    :param answer: the answer about the object.
    :param listed: whether a pattern matched it, rather than that it was named.
    """
    store = store_of(answer.server)
    if listed and answer.state in _LISTED_REASONS:
        return _LISTED_REASONS[answer.state].format(store.doer)
    if answer.state is ObjectState.MISSING:
        return f"{answer.detail or REASONS[ObjectState.MISSING]}. {_IF_MISSING}"
    if answer.state is ObjectState.PENDING:
        return f"PENDING for longer than max_pending_age. {_sentence(store.pending)}"
    return store.words.get(answer.state.value) or REASONS[answer.state]
