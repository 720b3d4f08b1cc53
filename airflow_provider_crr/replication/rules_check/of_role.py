"""What a check finds of the role with which S3 replicates."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

from airflow_provider_crr.replication.rules_check.findings import Finding, Severity
from airflow_provider_crr.replication.rules_check.look import Look, RoleState, Unseen
from airflow_provider_crr.s3.stores import Store

_ROLE = re.compile(r"arn:aws[a-z0-9-]*:iam::[0-9]{12}:role/.+")


def of_role(role: str, store: Store, look: Look, seen: Callable[[Any], Any]) -> Iterator[Finding]:
    """
    Yield what is to be said of the replication role.

    :param role: its ARN, as the configuration has it.
    :param store: the store that replicates.
    :param look: answers what IAM says of it.
    :param seen: notes what could not be seen.
    """
    # What only resembles S3 may replicate without the role.
    broken = Severity.ERROR if store.is_s3 else Severity.WARNING
    if not _ROLE.fullmatch(role):
        yield Finding(
            broken,
            f"the replication configuration names {role!r}, which is not the ARN of a role",
            "Name the role with which S3 is to replicate",
        )
        return
    state = look.role(role)
    seen(state)
    if isinstance(state, Unseen):
        yield Finding(
            Severity.WARNING,
            f"the replication role {role} cannot be seen: {state.why}",
            "Allow iam:GetRole, or see for yourself that it is there and trusts s3.amazonaws.com",
        )
    elif state is RoleState.GONE:
        yield Finding(
            broken,
            f"the replication role {role} does not exist (AssumeRoleNotPermitted)",
            "Make it again, or name another one in the replication configuration",
        )
    elif state is RoleState.TRUSTS_OTHERS:
        yield Finding(
            broken,
            f"the replication role {role} does not let S3 assume it (AssumeRoleNotPermitted)",
            "Let s3.amazonaws.com do sts:AssumeRole in the role's trust policy",
        )
