"""
Whether the delete of a version stays in its bucket, or deletes the replica, too.

Amazon S3 never replicates such a delete (`What does Amazon S3 replicate?
<https://docs.aws.amazon.com/AmazonS3/latest/userguide/replication-what-is-isnot-replicated.html>`__). Other stores may:
a rule with MinIO's defaults does, by an element ``DeleteReplication`` that boto3 does not know. So the XML of the rules
is read here, and nothing is deleted by rules with an element that is not known.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit
from xml.etree import ElementTree

from airflow_provider_crr.errors import BucketNotFound, LookupFailed
from airflow_provider_crr.replication.rules import ReplicationRule
from airflow_provider_crr.s3.client_errors import translated
from airflow_provider_crr.s3.endpoint import is_amazons
from airflow_provider_crr.s3.error_origin import answered
from airflow_provider_crr.s3.objects import S3Object
from airflow_provider_crr.s3.stores import store_of

#: The elements of S3's rules ("Replication configuration file elements"), and MinIO's ``DeleteReplication``.
_ELEMENTS: Mapping[str, frozenset[str]] = {
    "ReplicationConfiguration": frozenset({"Role", "Rule"}),
    "Rule": frozenset(
        {
            "ID",
            "Priority",
            "Prefix",
            "Filter",
            "Status",
            "SourceSelectionCriteria",
            "ExistingObjectReplication",
            "Destination",
            "DeleteMarkerReplication",
            "DeleteReplication",
        }
    ),
    "Filter": frozenset({"Prefix", "Tag", "And"}),
    "And": frozenset({"Prefix", "Tag"}),
    "DeleteReplication": frozenset({"Status"}),
}
_RAW = "CrrRawBody"
_REMEDY = "Delete by other means, if you know that the replicas stay"


@dataclass(frozen=True, slots=True)
class _Rules:
    """
    A bucket's rules.

    :param deleting: enabled rules by which deletes of versions go to the destination.
    :param foreign: whether another store than Amazon S3 wrote them.
    :param unreadable: why they cannot be read or understood; empty if they are.
    """

    deleting: tuple[ReplicationRule, ...] = ()
    foreign: bool = False
    unreadable: str = ""


class DeleteRules:
    """
    Says which versions must not be deleted, because of the rules of their buckets.

    At Amazon S3 the rules are read once, and need not be readable. Elsewhere they are read before each batch.

    :param client: boto3 S3 client.
    """

    def __init__(self, client: Any) -> None:
        self._client = client
        self._elsewhere: set[str] = set()
        #: Bucket whose rules do not say which copies a delete reaches -> the name of its store.
        self._unruled: dict[str, str] = {}
        self._known: dict[str, _Rules] = {}

    def answered(self, bucket: str, server: str) -> None:
        """
        Take note of who answered for a bucket.

        :param bucket: the bucket.
        :param server: value of the answer's ``Server`` header; empty if it had none, as behind some proxies.
        """
        store = store_of(server)
        if store.deletes_unruled:
            self._unruled[bucket] = store.doer
        if not (store.is_s3 or (not server and _at_aws(self._client.meta.endpoint_url))):
            self._elsewhere.add(bucket)

    def refusals(self, versions: Sequence[S3Object]) -> dict[S3Object, str]:
        """
        Return which versions must not be deleted, and why.

        :param versions: versions of one bucket.
        :raises LookupFailed: if the rules cannot be read now, and may be soon.
        """
        bucket = versions[0].bucket
        if bucket in self._unruled:
            why = f"{self._unruled[bucket]} may delete the copies in other zones, too, whatever the bucket's rules say"
            return dict.fromkeys(versions, f"{why}. Delete them by hand, if you know how its zones are synchronized")
        elsewhere = bucket in self._elsewhere
        rules = None if elsewhere else self._known.get(bucket)
        if rules is None:
            rules = self._known[bucket] = self._read(bucket, may_wait=elsewhere)
        if rules.foreign:
            self._elsewhere.add(bucket)
        if rules.unreadable:
            if bucket not in self._elsewhere:
                return {}
            why = f"whether a delete here deletes the replica, too, is not known: {rules.unreadable}. {_REMEDY}"
            return dict.fromkeys(versions, why)
        reasons = {}
        for obj in versions:
            rule = next((rule for rule in rules.deleting if obj.key.startswith(rule.prefix)), None)
            if rule is not None:
                reasons[obj] = (
                    f"{rule} deletes the replica, too: its DeleteReplication is Enabled. Disable it"
                    f' (mc replicate update BUCKET --id {rule.id} --replicate ..., without "delete" in the list)'
                )
        return reasons

    def _read(self, bucket: str, *, may_wait: bool) -> _Rules:
        from botocore.exceptions import ClientError

        events = self._client.meta.events
        events.register("before-parse.s3.GetBucketReplication", _keep_raw, unique_id=_RAW)
        try:
            with translated(
                f"s3://{bucket}", "read the replication rules", permission="s3:GetReplicationConfiguration"
            ):
                try:
                    response = self._client.get_bucket_replication(Bucket=bucket)
                except ClientError as error:
                    if answered(error)[0] == "ReplicationConfigurationNotFoundError":
                        return _Rules()
                    raise
            return _understood(response[_RAW], response["ReplicationConfiguration"].get("Rules", ()))
        except BucketNotFound:
            raise
        except LookupFailed as error:
            if error.passing and may_wait:
                raise
            return _Rules(unreadable=str(error))
        except Exception as error:  # a parser's, of whatever a store wrote
            return _Rules(unreadable=f"{type(error).__name__}: {error}")
        finally:
            events.unregister("before-parse.s3.GetBucketReplication", unique_id=_RAW)


def _keep_raw(response_dict: Mapping[str, Any], customized_response_dict: dict[str, Any], **_: Any) -> None:
    customized_response_dict[_RAW] = response_dict["body"]


def _at_aws(endpoint_url: str) -> bool:
    url = urlsplit(endpoint_url)
    return url.scheme == "https" and is_amazons(url.hostname or "")


def _understood(body: bytes, parsed: Iterable[Mapping[str, Any]]) -> _Rules:
    """
    Return the rules.

    :param body: as the store wrote them.
    :param parsed: the same as boto3 read them, in the same order.
    :raises ValueError: if they are not of the known form.
    """
    root = ElementTree.fromstring(body)  # noqa: S314 boto3 has parsed the same already
    for element in root.iter():
        element.tag = element.tag.rpartition("}")[2]
    raw = root.findall("Rule")
    foreign = any("arn:minio:" in (arn.text or "") for arn in root.iter("Bucket")) or any(
        rule.find("DeleteReplication") is not None for rule in raw
    )
    try:
        if root.tag != "ReplicationConfiguration":
            raise ValueError(f"the answer is <{root.tag}>")
        _check(root)
        pairs = zip(raw, map(ReplicationRule.from_api, parsed), strict=True)
        deleting = [rule for element, rule in pairs if all([_enabled(element), _deletes(element)])]
    except ValueError as error:
        return _Rules(foreign=foreign, unreadable=str(error))
    return _Rules(tuple(deleting), foreign)


def _check(element: ElementTree.Element) -> None:
    known = _ELEMENTS.get(element.tag)
    if known is None:
        return
    strange = {child.tag for child in element} - known
    if strange:
        raise ValueError(f"the replication rules have <{min(strange)}> in <{element.tag}>, which is not known")
    for child in element:
        _check(child)


def _deletes(rule: ElementTree.Element) -> bool:
    switches = [_enabled(switch) for switch in rule.findall("DeleteReplication")]
    return any(switches)


def _enabled(element: ElementTree.Element) -> bool:
    values = [status.text for status in element.findall("Status")]
    if values not in (["Enabled"], ["Disabled"]):
        raise ValueError(f"<{element.tag}> of the replication rules has Status {values}")
    return values == ["Enabled"]
