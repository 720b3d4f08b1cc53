"""Whether a role's trust policy lets S3 assume it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from typing import Any

_S3 = "s3.amazonaws.com"
_ASSUME = "sts:assumerole"


def lets_s3_assume(policy: Mapping[str, Any]) -> bool:
    """
    Return whether a statement of a trust policy lets S3 assume the role, whatever its conditions.

    A statement that denies is not looked at: what it denies depends on its conditions.

    :param policy: the policy, read from its JSON.
    """
    return any(
        statement.get("Effect") == "Allow" and _is_for_s3(statement.get("Principal")) and _assumes(statement)
        for statement in _each(policy.get("Statement"))
    )


def _is_for_s3(principal: Any) -> bool:
    if isinstance(principal, Mapping):
        return any(name in (_S3, "*") for name in _each(principal.get("Service")))
    return bool(principal == "*")


def _assumes(statement: Mapping[str, Any]) -> bool:
    return any(fnmatchcase(_ASSUME, str(action).lower()) for action in _each(statement.get("Action")))


def _each(value: Any) -> Iterable[Any]:
    """Return the elements of a list, which a policy leaves out around a single one."""
    if value is None:
        return ()
    return value if isinstance(value, list) else [value]
