"""How boto3 reaches s3control where an endpoint is an address, and not a name."""

from __future__ import annotations

import re
from typing import Any

#: What boto3 puts before an address: the account of the request.
_ACCOUNT = re.compile(r"(?<=://)\d{12}\.(?=\[|\d{1,3}(\.\d{1,3}){3}([:/]|$))")


def reach_by_address(client: Any) -> Any:
    """
    Let a client of s3control work with an endpoint such as ``http://127.0.0.1:4566``, and return it.

    boto3 asks ``http://111122223333.127.0.0.1:4566``, because S3 has a host name for each account. Below an address
    there are no names. The account is sent as a header, too, so nothing is lost.

    :param client: boto3's client of s3control.
    """
    client.meta.events.register("before-sign.s3-control", _without_account)
    return client


def _without_account(request: Any, **_: Any) -> None:
    request.url = _ACCOUNT.sub("", request.url)
