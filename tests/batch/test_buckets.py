"""What is asked of buckets before a job is created."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_crr.batch.buckets import refuse_locked, region_of
from airflow_provider_crr.errors import BucketNotFound, LookupFailed
from airflow_provider_crr.hooks.replication import S3ReplicationHook
from tests.support.raw_server import RawServer


class Client:
    """A client whose HeadBucket is refused, without a word about the Region."""

    def __init__(self, status: int, headers: dict[str, str] | None = None) -> None:
        self.status = status
        self.headers = headers or {}

    def head_bucket(self, **_: Any) -> Any:
        from botocore.exceptions import ClientError

        metadata = {"HTTPStatusCode": self.status, "HTTPHeaders": self.headers}
        raise ClientError(
            {"Error": {"Code": str(self.status), "Message": ""}, "ResponseMetadata": metadata}, "HeadBucket"
        )


@pytest.mark.parametrize("status", [429, 500, 503])
def test_bucket_that_is_not_answered_for_has_no_region_yet(status: int) -> None:
    """It is asked again. In the connection's Region the job would be another one, for tokens are of a Region."""
    with pytest.raises(LookupFailed) as caught:
        region_of(Client(status), "landing")
    assert caught.value.passing


def test_refusals_tell_the_region_as_well() -> None:
    """Who may not list a bucket learns where it is; of a bucket that is not there nothing else is asked."""
    assert region_of(Client(403, {"x-amz-bucket-region": "eu-west-1"}), "landing") == "eu-west-1"
    assert region_of(Client(403), "landing") is None
    with pytest.raises(BucketNotFound):
        region_of(Client(404), "landing")


@pytest.mark.parametrize("error", [b"<Error/>", b"<Error><Code><a>1</a></Code></Error>"])
def test_refusal_to_tell_of_object_lock_without_a_code_ends_nothing(
    monkeypatch: pytest.MonkeyPatch, error: bytes
) -> None:
    """Whether a report can be written there is not proven then, and what follows would say so."""
    head = b"HTTP/1.1 403 Forbidden\r\nx-amz-request-id: 1\r\nContent-Length: %d\r\n\r\n" % len(error)
    with RawServer(head + error) as server:
        monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", server.airflow_connection_json())
        refuse_locked(S3ReplicationHook().get_conn(), "b", "s3://b/reports/")
