"""The hook of S3 Batch Operations: jobs of S3 Batch Replication, and their completion reports."""

from __future__ import annotations

import re
from functools import cached_property
from typing import Any

from airflow_provider_crr.batch.completion_report import CompletionReport
from airflow_provider_crr.batch.job import Job
from airflow_provider_crr.batch.job_request import JobRequest
from airflow_provider_crr.batch.refusals import USED, asking
from airflow_provider_crr.batch.report_files import read_report
from airflow_provider_crr.errors import InvalidArgument, LookupFailed
from airflow_provider_crr.hooks.base import ConnectedHook
from airflow_provider_crr.hooks.replication import S3ReplicationHook
from airflow_provider_crr.s3.client_errors import translated
from airflow_provider_crr.s3.error_origin import answered
from airflow_provider_crr.s3.objects import account_id as checked_account
from airflow_provider_crr.text.legible import told

#: What boto3 puts before an endpoint that is an address: the account of the request. Below an address are no names.
_ACCOUNT_BEFORE_ADDRESS = re.compile(r"(?<=://)\d{12}\.(?=\[|(?:\d{1,3}\.){3}\d{1,3}(?:[:/]|$)|localhost(?:[:/]|$))")


class S3BatchOperationsHook(ConnectedHook):
    """
    Ask for jobs of S3 Batch Replication. S3 takes them in the Region of the source bucket.

    Every other argument is that of amazon's ``AwsBaseHook``; ``client_type`` is ``"s3control"``.

    :param account_id: account that owns the jobs, 12 digits; None for that of the connection, which STS is asked for.
    :param expected_bucket_owner: account id that must own the bucket of the completion report; None for any.
    :raises InvalidArgument: if one of them is no account id.
    """

    def __init__(
        self, *args: Any, account_id: str | None = None, expected_bucket_owner: str | None = None, **kwargs: Any
    ) -> None:
        kwargs["client_type"] = "s3control"
        super().__init__(*args, **kwargs)
        self._owner = None if account_id is None else checked_account(account_id, "account_id")
        self.expected_bucket_owner = None if expected_bucket_owner is None else checked_account(expected_bucket_owner)

    def get_client_type(self, *args: Any, **kwargs: Any) -> Any:
        """
        Return the boto3 client. It reaches endpoints that are addresses, too, such as one of a local S3.

        :raises CredentialsNotFound: if the connection yields no credentials.
        :raises LookupFailed: if it cannot be made.
        """
        client = super().get_client_type(*args, **kwargs)
        if hasattr(client, "meta"):
            client.meta.events.register("before-sign.s3-control", _by_address)
        return client

    @cached_property
    def owner(self) -> str:
        """
        The account that owns the jobs.

        :raises LookupFailed: if it was not given, and STS does not tell.
        """
        if self._owner is None:
            with translated("s3control", "ask STS for the account", permission="sts:GetCallerIdentity"):
                self._owner = str(self.account_id)
        return self._owner

    def create_job(self, request: JobRequest) -> str:
        """
        Create a job, and return its id. Repeated, the same request returns the job that is there.

        :raises LookupFailed: if S3 does not take it; ``passing`` for throttling and lost answers.
        :raises InvalidArgument: if this release of botocore does not know an argument of the job. Nothing was sent.
        """
        asked = request.to_api(self.owner, self.conn_partition)
        client: Any = self.get_conn()
        from botocore.exceptions import ClientError, ParamValidationError

        with asking("CreateJob", request.report_uri, role=request.role_arn):
            try:
                return str(client.create_job(**asked)["JobId"])
            except ClientError as error:
                if answered(error)[0] not in USED:
                    raise
            except ParamValidationError as error:  # an old one does not know the owner of the report's bucket
                raise InvalidArgument(
                    f"this release of botocore cannot ask for the job: {told(error)}",
                    uri=request.report_uri,
                    remedy="Install a newer boto3; or leave out expected_bucket_owner, if that is what it names",
                ) from error
        job_id = self.find_job(request.description)
        if job_id is None:
            raise LookupFailed(
                f"S3 has created a job for the token {request.token} with other arguments, and does not list it",
                uri=request.report_uri,
                remedy="Look for it in the S3 console; clear the task to ask for a new one",
            )
        self.log.warning(
            "the arguments have changed since job %s was created; it is this job that is waited for", job_id
        )
        return job_id

    def describe_job(self, job_id: str) -> Job:
        """
        Return a job as it is now.

        :param job_id: its id.
        :raises LookupFailed: if there is none, or S3 cannot be asked.
        """
        client: Any = self.get_conn()
        with asking("DescribeJob", self._named(job_id)):
            return Job.from_api(client.describe_job(AccountId=self.owner, JobId=job_id)["Job"])

    def find_job(self, description: str) -> str | None:
        """
        Return the id of the job with a description; None if none is listed. S3 lists jobs for 90 days after their end.

        :param description: all of it.
        :raises LookupFailed: if S3 cannot be asked.
        """
        client: Any = self.get_conn()
        more: dict[str, str] = {}
        passed: set[str] = set()
        while True:
            with asking("ListJobs", f"S3 Batch Operations jobs of account {self.owner}"):
                page = client.list_jobs(AccountId=self.owner, MaxResults=1000, **more)
            for job in page.get("Jobs", ()):
                if job.get("Description") == description:
                    return str(job["JobId"])
            if not page.get("NextToken"):
                return None
            if page["NextToken"] in passed:
                raise LookupFailed(
                    "S3 lists the same jobs again and again",
                    uri=f"S3 Batch Operations jobs of account {self.owner}",
                    remedy="Look at what stands between here and S3, such as a proxy with a cache",
                    passing=True,
                )
            more = {"NextToken": page["NextToken"]}
            passed.add(page["NextToken"])

    def confirm_job(self, job_id: str) -> None:
        """
        Let a job begin that waits to be confirmed.

        :param job_id: its id.
        :raises LookupFailed: if S3 does not take it; ``passing`` if its status changes at the moment.
        """
        self._update(job_id, "Ready", "confirmed by airflow-provider-crr")

    def cancel_job(self, job_id: str, reason: str = "") -> None:
        """
        Cancel a job.

        :param job_id: its id.
        :param reason: why, for those who look at the job.
        :raises LookupFailed: if S3 does not take it; ``passing`` if its status changes at the moment.
        """
        self._update(job_id, "Cancelled", reason or "cancelled by airflow-provider-crr")

    def read_completion_report(self, job: Job | str) -> CompletionReport | None:
        """
        Return the completion report of a job, every file of which matches its MD5.

        :param job: the job, or its id.
        :return: None as long as it is not there, or has fewer rows than the job had tasks. A job that has run no task
            has none.
        :raises CompletionReportInvalid: if it is not what S3 writes.
        :raises LookupFailed: if it cannot be read.
        """
        described = self.describe_job(job) if isinstance(job, str) else job
        return read_report(self.s3.get_conn(), described)

    @cached_property
    def s3(self) -> Any:
        """A hook of the same connection that asks for objects; whoever has one already sets it."""
        return S3ReplicationHook(
            aws_conn_id=self.aws_conn_id,
            region_name=self.region_name,
            verify=self.verify,
            config=self.config,
            expected_bucket_owner=self.expected_bucket_owner,
        )

    def _update(self, job_id: str, status: str, reason: str) -> None:
        client: Any = self.get_conn()
        with asking("UpdateJobStatus", self._named(job_id)):
            client.update_job_status(
                AccountId=self.owner, JobId=job_id, RequestedJobStatus=status, StatusUpdateReason=reason[:256]
            )

    def _named(self, job_id: str) -> str:
        return f"S3 Batch Operations job {job_id} of account {self.owner} in {self.conn_region_name}"


def _by_address(request: Any, **_: Any) -> None:
    request.url = _ACCOUNT_BEFORE_ADDRESS.sub("", request.url)
