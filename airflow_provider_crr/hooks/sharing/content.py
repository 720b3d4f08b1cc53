"""
What an Airflow connection says, as a digest: equal ones lead to the same place with the same credentials.

Of what is secret only the digest is kept, made with a key that this process alone has.
"""

from __future__ import annotations

import hmac
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

_SECRET = os.urandom(32)
#: The files that boto3 reads credentials and settings from: the variable that names each, and where it is by default.
_FILES = {"AWS_SHARED_CREDENTIALS_FILE": "~/.aws/credentials", "AWS_CONFIG_FILE": "~/.aws/config"}
#: What decides how fast a gate asks, but not where.
_OF_A_GATE = "max_requests_per_second"


def without_pace(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return those keyword arguments of a hook that say where and how it asks."""
    return {name: value for name, value in arguments.items() if name != _OF_A_GATE}


def connection_key(arguments: Mapping[str, Any]) -> str:
    """
    Return what is equal for gates with the same connection.

    :param arguments: keyword arguments of a hook.
    """
    return _digest(without_pace(arguments))


class Content(NamedTuple):
    """
    All that a client is made of, beside the hook's arguments.

    :param digest: equal for equal contents.
    :param is_defined: whether there is such an Airflow connection.
    """

    digest: str
    is_defined: bool


def content_of(config: Any) -> Content:
    """
    Return the content of a connection.

    :param config: a hook's ``conn_config``, freshly read.
    """
    connection = [getattr(config, name) for name in ("conn_type", "login", "password", "schema", "extra_config")]
    variables = {name: value for name, value in os.environ.items() if name.startswith("AWS_")}
    files = [_state(os.environ.get(name) or default) for name, default in _FILES.items()]
    return Content(_digest([bool(config), connection, variables, files]), bool(config))


def _state(path: str) -> list[int] | None:
    """Return what changes when a file is written, or replaced; None if there is none."""
    try:
        found = Path(path).expanduser().stat()
    except (OSError, RuntimeError):
        return None
    return [found.st_mtime_ns, found.st_size, found.st_ino]


def _digest(what: Any) -> str:
    return hmac.digest(_SECRET, json.dumps(what, sort_keys=True, default=repr).encode(), "sha256").hex()
