"""A bucket's replication configuration, read from what GetBucketReplication answers."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_crr.errors import BucketNotFound, LookupFailed
from airflow_provider_crr.replication.configuration import ConfiguredRule, read_configuration
from tests.support.s3_server import Answer, S3Server

ARN = "arn:aws:s3:::copy"


@pytest.mark.parametrize(
    ("api", "expected"),
    [
        ({"Destination": {"Bucket": ARN}}, {"destination": ARN, "is_version_1": True, "delete_markers": True}),
        ({"Filter": {}, "Priority": 7}, {"priority": 7}),
        ({"Filter": {}, "DeleteMarkerReplication": {"Status": "Enabled"}}, {"delete_markers": True}),
        ({"Filter": {}, "DeleteMarkerReplication": {"Status": "Disabled"}}, {}),
        ({"Filter": {}, "Destination": {"Metrics": {"Status": "Enabled"}}}, {"tells_failures": True}),
        ({"Filter": {}, "Destination": {"Metrics": {"Status": "Disabled"}}}, {}),
        ({"Filter": {}, "Destination": {"ReplicationTime": {"Status": "Enabled"}}}, {"tells_failures": True}),
        (
            {"Filter": {}, "Destination": {"Account": "2", "AccessControlTranslation": {"Owner": "Destination"}}},
            {"account": "2", "owner_override": True},
        ),
        ({"Filter": {}, "Destination": {"StorageClass": "GLACIER"}}, {"storage_class": "GLACIER"}),
        ({"Filter": {}, "Destination": {"EncryptionConfiguration": {"ReplicaKmsKeyID": "k"}}}, {"replica_key": "k"}),
    ],
)
def test_what_a_rule_says_beside_its_keys(api: dict[str, Any], expected: dict[str, Any]) -> None:
    """Each element that a check needs is read; what is not there is off, or empty."""
    read = ConfiguredRule.from_api({"ID": "r", "Status": "Enabled", **api})
    assert read == ConfiguredRule(read.rule, **expected)


def test_role_and_store_are_read(s3: S3Server) -> None:
    """The role of the configuration is there, and which store answered."""
    s3.server_header = "AmazonS3"
    s3.replication["b"] = (
        "<ReplicationConfiguration><Role>arn:aws:iam::1:role/r</Role><Rule><ID>a</ID><Status>Enabled</Status>"
        f"<Filter><Prefix>raw/</Prefix></Filter><Destination><Bucket>{ARN}</Bucket></Destination></Rule>"
        "</ReplicationConfiguration>"
    )
    found = read_configuration(s3.client(), "b")
    assert (found.role, found.server) == ("arn:aws:iam::1:role/r", "AmazonS3")
    assert [(each.rule.id, each.rule.prefix, each.destination) for each in found.rules] == [("a", "raw/", ARN)]


def test_bucket_without_a_configuration(s3: S3Server) -> None:
    """A bucket without a configuration has no rules, and the store is known all the same."""
    s3.server_header = "AmazonS3"
    assert read_configuration(s3.client(), "b").rules == ()
    assert read_configuration(s3.client(), "b").server == "AmazonS3"


def test_what_cannot_be_read_is_an_error(s3: S3Server) -> None:
    """No bucket, no permission and an access point are errors of their own; the caller may tell want of permission."""
    s3.missing_buckets.add("gone")
    with pytest.raises(BucketNotFound):
        read_configuration(s3.client(), "gone")
    s3.replication["b"] = Answer(403, code="AccessDenied")
    with pytest.raises(LookupFailed, match="s3:GetReplicationConfiguration") as caught:
        read_configuration(s3.client(), "b")
    assert caught.value.is_denied
    with pytest.raises(LookupFailed, match="through an access point"):
        read_configuration(s3.client(), "arn:aws:s3:eu-west-1:111111111111:accesspoint/a")
