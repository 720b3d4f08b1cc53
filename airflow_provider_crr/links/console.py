"""Links to the S3 console."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from airflow.providers.amazon.aws.links.base_aws import BASE_AWS_CONSOLE_LINK, BaseAwsLink

from airflow_provider_crr.s3.objects import is_arn

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow.sdk import BaseOperator, Context
    from airflow.sdk.types import TaskInstanceKey

log = logging.getLogger(__name__)


class S3ConsoleLink(BaseAwsLink):
    """
    A bucket, a folder or an object in the S3 console.

    A task says with :meth:`remember` where its link leads. Airflow asks for the link on the worker, however the task
    ends, and also when it is deferred.
    """

    name = "S3 console"
    key = "s3_console"

    @classmethod
    def remember(cls, context: Context, where: Callable[[], dict[str, Any]]) -> None:
        """
        Keep where the link leads. An error here does not fail the task.

        :param context: of the running task.
        :param where: returns the arguments of :meth:`format_link`, with ``aws_partition`` for ``aws_domain``.
        """
        try:
            operator: Any = context["ti"].task  # the one that Airflow hands to get_link
            place = where()
            aws_domain = cls.get_aws_domain(place["aws_partition"])
            setattr(operator, f"_{cls.key}", cls().format_link(aws_domain=aws_domain, **place))
            if _deferrable(operator) and operator.do_xcom_push:
                # What persist() does, but that of amazon 9.9 stores nothing in Airflow 3.
                stored = {name: value for name, value in place.items() if name != "aws_partition"}
                context["ti"].xcom_push(key=cls.key, value={**stored, "aws_domain": aws_domain})
        except Exception:
            log.debug("no link to the S3 console", exc_info=True)

    def get_link(self, operator: BaseOperator, *, ti_key: TaskInstanceKey) -> str:
        """
        Return the link that was remembered, ``""`` if none was.

        :param operator: the task.
        :param ti_key: its instance.
        """
        remembered: str | None = getattr(operator, f"_{self.key}", None)
        if remembered is None and _deferrable(operator):  # the process before the deferral has stored it
            return str(super().get_link(operator, ti_key=ti_key))
        return remembered or ""

    def format_link(
        self,
        *,
        bucket: str = "",
        key: str = "",
        version_id: str | None = None,
        region_name: str | None = None,
        aws_domain: str | None = None,
        **_: Any,
    ) -> str:
        """
        Return the address in the console; ``""`` where there is none.

        :param bucket: bucket name; an access point's ARN has no address here.
        :param key: key of an object; a folder if it ends in "/", the bucket if it is empty.
        :param version_id: version of the object.
        :param region_name: None leaves the Region to the console.
        :param aws_domain: domain of the partition's console; None if amazon's provider knows none.
        """
        if not bucket or is_arn(bucket) or not aws_domain:
            return ""
        of_object = key and not key.endswith("/")
        query = {"region": region_name, "prefix": key, "versionId": version_id if of_object else None}
        given = "&".join(f"{name}={quote(value, safe='/')}" for name, value in query.items() if value)
        page = f"/s3/{'object' if of_object else 'buckets'}/{quote(bucket, safe='')}"
        return BASE_AWS_CONSOLE_LINK.format(aws_domain=aws_domain) + page + (f"?{given}" if given else "")


class InventoryManifestLink(S3ConsoleLink):
    """The manifest of the inventory report that a task has read."""

    name = "Inventory manifest"
    key = "s3_inventory_manifest"


class WrittenReportLink(S3ConsoleLink):
    """The report that a task has written to S3."""

    name = "Replication report"
    key = "s3_replication_report"


def _deferrable(operator: BaseOperator) -> bool:
    return bool(getattr(operator, "deferrable", False))


def partition_of(region_name: str | None) -> str:
    """Return the AWS partition of a Region; ``"aws"`` if it is not known."""
    from botocore.endpoint_provider import RuleSetStandardLibrary
    from botocore.loaders import create_loader

    if not region_name:
        return "aws"
    # botocore resolves endpoints in this way, in 2 ms; a session reads a list of all services for it, in 50 ms.
    rules = RuleSetStandardLibrary(create_loader().load_data("partitions"))
    return str(rules.aws_partition(region_name)["name"])
