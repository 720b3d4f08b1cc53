"""Who asked S3 and was refused: the connection, the principal, and the place where the task waits."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import TYPE_CHECKING

from airflow_provider_crr.errors import CrrError, LookupFailed

if TYPE_CHECKING:
    from airflow_provider_crr.hooks.replication import S3ReplicationHook
    from airflow_provider_crr.hooks.sharing.shared_hook import SharedHook

WORKER, TRIGGERER = "worker", "triggerer"


def asked(hook: S3ReplicationHook | SharedHook, where: str) -> str:
    """
    Return who asks, such as ``by the connection 'prod', as arn:aws:iam::111122223333:user/gate, on the worker host-1``.

    :param hook: the hook by which it is asked. STS may be asked whose credentials it has.
    :param where: :data:`WORKER` or :data:`TRIGGERER`.
    """
    place = "on the worker" if where == WORKER else "in the triggerer"
    return f"{hook.asked_by}, {place} {socket.gethostname()}"


def with_asker(error: CrrError, hook: Callable[[], S3ReplicationHook | SharedHook], where: str) -> CrrError:
    """
    Return an error; if S3 denied access, one that also says to whom.

    :param error: the error that ends a wait.
    :param hook: returns the hook; what it raises is no error here.
    :param where: see :func:`asked`.
    """
    if not (isinstance(error, LookupFailed) and error.is_denied):
        return error
    try:
        message = f"{error.message}; asked {asked(hook(), where)}"
    except Exception:
        return error
    known = LookupFailed(message, uri=error.uri, remedy=error.remedy, passing=error.passing)
    known.__cause__ = error.__cause__
    return known
