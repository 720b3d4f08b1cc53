"""S3's notifications about replication, as they lie in a queue."""

from __future__ import annotations

import copy
import json
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_crr.batch.failure_reasons import FAILURE_REASONS, explain
from airflow_provider_crr.errors import EventInvalid
from airflow_provider_crr.replication.events import FAILED, MISSED_THRESHOLD, ReplicationEvent, parse_events
from airflow_provider_crr.s3.objects import S3Object

#: AWS's example, from "Receiving replication failure events with Amazon S3 Event Notifications".
EXAMPLE: dict[str, Any] = {
    "Records": [
        {
            "eventVersion": "2.2",
            "eventSource": "aws:s3",
            "awsRegion": "us-east-1",
            "eventTime": "2024-09-05T21:04:32.527Z",
            "eventName": "Replication:OperationFailedReplication",
            "userIdentity": {"principalId": "s3.amazonaws.com"},
            "requestParameters": {"sourceIPAddress": "s3.amazonaws.com"},
            "responseElements": {"x-amz-request-id": "123bf045-2b4b-4ca8-a211-c34a63c59426"},
            "s3": {
                "s3SchemaVersion": "1.0",
                "configurationId": "ReplicationEventName",
                "bucket": {
                    "name": "amzn-s3-demo-bucket1",
                    "ownerIdentity": {"principalId": "111122223333"},
                    "arn": "arn:aws:s3:::amzn-s3-demo-bucket1",
                },
                "object": {
                    "key": "replication-object-put-test.png",
                    "size": 520080,
                    "eTag": "e12345ca7e88a38428305d3ff7fcb99f",
                    "versionId": "abcdeH0Xp66ep__QDjR76LK7Gc9X4wKO",
                    "sequencer": "0066DA1CBF104C0D51",
                },
            },
            "replicationEventData": {
                "replicationRuleId": "notification-test-replication-rule",
                "destinationBucket": "arn:aws:s3:::amzn-s3-demo-bucket2",
                "s3Operation": "OBJECT_PUT",
                "requestTime": "2024-09-05T21:03:59.168Z",
                "failureReason": "AssumeRoleNotPermitted",
            },
        }
    ]
}
TEST_EVENT = {
    "Service": "Amazon S3",
    "Event": "s3:TestEvent",
    "Time": "2014-10-13T15:57:02.089Z",
    "Bucket": "amzn-s3-demo-bucket1",
    "RequestId": "5582815E1AEA5ADF",
    "HostId": "8cLeGAmw098X5cv4Zkwcmo8vvZa3eH3eKxsPzbB9wrR+YstdA6Knx4Ip8EXAMPLE",
}


def changed(*path: str, value: Any) -> str:
    """Return the example as a message, with one thing of its record changed; None removes it."""
    message = copy.deepcopy(EXAMPLE)
    part = message["Records"][0]
    for name in path[:-1]:
        part = part[name]
    if value is None:
        del part[path[-1]]
    else:
        part[path[-1]] = value
    return json.dumps(message)


def test_example_of_aws_is_read() -> None:
    """Every value of AWS's own example arrives typed, the event's name as notifications are configured with it."""
    (event,) = parse_events(json.dumps(EXAMPLE))
    assert event == ReplicationEvent(
        name="s3:Replication:OperationFailedReplication",
        object=S3Object("amzn-s3-demo-bucket1", "replication-object-put-test.png", "abcdeH0Xp66ep__QDjR76LK7Gc9X4wKO"),
        time=datetime(2024, 9, 5, 21, 4, 32, 527000, UTC),
        rule_id="notification-test-replication-rule",
        destination_bucket="amzn-s3-demo-bucket2",
        operation="OBJECT_PUT",
        requested_at=datetime(2024, 9, 5, 21, 3, 59, 168000, UTC),
        failure_reason="AssumeRoleNotPermitted",
    )
    assert "trust policy" in str(event.failure_reason_explained)


def test_event_is_plain_json_and_its_object_is_one_for_a_gate() -> None:
    """What goes to XCom survives JSON, and its object is read again as the same object."""
    (event,) = parse_events(json.dumps(EXAMPLE))
    found = event.to_dict()
    assert json.loads(json.dumps(found)) == found
    assert S3Object.parse(found["object"]) == event.object


@pytest.mark.parametrize("name", ["Replication:OperationFailedReplication", FAILED])
def test_prefix_of_the_name_is_optional(name: str) -> None:
    """S3 leaves "s3:" out of a record, and others write it: the name is the same."""
    (event,) = parse_events(changed("eventName", value=name))
    assert event.name == FAILED


@pytest.mark.parametrize("version", ["2.2", "2.5", "2.10"])
def test_any_minor_version_is_read(version: str) -> None:
    """A minor version adds fields only; since 2.4 all kinds of events have the same."""
    assert len(parse_events(changed("eventVersion", value=version))) == 1


@given(st.text(min_size=1).filter(lambda key: "\0" not in key and len(key.encode(errors="ignore")) < 1024))
def test_key_is_decoded_as_a_form_encodes_it(key: str) -> None:
    """Whatever a key is made of, it arrives as S3 stores it: "+" in the message is a space."""
    from urllib.parse import quote_plus

    try:
        encoded = quote_plus(key, safe="/")
    except UnicodeEncodeError:  # no S3 key
        return
    (event,) = parse_events(changed("s3", "object", "key", value=encoded))
    assert event.object.key == key


@pytest.mark.parametrize(
    ("encoded", "key"), [("red+flower.jpg", "red flower.jpg"), ("a%2Bb%25", "a+b%"), ("caf%C3%A9/x", "café/x")]
)
def test_key_of_the_documents_is_decoded(encoded: str, key: str) -> None:
    """AWS's example "red+flower.jpg" is the key "red flower.jpg"."""
    (event,) = parse_events(changed("s3", "object", "key", value=encoded))
    assert event.object.key == key


def test_what_s3_sends_when_notifications_are_configured_tells_nothing() -> None:
    """s3:TestEvent has no records, and is no error."""
    assert parse_events(json.dumps(TEST_EVENT)) == []


def test_events_of_another_kind_are_left_out() -> None:
    """In a queue that gets other events, too, only those about replication are returned."""
    created = {**copy.deepcopy(EXAMPLE["Records"][0]), "eventName": "ObjectCreated:Put", "eventVersion": "9.0"}
    (event,) = parse_events(json.dumps({"Records": [created, EXAMPLE["Records"][0]]}))
    assert event.name == FAILED


@pytest.mark.parametrize("inner", [EXAMPLE, TEST_EVENT], ids=["event", "test"])
def test_message_that_came_through_sns_is_unwrapped(inner: dict[str, Any]) -> None:
    """A message that SNS put into its own is read as if S3 had sent it to the queue."""
    wrapped = {
        "Type": "Notification",
        "MessageId": "63a3f6b6-d533-4a47-aef9-fcf5cf758c76",
        "TopicArn": "arn:aws:sns:us-west-2:123456789012:MyTopic",
        "Subject": "Amazon S3 Notification",
        "Message": json.dumps(inner),
        "Timestamp": "2012-03-29T05:12:16.901Z",
    }
    assert parse_events(json.dumps(wrapped)) == parse_events(json.dumps(inner))


def test_event_of_the_time_control_has_no_failure() -> None:
    """An event that tells of no failure has no reason, and explains none; a name new to S3 is kept."""
    message = json.loads(changed("replicationEventData", "failureReason", value=None))
    for name in (MISSED_THRESHOLD, "s3:Replication:OperationOfTomorrow"):
        message["Records"][0]["eventName"] = name
        (event,) = parse_events(json.dumps(message))
        assert (event.name, event.failure_reason, event.failure_reason_explained) == (name, None, None)


def test_failure_without_details_is_still_told() -> None:
    """All that is not the object may be missing: SDKs call every such value optional."""
    message = json.loads(changed("replicationEventData", value=None))
    del message["Records"][0]["eventTime"]
    (event,) = parse_events(json.dumps(message))
    assert (event.time, event.destination_bucket, event.rule_id) == (None, None, None)
    assert "no reason" in str(event.failure_reason_explained)


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ("", "not JSON"),
        ("hello", "not JSON"),
        ("[" * 100_000, "not JSON"),
        ("[]", "not a JSON object"),
        ("{}", "no Records"),
        ('{"Records": {}}', "no Records"),
        ('{"Records": [1]}', "a record is '1'"),
        ('{"Records": [{}]}', "no eventName"),
        ('{"version": "0", "detail-type": "Object Created", "source": "aws.s3", "detail": {}}', "EventBridge"),
        ('{"Type": "Notification", "TopicArn": "arn", "Message": null}', "not a JSON object"),
        ('{"Type": ["Notification"]}', "no Records"),
        ('{"Type": {}, "Event": {}}', "no Records"),
        (changed("eventVersion", value="3.0"), r"eventVersion '3\.0'"),
        (changed("eventVersion", value=None), "no eventVersion"),
        (changed("eventName", value=7), "eventName is '7'"),
        (changed("eventTime", value="yesterday"), "eventTime is 'yesterday'"),
        (changed("s3", value=None), "s3 is 'None'"),
        (changed("s3", "bucket", "name", value=None), r"no s3\.bucket\.name"),
        (changed("s3", "object", "key", value=""), r"no s3\.object\.key"),
        (changed("s3", "object", "key", value="%ff"), "does not name an object"),
        (changed("s3", "object", "key", value="%00"), "does not name an object"),
        (changed("replicationEventData", value=["x"]), "replicationEventData"),
        (changed("replicationEventData", "destinationBucket", value=1), "destinationBucket"),
    ],
)
def test_what_is_no_such_notification_is_refused(body: str, says: str) -> None:
    """A message that is malformed is an error of ours that says what is wrong with it, and what to do."""
    with pytest.raises(EventInvalid, match=says) as raised:
        parse_events(body)
    assert raised.value.remedy


#: Names of a record that is read.
_NAMES = ["Records", "eventName", "eventVersion", "s3", "bucket", "object", "key", "name"]


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: (
            st.lists(inner)
            | st.dictionaries(
                st.sampled_from([*_NAMES, "Type", "TopicArn", "Message", "Event", "detail-type"]),
                inner,
            )
        ),
    )
)
def test_nothing_but_our_error_is_raised(message: Any) -> None:
    """Whatever JSON comes, it is read or refused."""
    with suppress(EventInvalid):
        parse_events(json.dumps(message))


#: What SNS sends about a subscription ("Parsing Amazon SNS message formats").
CONTROL = {
    "MessageId": "165545c9-2a5c-472c-8df2-7ff2be2b3b1b",
    "Token": "2336412f37",
    "TopicArn": "arn:aws:sns:us-west-2:123456789012:MyTopic",
    "Message": "You have chosen to subscribe to the topic. To confirm, visit the SubscribeURL.",
    "SubscribeURL": "https://sns.us-west-2.amazonaws.com/?Action=ConfirmSubscription&Token=2336412f37",
    "Timestamp": "2012-04-26T20:45:04.751Z",
}


def through_sns(message: str, times: int = 1) -> str:
    """Return a message as it comes through so many topics."""
    for _ in range(times):
        message = json.dumps({"Type": "Notification", "TopicArn": "arn:aws:sns:eu-west-1:1:t", "Message": message})
    return message


@pytest.mark.parametrize("wrapped", [0, 1, 2])
@pytest.mark.parametrize("kind", ["SubscriptionConfirmation", "UnsubscribeConfirmation"])
def test_what_sns_says_of_a_subscription_tells_nothing(
    kind: str, wrapped: int, caplog: pytest.LogCaptureFixture
) -> None:
    """A control message of SNS is no event and no error; that a subscription waits is logged, without its token."""
    rejected: list[EventInvalid] = []
    body = through_sns(json.dumps({"Type": kind, **CONTROL}), wrapped)
    assert parse_events(body) == parse_events(body, rejected=rejected) == []
    assert rejected == []
    assert ("to be confirmed" in caplog.text) is (kind == "SubscriptionConfirmation")
    assert CONTROL["Token"] not in caplog.text


@pytest.mark.parametrize("times", [1, 2, 3])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_message_is_read_through_topics_and_behind_a_mark(times: int, mark: str) -> None:
    """SNS may have wrapped a message more than once, and a byte-order mark may stand before it."""
    assert parse_events(mark + through_sns(mark + json.dumps(EXAMPLE), times)) == parse_events(json.dumps(EXAMPLE))


#: One thing wrong with a record each.
BAD_RECORDS = [
    1,
    None,
    {},
    json.loads(changed("s3", "object", "key", value="%ff"))["Records"][0],
    json.loads(changed("eventVersion", value="3.0"))["Records"][0],
    json.loads(changed("eventTime", value="yesterday"))["Records"][0],
    json.loads(changed("s3", "bucket", "name", value="no bucket/"))["Records"][0],
]


@pytest.mark.parametrize("place", [0, 1])
@pytest.mark.parametrize("bad", BAD_RECORDS, ids=[str(number) for number in range(len(BAD_RECORDS))])
def test_bad_record_does_not_discard_the_good_ones(bad: Any, place: int, caplog: pytest.LogCaptureFixture) -> None:
    """What can be read of a message is returned, and what cannot is handed over as an error, or logged."""
    records = [EXAMPLE["Records"][0]]
    records.insert(place, bad)
    body = json.dumps({"Records": records})
    rejected: list[EventInvalid] = []
    assert parse_events(body, rejected=rejected) == parse_events(json.dumps(EXAMPLE))
    (error,) = rejected
    assert isinstance(error, EventInvalid)
    assert error.remedy
    assert parse_events(body) == parse_events(json.dumps(EXAMPLE))
    assert error.message in caplog.text


def test_batch_keeps_what_can_be_read_of_it() -> None:
    """One list takes what is wrong with any message of a batch, and keeps what it had."""
    batch = ["hello", json.dumps(EXAMPLE), "{}", json.dumps({"Records": [7]}), json.dumps(EXAMPLE), "[" * 100_000]
    rejected: list[EventInvalid] = []
    found = [event for body in batch for event in parse_events(body, rejected=rejected)]
    assert len(found) == 2
    assert [error.message[:12] for error in rejected] == ["not JSON: Ex", "no Records", "a record is ", "not JSON: ma"]


def test_bad_record_among_events_of_another_kind_is_raised() -> None:
    """Where nothing tells of a replication, what cannot be read is not passed over: it might have."""
    created = {**copy.deepcopy(EXAMPLE["Records"][0]), "eventName": "ObjectCreated:Put"}
    with pytest.raises(EventInvalid, match="eventVersion"):
        parse_events(json.dumps({"Records": [created, BAD_RECORDS[4]]}))


@pytest.mark.parametrize(
    "path",
    [
        ("eventName",),
        ("eventVersion",),
        ("eventTime",),
        ("s3", "bucket", "name"),
        ("s3", "object", "key"),
        ("replicationEventData",),
        *(("replicationEventData", name) for name in ("replicationRuleId", "destinationBucket", "failureReason")),
    ],
    ids=".".join,
)
def test_no_text_of_a_message_is_handed_on_without_a_bound(path: tuple[str, ...]) -> None:
    """However long a value of a record is, or whatever is in it, what goes to XCom or into an error is short."""
    long = "Replication:\x1b[31m" + "x" * 200_000 if path == ("eventName",) else "\x1b[31m" + "x" * 200_000
    rejected: list[EventInvalid] = []
    events = parse_events(changed(*path, value=long), rejected=rejected)
    assert len(events) + len(rejected) == 1
    shown = json.dumps([event.to_dict() for event in events], ensure_ascii=False) + "".join(map(str, rejected))
    assert len(shown) < 4000
    assert "\x1b" not in shown


def test_every_documented_reason_is_explained() -> None:
    """Each code of AWS's table has words of its own; one that is not known is named."""
    documented = [
        "AssumeRoleNotPermitted",
        "DstBucketInvalidRegion",
        "DstBucketNotFound",
        "DstBucketObjectLockConfigMissing",
        "DstBucketUnversioned",
        "DstDelObjNotPermitted",
        "DstKmsKeyInvalidState",
        "DstKmsKeyNotFound",
        "DstMultipartCompleteNotPermitted",
        "DstMultipartInitNotPermitted",
        "DstMultipartUploadNotPermitted",
        "DstObjectHardDeleted",
        "DstPutAclNotPermitted",
        "DstPutLegalHoldNotPermitted",
        "DstPutObjectNotPermitted",
        "DstPutRetentionNotPermitted",
        "DstPutTaggingNotPermitted",
        "DstVersionNotFound",
        "InitiateReplicationNotPermitted",
        "SrcBucketInvalidRegion",
        "SrcBucketNotFound",
        "SrcBucketReplicationConfigMissing",
        "SrcGetAclNotPermitted",
        "SrcGetLegalHoldNotPermitted",
        "SrcGetObjectNotPermitted",
        "SrcGetRetentionNotPermitted",
        "SrcGetTaggingNotPermitted",
        "SrcHeadObjectNotPermitted",
        "SrcKeyNotFound",
        "SrcKmsKeyInvalidState",
        "SrcObjectNotEligible",
        "SrcObjectNotFound",
        "SrcReplicationNotPending",
        "SrcVersionNotFound",
    ]
    assert set(documented) <= set(FAILURE_REASONS)
    assert all(len(explain(code).split()) > 4 and code not in explain(code) for code in documented)
    assert "DstSomethingNew" in explain("DstSomethingNew")
