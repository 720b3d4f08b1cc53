"""What IAM says of the role with which S3 replicates a bucket."""

from __future__ import annotations

from typing import Any

from airflow_provider_crr.errors import CrrError
from airflow_provider_crr.hooks.base import ConnectedHook
from airflow_provider_crr.hooks.replication import S3ReplicationHook
from airflow_provider_crr.replication.rules_check.look import RoleState, Unseen
from airflow_provider_crr.replication.rules_check.trust import lets_s3_assume
from airflow_provider_crr.s3.deadline import Deadline, until
from airflow_provider_crr.s3.endpoint import is_at_amazon
from airflow_provider_crr.s3.error_origin import answered
from airflow_provider_crr.text.legible import told


def role_state(hook: S3ReplicationHook, arn: str, deadline: Deadline) -> RoleState | Unseen:
    """
    Return whether a role is there, and whether S3 may assume it.

    IAM is asked by name, and answers about the roles of the connection's own account. So an answer counts only if it is
    about this ARN, and a role is gone only from that account.

    :param hook: its connection is used.
    :param arn: ARN of the role.
    :param deadline: how long IAM is waited for.
    """
    from botocore.exceptions import ClientError

    def unseen(why: str) -> Unseen:
        return Unseen(f"the role {arn}", why)

    try:
        with until(deadline):
            iam = _client(hook, "iam")
            if is_at_amazon(iam) and not is_at_amazon(hook.get_conn()):
                return unseen("S3 is asked at an endpoint that is not Amazon's, and no endpoint of IAM goes with it")
            try:
                found = iam.get_role(RoleName=arn.rpartition("/")[2])["Role"]
            except iam.exceptions.NoSuchEntityException:
                own = _client(hook, "sts").get_caller_identity()["Account"]
                if own == arn.split(":")[4]:
                    return RoleState.GONE
                return unseen(f"it is of another account than the connection, which is of {told(own)}")
        if found["Arn"] != arn:
            return unseen(f"IAM has another role of this name: {told(found['Arn'])}")
        return RoleState.TRUSTS_S3 if lets_s3_assume(found["AssumeRolePolicyDocument"]) else RoleState.TRUSTS_OTHERS
    except ClientError as error:
        code, _, status = answered(error)
        return unseen(f"AWS answered {code or f'HTTP {status}'} to {error.operation_name}")
    except Exception as error:  # also a parser's, of whatever answers in the place of IAM
        return unseen(told(error) if isinstance(error, CrrError) else f"{type(error).__name__}: {told(error)}")


def _client(hook: S3ReplicationHook, service: str) -> Any:
    """Return a client of another service, by the same connection."""
    return ConnectedHook(
        aws_conn_id=hook.aws_conn_id,
        region_name=hook._region_name,
        verify=hook._verify,
        config=hook._config,
        client_type=service,
    )._brief_client
