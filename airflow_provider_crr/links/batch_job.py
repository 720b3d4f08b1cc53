"""The link to a job of S3 Batch Operations."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from airflow.providers.amazon.aws.links.base_aws import BASE_AWS_CONSOLE_LINK

from airflow_provider_crr.links.console import S3ConsoleLink


class BatchJobLink(S3ConsoleLink):
    """The job that a task has created, in the S3 console."""

    name = "S3 Batch Operations job"
    key = "s3_batch_job"

    def format_link(
        self, *, job_id: str = "", region_name: str | None = None, aws_domain: str | None = None, **_: Any
    ) -> str:
        """
        Return the address in the console; ``""`` where there is none.

        :param job_id: the job.
        :param region_name: its Region; None leaves it to the console.
        :param aws_domain: domain of the partition's console; None if amazon's provider knows none.
        """
        if not job_id or not aws_domain:
            return ""
        region = f"?region={quote(region_name)}" if region_name else ""
        return f"{BASE_AWS_CONSOLE_LINK.format(aws_domain=aws_domain)}/s3/jobs/{quote(job_id, safe='')}{region}"
