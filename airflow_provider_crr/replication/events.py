"""
S3's notifications about replication, read from the body of an SQS message.

Their form: `Receiving replication failure events
<https://docs.aws.amazon.com/AmazonS3/latest/userguide/replication-metrics-events.html>`__ and `Event message structure
<https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html>`__. Through SNS they come
as `its message <https://docs.aws.amazon.com/sns/latest/dg/sns-sqs-as-subscriber.html>`__, unless delivery is raw; SNS
also sends `messages about the subscription
<https://docs.aws.amazon.com/sns/latest/dg/http-subscription-confirmation-json.html>`__ itself. S3 does not send
notifications about replication to EventBridge, and sends none for a replication that ends in time. One may come twice,
or late.
"""

from __future__ import annotations

import json
import logging
import reprlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote_plus

from airflow_provider_crr.batch.failure_reasons import explain
from airflow_provider_crr.errors import EventInvalid
from airflow_provider_crr.s3.objects import S3Object
from airflow_provider_crr.text.legible import told

log = logging.getLogger(__name__)

_FAMILY = "s3:Replication:"
#: Names of the events, as a bucket's notification configuration has them.
FAILED = f"{_FAMILY}OperationFailedReplication"
MISSED_THRESHOLD = f"{_FAMILY}OperationMissedThreshold"
REPLICATED_AFTER_THRESHOLD = f"{_FAMILY}OperationReplicatedAfterThreshold"
NOT_TRACKED = f"{_FAMILY}OperationNotTracked"

#: ``Type`` of the messages that SNS sends about a subscription. They tell nothing about any object.
_CONFIRM = "SubscriptionConfirmation"
_OF_SUBSCRIPTION = (_CONFIRM, "UnsubscribeConfirmation")  # no set: what is looked for may be unhashable
#: Some editors, and tools that write files, put this before a text.
_BYTE_ORDER_MARK = "\ufeff"
_REMEDY = "Send the queue nothing but S3 event notifications, from S3 itself or through SNS"


@dataclass(frozen=True, slots=True)
class ReplicationEvent:
    """
    What S3 tells of one replication.

    :param name: such as :data:`FAILED`; always with ``s3:``, which S3 leaves out. Names that are not known are kept.
    :param object: the source object's version, its key as S3 stores it.
    :param time: when S3 noticed, UTC; None if it does not say.
    :param rule_id: id of the replication rule, or None.
    :param destination_bucket: name of the bucket for the replica, or None.
    :param operation: what was to be replicated, such as ``OBJECT_PUT``, or None.
    :param requested_at: when that was requested, UTC, or None.
    :param failure_reason: S3's code for a failure, or None.
    """

    name: str
    object: S3Object
    time: datetime | None = None
    rule_id: str | None = None
    destination_bucket: str | None = None
    operation: str | None = None
    requested_at: datetime | None = None
    failure_reason: str | None = None

    @property
    def failure_reason_explained(self) -> str | None:
        """Why it failed and what to do, in words; None for an event that tells of no failure."""
        return explain(self.failure_reason) if self.name == FAILED or self.failure_reason else None

    def to_dict(self) -> dict[str, Any]:
        """
        Return the plain JSON form, for XCom. ``S3ReplicationSensor`` takes ``object`` as a key.

        Any other text that is longer than 500 characters is shortened in its middle.
        """
        return {
            "name": told(self.name),
            "object": self.object.to_dict(),
            "time": self.time.isoformat() if self.time else None,
            "rule_id": _told(self.rule_id),
            "destination_bucket": _told(self.destination_bucket),
            "operation": _told(self.operation),
            "requested_at": self.requested_at.isoformat() if self.requested_at else None,
            "failure_reason": _told(self.failure_reason),
            "failure_reason_explained": self.failure_reason_explained,
        }


def parse_events(body: str, *, rejected: list[EventInvalid] | None = None) -> list[ReplicationEvent]:
    """
    Return what a message tells about replication.

    If one record cannot be read, the others are returned all the same: the message may be gone from the queue already.

    :param body: body of the SQS message, as S3 wrote it, or wrapped by SNS, once or several times.
    :param rejected: gets an error for each record that cannot be read, or for the message as a whole. Without it they
        are logged.
    :return: the events that could be read. There are none in ``s3:TestEvent``, which S3 sends when notifications are
        configured, in what SNS sends about a subscription, and in events of another kind.
    :raises EventInvalid: if ``rejected`` is not given, there are no events, and something could not be read: it is no
        S3 event notification, or one in a form that is not known.
    """
    events: list[ReplicationEvent] = []
    unread: list[EventInvalid] = []
    try:
        for record in _records(body):
            try:
                event = _event(record)
            except EventInvalid as error:
                unread.append(error)
            else:
                events += [event] if event else []
    except EventInvalid as error:
        unread.append(error)
    if rejected is not None:
        rejected += unread
    elif unread and not events:
        raise unread[0]
    else:
        for each in unread:
            log.warning("a record of an event notification cannot be read: %s", each)
    return events


def _records(body: object) -> list[object]:
    """Return the records of a message, also if SNS has wrapped it; none if it is about something else."""
    message = _json(body)
    while message.get("Type") == "Notification" and "TopicArn" in message:
        message = _json(message.get("Message"))
    if message.get("Type") in _OF_SUBSCRIPTION and "Records" not in message:
        if message["Type"] == _CONFIRM:
            log.warning("SNS waits for a subscription of %s to be confirmed", told(message.get("TopicArn")))
        return []
    if message.get("Event") == "s3:TestEvent":
        return []
    records = message.get("Records")
    if not isinstance(records, list):
        eventbridge = "detail-type" in message
        raise EventInvalid(
            "an event of EventBridge, which S3 tells nothing about replication" if eventbridge else "no Records",
            remedy=_REMEDY,
        )
    return records


def _json(body: object) -> dict[str, Any]:
    try:
        message = json.loads(body.lstrip(_BYTE_ORDER_MARK)) if isinstance(body, str) else None
    except (ValueError, RecursionError) as error:
        raise EventInvalid(f"not JSON: {error}", remedy=_REMEDY) from error
    if not isinstance(message, dict):
        raise EventInvalid(f"not a JSON object: {_shown(body)}", remedy=_REMEDY)
    return message


def _event(record: object) -> ReplicationEvent | None:
    if not isinstance(record, Mapping):
        raise EventInvalid(f"a record is {_shown(record)}", remedy=_REMEDY)
    name = f"s3:{_text(record, 'eventName', 'eventName').removeprefix('s3:')}"
    if not name.startswith(_FAMILY):
        return None
    version = _text(record, "eventVersion", "eventVersion")
    if version.partition(".")[0] != "2":  # the major version changes with what a reader relies on
        raise EventInvalid(f"eventVersion {_shown(version)}", remedy="Look for a newer release of this provider")
    s3 = _part(record, "s3")
    bucket = _text(_part(s3, "bucket"), "name", "s3.bucket.name")
    key = _text(_part(s3, "object"), "key", "s3.object.key")
    version_id = _optional(_part(s3, "object"), "versionId")
    try:  # the key is encoded as in a form: a space is "+"
        obj = S3Object(bucket, unquote_plus(key, errors="strict"), version_id)
    except ValueError as error:  # no UTF-8, or InvalidArgument
        raise EventInvalid(f"s3.object does not name an object: {told(error)}", remedy=_REMEDY) from error
    data = record.get("replicationEventData") or {}
    if not isinstance(data, Mapping):
        raise EventInvalid(f"replicationEventData is {_shown(data)}", remedy=_REMEDY)
    destination = _optional(data, "destinationBucket")
    return ReplicationEvent(
        name=name,
        object=obj,
        time=_moment(record, "eventTime"),
        rule_id=_optional(data, "replicationRuleId"),
        destination_bucket=destination.rpartition(":")[2] if destination else None,
        operation=_optional(data, "s3Operation"),
        requested_at=_moment(data, "requestTime"),
        failure_reason=_optional(data, "failureReason"),
    )


def _told(text: str | None) -> str | None:
    return None if text is None else told(text)


def _shown(value: object) -> str:
    """Return a value as a message quotes it, however large it is, or deep."""
    return repr((value if isinstance(value, str) else reprlib.repr(value))[:80])


def _part(of: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = of.get(name)
    if not isinstance(value, Mapping):
        raise EventInvalid(f"{name} is {_shown(value)}", remedy=_REMEDY)
    return value


def _text(of: Mapping[str, Any], name: str, path: str) -> str:
    value = _optional(of, name)
    if value is None:
        raise EventInvalid(f"there is no {path}", remedy=_REMEDY)
    return value


def _optional(of: Mapping[str, Any], name: str) -> str | None:
    value = of.get(name)
    if value is not None and not isinstance(value, str):
        raise EventInvalid(f"{name} is {_shown(value)}", remedy=_REMEDY)
    return value or None


def _moment(of: Mapping[str, Any], name: str) -> datetime | None:
    text = _optional(of, name)
    try:
        moment = datetime.fromisoformat(text) if text else None
    except ValueError as error:
        raise EventInvalid(f"{name} is {_shown(text)}", remedy=_REMEDY) from error
    return moment.replace(tzinfo=UTC) if moment and moment.tzinfo is None else moment
