"""How a task reaches AWS: seven arguments, written, documented and checked once, and the hooks made of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from airflow.sdk import BaseOperator

from airflow_provider_crr.errors import InvalidArgument
from airflow_provider_crr.hooks.replication import S3ReplicationHook
from airflow_provider_crr.s3.objects import account_id
from airflow_provider_crr.tasks import settings
from airflow_provider_crr.tasks.arguments import connection, flag, is_known, region, storable, verification
from airflow_provider_crr.tasks.lineage import Traced
from airflow_provider_crr.tasks.templated import Templated

if TYPE_CHECKING:
    from botocore.config import Config

Hook = TypeVar("Hook")

#: Templated fields that say how to reach S3.
HOOK_FIELDS = ("aws_conn_id", "region_name", "verify", "expected_bucket_owner")
#: What hooks of other services than S3 do not take.
_OF_S3 = frozenset({"expected_bucket_owner", "requester_pays", "max_requests_per_second"})


class HookOperator(Templated, BaseOperator, Traced):
    """
    An operator, or a sensor, that works through a hook of this provider.

    :param max_requests_per_second: most HEAD requests in a second; None for no limit, ``"configured"`` for what
        ``[crr] max_requests_per_second`` of Airflow's configuration says: 1,000 unless it is set.
    :param aws_conn_id: Airflow connection; None for boto3's own way to find credentials; templated.
    :param region_name: AWS Region, None or what renders to nothing for the connection's; templated.
    :param verify: whether to verify TLS certificates, or the path of a CA bundle; templated.
    :param botocore_config: settings of ``botocore.config.Config``; a mapping if the task is deferrable.
    :param expected_bucket_owner: account id that must own the buckets, 12 digits; templated.
    :param requester_pays: accept the request costs of a requester-pays bucket.
    :raises InvalidArgument: for arguments that can never work.
    """

    template_fields: Sequence[str] = HOOK_FIELDS

    def __init__(
        self,
        *,
        max_requests_per_second: float | str | None = None,
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
        self.requester_pays = flag(requester_pays, "requester_pays")
        hook_arguments(self, parsing=True)

    def _hook(self, hook_class: type[Hook]) -> Hook:
        """
        Return a hook with this task's connection.

        :param hook_class: :class:`~airflow_provider_crr.hooks.replication.S3ReplicationHook`, which gets all seven
            arguments, or another hook of amazon's kind, which gets those that are not about S3.
        """
        arguments = hook_arguments(self)
        return hook_class(**(arguments if issubclass(hook_class, S3ReplicationHook) else of_other_services(arguments)))


def of_other_services(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """
    Return those keyword arguments that a hook of another service than S3 takes, too.

    :param arguments: those of :class:`~airflow_provider_crr.hooks.replication.S3ReplicationHook`.
    """
    return {name: value for name, value in arguments.items() if name not in _OF_S3}


def hook_arguments(task: Any, *, for_trigger: bool = False, parsing: bool = False) -> dict[str, Any]:
    """
    Return the keyword arguments of a task's hook.

    :param task: a :class:`HookOperator`, or a trigger with the same arguments.
    :param for_trigger: whether they will be stored as JSON.
    :param parsing: whether they are only checked, as a DAG is parsed; Airflow's configuration is not read then.
    :raises InvalidArgument: if they cannot be stored, or one of them can never work.
    """
    limit = getattr(task, "max_requests_per_second", None)
    if limit == settings.CONFIGURED:
        limit = None if parsing else settings.max_requests_per_second()
    if limit is not None and (isinstance(limit, bool) or not isinstance(limit, int | float) or not limit > 0):
        raise InvalidArgument(
            f"max_requests_per_second is {limit!r}",
            remedy=f"Give a number above 0, None for no limit, or {settings.CONFIGURED!r} for what Airflow's"
            f" configuration says in [{settings.SECTION}]",
        )
    storable(task.botocore_config, "botocore_config", for_trigger)

    def read(name: str, checked: Callable[[Any], Any]) -> Any:
        value = getattr(task, name)
        return checked(value) if value is not None and is_known(task, name) else value

    return {
        "aws_conn_id": read("aws_conn_id", connection),
        "region_name": read("region_name", region),
        "verify": read("verify", verification),
        "config": task.botocore_config,
        "expected_bucket_owner": read("expected_bucket_owner", account_id),
        "requester_pays": task.requester_pays,
        "max_requests_per_second": limit,
    }
