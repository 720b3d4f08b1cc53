"""Who asks: the Airflow connection of a hook, and the principal that AWS takes its credentials for."""

from __future__ import annotations

import logging
from typing import Any

from airflow_provider_crr.s3.deadline import Deadline, until
from airflow_provider_crr.s3.endpoint import is_at_amazon
from airflow_provider_crr.s3.uninterruptible import waited
from airflow_provider_crr.text.legible import told

log = logging.getLogger(__name__)

#: Seconds that STS may take to connect, to answer, and all in all.
_CONNECT, _READ, _ENOUGH = 2.0, 3.0, 6.0


def connection_of(hook: Any) -> str:
    """
    Return by which connection a hook asks, as a message says it: ``by the connection 'prod'``.

    :param hook: an AWS hook of this provider.
    """
    if not hook.aws_conn_id:
        return "by boto3's own credentials, without a connection"
    named = f"by the connection {told(hook.aws_conn_id)!r}"
    return named if hook.conn_config else f"{named}, which is not defined, so by boto3's own credentials"


def principal_of(hook: Any) -> str | None:
    """
    Return the ARN of the principal as which a hook asks; None if that cannot be found out in some seconds.

    STS is asked for it, with the hook's connection and settings. Of another store than Amazon S3, Amazon's STS is not
    asked: the keys are not Amazon's.

    :param hook: an AWS hook of this provider. Its connection has been read already.
    """
    try:
        with until(Deadline(_ENOUGH)):
            return waited(lambda: _caller(hook), "STS said whose credentials these are")
    except Exception as error:
        log.debug("cannot find out who asks: %s", told(error))
        return None


def _caller(hook: Any) -> str | None:
    from botocore import UNSIGNED
    from botocore.config import Config

    s3: Any = hook.get_conn()
    if s3.meta.config.signature_version is UNSIGNED:
        return "anonymous, for the connection signs nothing"
    brief = Config(connect_timeout=_CONNECT, read_timeout=_READ, retries={"total_max_attempts": 1})
    sts = hook.get_session(region_name=s3.meta.region_name).client(
        "sts",
        endpoint_url=hook.conn_config.get_service_endpoint_url("sts"),
        config=hook.config.merge(brief) if hook.config else brief,
        verify=hook.verify,
    )
    if is_at_amazon(sts) and not is_at_amazon(s3):
        return None
    return told(sts.get_caller_identity()["Arn"])
