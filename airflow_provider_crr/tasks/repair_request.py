"""What somebody asks for who repairs, and the job that it has led to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from airflow_provider_crr.batch.selection import Found
from airflow_provider_crr.s3.objects import S3Object
from airflow_provider_crr.tasks.former_jobs import ANY_TIME, Asking


@dataclass(frozen=True, slots=True)
class RepairRequest:
    """
    What somebody asks for.

    :param what: what to replicate: objects, the S3 URI of a manifest, or a search in a bucket.
    :param role_arn: role of the job.
    :param report_uri: folder of the completion report.
    :param work_uri: folder in which a manifest is written for objects.
    :param asker: who asks, see :func:`~airflow_provider_crr.batch.job_request.token_of`.
    :param label: who asks, in words.
    :param priority: of the job.
    :param max_objects: most objects; None for any number.
    :param confirmation_required: whether a person is to confirm the job.
    :param dry_run: whether only to look.
    :param extra_args: what is sent with the manifest that is written.
    :param asking: when it was asked for; by default a job of any time is taken.
    """

    what: tuple[S3Object, ...] | str | Found
    role_arn: str
    report_uri: str
    work_uri: str
    asker: tuple[Any, ...]
    label: str
    priority: int = 10
    max_objects: int | None = None
    confirmation_required: bool = False
    dry_run: bool = False
    extra_args: Mapping[str, Any] | None = None
    asking: Asking = ANY_TIME


@dataclass(frozen=True, slots=True)
class Begun:
    """
    A job that was created, as it is found again; plain values.

    :param job_id: its id.
    :param account_id: the account that owns it.
    :param region_name: its Region.
    :param manifest: S3 URI of its manifest; None if S3 makes it.
    :param what: what it replicates, in words.
    """

    job_id: str
    account_id: str
    region_name: str | None
    manifest: str | None
    what: str = ""
