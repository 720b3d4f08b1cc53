"""
What a refusal of s3control means, with the remedy: the permission that is missing, or that there is no such job.

The codes: `CreateJob <https://docs.aws.amazon.com/AmazonS3/latest/API/API_control_CreateJob.html>`__ and the other
operations. Whose refusal it is: :mod:`airflow_provider_crr.s3.client_errors`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from airflow_provider_crr.errors import LookupFailed
from airflow_provider_crr.s3.client_errors import translated
from airflow_provider_crr.s3.error_origin import answered

#: The token of a request was used with other arguments.
USED = frozenset({"IdempotencyException"})
_NO_JOB = frozenset({"NoSuchJob", "NoSuchJobException", "NotFound", "NotFoundException"})
#: S3 refuses a change of a job's status while it changes by itself.
_CHANGING = frozenset({"JobStatusException"})
_DENIED = frozenset({"AccessDenied", "AccessDeniedException"})
#: Operation -> what it does, in words, and the permission that it needs.
_OPERATIONS = {
    "CreateJob": ("create a job", "s3:CreateJob"),
    "DescribeJob": ("ask for the job", "s3:DescribeJob"),
    "UpdateJobStatus": ("change the job", "s3:UpdateJobStatus"),
    "ListJobs": ("list jobs", "s3:ListJobs"),
}


@contextmanager
def asking(operation: str, subject: str, *, role: str = "") -> Iterator[None]:
    """
    Turn what boto3 raises inside the block into an error of this provider.

    :param operation: what is asked, one operation of s3control.
    :param subject: what it is about, for messages.
    :param role: ARN of the role that is handed to the job; empty if none is.
    :raises LookupFailed: always where boto3 raises something; ``passing`` if it passes by itself.
    """
    from botocore.exceptions import ClientError

    action, permission = _OPERATIONS[operation]
    try:
        with translated(subject, action, permission=permission):
            yield
    except LookupFailed as error:
        if not isinstance(error.__cause__, ClientError):
            raise
        code, said, _ = answered(error.__cause__)
        if code in _NO_JOB:
            raise _no_job(subject) from error.__cause__
        if code in _DENIED:
            raise _denied(action, permission, f"{code}: {said}", subject, role) from error.__cause__
        if code in _CHANGING:
            raise LookupFailed(error.message, uri=subject, remedy=error.remedy, passing=True) from error.__cause__
        raise
    except (KeyError, TypeError) as error:
        raise LookupFailed(
            f"cannot {action}: the answer is not one of S3 Batch Operations",
            uri=subject,
            remedy="Look at what stands between here and S3, such as a proxy",
            passing=True,
        ) from error


def _no_job(subject: str) -> LookupFailed:
    return LookupFailed(
        "there is no such job",
        uri=subject,
        remedy="Check the id, the account that owns it (account_id), and the Region: that of the source bucket. S3"
        " forgets jobs some 90 days after their end",
    )


def _denied(action: str, permission: str, said: str, subject: str, role: str) -> LookupFailed:
    words = said.lower()
    allow = [permission]
    remedy = ""
    if role and "passrole" in words:
        allow = [f"iam:PassRole for {role}"]
    elif role and "pass role" in words:
        remedy = f"Name a role of the account that owns the job; role_arn is {role}"
    elif role and permission.lower() not in words:
        allow.append(f"iam:PassRole for {role}")
    refused = LookupFailed(
        f"cannot {action}: S3 answered {said}",
        uri=subject,
        remedy=remedy or f"Allow {' and '.join(allow)} to the connection",
    )
    refused.is_denied = True
    return refused
