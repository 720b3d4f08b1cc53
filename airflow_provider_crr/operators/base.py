"""What this provider's operators share: how to reach S3."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator

from airflow_provider_crr.hooks.replication import S3ReplicationHook
from airflow_provider_crr.tasks.arguments import HOOK_FIELDS, hook_arguments
from airflow_provider_crr.tasks.lineage import Traced
from airflow_provider_crr.tasks.templated import Templated

if TYPE_CHECKING:
    from botocore.config import Config


class HookOperator(Templated, BaseOperator, Traced):
    """
    An operator that works through the provider's hook.

    :param max_requests_per_second: most HEAD requests in a second; None for no limit.
    :param aws_conn_id: Airflow connection; None for boto3's own way to find credentials; templated.
    :param region_name: AWS Region, None or what renders to nothing for the connection's; templated.
    :param verify: whether to verify TLS certificates, or the path of a CA bundle; templated.
    :param botocore_config: settings of ``botocore.config.Config``.
    :param expected_bucket_owner: account id that must own the buckets, 12 digits; templated.
    :param requester_pays: accept the request costs of a requester-pays bucket.
    :raises InvalidArgument: for arguments that can never work.
    """

    template_fields: Sequence[str] = HOOK_FIELDS

    def __init__(
        self,
        *,
        max_requests_per_second: float | None = None,
        aws_conn_id: str | None = "aws_default",
        region_name: str | None = None,
        verify: bool | str | None = None,
        botocore_config: dict[str, Any] | Config | None = None,
        expected_bucket_owner: str | None = None,
        requester_pays: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.max_requests_per_second = max_requests_per_second
        self.aws_conn_id = aws_conn_id
        self.region_name = region_name
        self.verify = verify
        self.botocore_config = botocore_config
        self.expected_bucket_owner = expected_bucket_owner
        self.requester_pays = requester_pays
        hook_arguments(self)

    def _hook(self) -> S3ReplicationHook:
        return S3ReplicationHook(**hook_arguments(self))
