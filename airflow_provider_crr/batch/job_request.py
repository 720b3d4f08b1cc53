"""
The request for a job of S3 Batch Replication.

A request that is repeated with the same ``ClientRequestToken`` returns the job that it created before. So the token is
made of what makes two requests the same, and of nothing else: a retry finds its job, and pays for no second one.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from airflow_provider_crr.batch.job import report_place
from airflow_provider_crr.batch.selection import Found, Listed
from airflow_provider_crr.errors import InvalidArgument

MAX_PRIORITY = 2**31 - 1
_DESCRIPTION = 256
_ROLE = re.compile(r"arn:aws[a-z0-9-]*:iam::[0-9]{12}:role/[\x21-\x7e]+")


@dataclass(frozen=True, slots=True)
class JobRequest:
    """
    What CreateJob is asked for.

    :param selection: what to replicate.
    :param role_arn: role of the job.
    :param report_uri: folder of the completion report.
    :param token: the ``ClientRequestToken``, at most 64 characters.
    :param label: who asks, for those who see the job in the console.
    :param priority: of the job among those of the account; a higher one goes first.
    :param confirmation_required: whether S3 waits for a confirmation before it replicates.
    :param report_owner: account id that must own the bucket of the report; None for any.
    """

    selection: Listed | Found
    role_arn: str
    report_uri: str
    token: str
    label: str
    priority: int = 10
    confirmation_required: bool = False
    report_owner: str | None = None

    def to_api(self, account_id: str, partition: str) -> dict[str, Any]:
        """
        Return the arguments of CreateJob; equal ones for equal requests.

        :param account_id: the account that owns the job.
        :param partition: AWS partition, such as ``"aws"``.
        """
        bucket, prefix = report_place(self.report_uri)
        report: dict[str, Any] = {
            "Enabled": True,
            "Bucket": f"arn:{partition}:s3:::{bucket}",
            "Format": "Report_CSV_20180820",
            "ReportScope": "AllTasks",  # those that succeeded are verified
        }
        if prefix:
            report["Prefix"] = prefix
        if self.report_owner:
            report["ExpectedBucketOwner"] = self.report_owner
        return {
            "AccountId": account_id,
            "ClientRequestToken": self.token,
            "Description": self.description,
            "ConfirmationRequired": self.confirmation_required,
            "Operation": {"S3ReplicateObject": {}},
            "Priority": self.priority,
            "RoleArn": self.role_arn,
            "Report": report,
            **self.selection.to_api(partition),
        }

    @property
    def description(self) -> str:
        """Who asks, and the token: a job is found again by it where S3 refuses to repeat the request."""
        mark = f" [{self.token}]"
        return f"{self.label[: _DESCRIPTION - len(mark)]}{mark}"


def token_of(asker: Sequence[Any], content: str) -> str:
    """
    Return the token of a request, at most 64 characters.

    :param asker: who asks, plain values: DAG, run, task, map index, and the round, which changes once a user asks
        again.
    :param content: what is asked for.
    """
    digest = sha256(json.dumps([*asker, content]).encode())
    return f"crr-{digest.hexdigest()[:48]}"


def role(arn: object) -> str:
    """
    Return the ARN of a role.

    :raises InvalidArgument: if it is none.
    """
    if not isinstance(arn, str) or not _ROLE.fullmatch(arn):
        raise InvalidArgument(
            f"role_arn is {arn!r}", remedy="Give the ARN of an IAM role: arn:aws:iam::111122223333:role/name"
        )
    return arn
