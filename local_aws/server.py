"""The local AWS as a child process, and how tests and the demo control it."""

from __future__ import annotations

import http.client
import json
import os
from collections import Counter
from functools import cached_property
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

import boto3
import botocore.session
from botocore.config import Config

from local_aws.batch.endpoint import reach_by_address
from local_aws.batch.orders import BatchOrders
from local_aws.process import LocalAwsError, ServerProcess

#: Twelve digits, because MiniStack takes an access key of that form for the account id.
ACCOUNT_ID = "111111111111"
SECRET_KEY = "not-a-secret"


class LocalAws:
    """
    MiniStack in a process of its own, on a free port of 127.0.0.1, for the time of a ``with`` block.

    :param pending_seconds: age at which a replication ends; 0 ends it at once, unless :meth:`hold` says otherwise.
    :param region: region of the clients and of the connection, unless they are told another.
    :param auth: let MiniStack check signatures and IAM policies; otherwise an account may do anything with its own
        buckets and queues.
    :param port: port on 127.0.0.1; 0 is any that is free.
    :param start_timeout: seconds to wait for the process to listen.
    """

    def __init__(
        self,
        *,
        pending_seconds: float = 0.0,
        region: str = "eu-west-1",
        auth: bool = False,
        port: int = 0,
        start_timeout: float = 60.0,
    ) -> None:
        self.region = region
        self.endpoint_url = ""
        self._arguments = [f"--region={region}", f"--port={port}", f"--pending-seconds={pending_seconds}"]
        self._arguments += ["--auth"] if auth else []
        self._start_timeout = start_timeout
        self._process: ServerProcess | None = None

    def __enter__(self) -> Self:
        """Start the process and wait until it listens."""
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """End the process."""
        self.stop()

    @property
    def pid(self) -> int:
        """Id of the process that serves."""
        if self._process is None:
            raise LocalAwsError("the local AWS is not running")
        return self._process.pid

    def start(self) -> None:
        """Start the process and wait until it listens; if it does not, the error has its standard error."""
        self._process = ServerProcess(self._arguments, self._start_timeout)
        self.endpoint_url = self._process.endpoint_url

    def stop(self) -> None:
        """End the process."""
        if self._process is not None:
            self._process.end()
            self._process = None

    def client(self, service: str = "s3", region: str | None = None, account_id: str = ACCOUNT_ID) -> Any:
        """
        Return a boto3 client that depends on nothing outside: no profile, no proxy, no retries.

        :param service: name of the AWS service.
        :param region: its region.
        :param account_id: the account that asks; accounts share nothing but the names of buckets.
        """
        client = self._session.client(
            service,
            region_name=region or self.region,
            endpoint_url=self.endpoint_url,
            aws_access_key_id=account_id,
            aws_secret_access_key=SECRET_KEY,
            config=Config(
                proxies={},
                # A create that is retried reports a conflict with itself, and a retried HEAD is counted twice.
                retries={"total_max_attempts": 1, "mode": "standard"},
                max_pool_connections=32,
                s3={"addressing_style": "path"},
            ),
        )
        return reach_by_address(client) if service == "s3control" else client

    @cached_property
    def _session(self) -> boto3.Session:
        """The one session of all clients: reading the service descriptions is most of what a client costs."""
        # Otherwise boto3 reads the files and the profile of whoever runs the tests.
        elsewhere = {
            "profile": (None, None, None, None),
            "config_file": (None, None, os.devnull, None),
            "credentials_file": (None, None, os.devnull, None),
        }
        return boto3.Session(botocore_session=botocore.session.Session(session_vars=elsewhere))

    def airflow_connection(self) -> dict[str, Any]:
        """Return the Airflow connection that leads here."""
        return {
            "conn_type": "aws",
            "login": ACCOUNT_ID,
            "password": SECRET_KEY,
            "extra": {"endpoint_url": self.endpoint_url, "region_name": self.region},
        }

    def airflow_connection_uri_json(self) -> str:
        """Return the value of ``AIRFLOW_CONN_AWS_DEFAULT`` that leads here."""
        return json.dumps(self.airflow_connection())

    @property
    def batch(self) -> BatchOrders:
        """What may be ordered of S3 Batch Operations, such as reports that come late."""
        return BatchOrders(self._say)

    def hold(self, bucket: str = "", prefix: str = "") -> None:
        """Show as PENDING the bucket's keys that start with the prefix, until released; the latest command wins."""
        self._say("hold", bucket=bucket, prefix=prefix)

    def release(self, bucket: str = "", prefix: str = "") -> None:
        """End every hold on keys of the bucket that start with the prefix; without arguments, every hold."""
        self._say("release", bucket=bucket, prefix=prefix)

    def set_pending_seconds(self, seconds: float) -> None:
        """Change the age at which a replication ends; it is counted from Last-Modified, which has whole seconds."""
        self._say("pending-seconds", seconds=seconds)

    def date_back(self, seconds: float) -> None:
        """Date what is written from now on as if it was written some seconds before; 0 ends that."""
        self._say("date-back", seconds=seconds)

    def requests(self, bucket: str = "", prefix: str = "") -> Counter[str]:
        """Count the requests received, by method; ``HEAD`` are those about objects, ``HEAD_BUCKET`` the others."""
        return Counter(self._say("requests", bucket=bucket, prefix=prefix))

    def heads(self, bucket: str = "", prefix: str = "") -> int:
        """Count the HEAD requests about objects whose key starts with the prefix."""
        return self.requests(bucket, prefix)["HEAD"]

    def reset_counts(self) -> None:
        """Count from zero again."""
        self._say("reset-counts")

    def _say(self, action: str, **arguments: Any) -> Any:
        connection = http.client.HTTPConnection(urlsplit(self.endpoint_url).netloc, timeout=30)
        try:
            connection.request("POST", f"/_local_aws/{action}", body=json.dumps(arguments))
            response = connection.getresponse()
            answer = json.loads(response.read())
        finally:
            connection.close()
        if response.status != http.client.OK:
            raise LocalAwsError(answer["error"])
        return answer
