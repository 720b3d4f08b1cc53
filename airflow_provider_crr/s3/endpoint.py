"""The endpoint that a client asks: whether it is Amazon's, and its URL without a name and a password."""

from __future__ import annotations

from functools import cache
from typing import Any
from urllib.parse import urlsplit

#: botocore's name for the client's ``endpoint_url``, among the parameters of which it makes a request's address.
_GIVEN = "SDK::Endpoint"
_EVENT = "before-endpoint-resolution.s3"


def without_userinfo(url: str) -> str:
    """
    Return a URL without what RFC 3986, section 3.2.1, calls userinfo.

    :param url: any URL; what cannot be taken apart is returned as it is.
    """
    try:
        parts = urlsplit(url)
    except ValueError:
        return url
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl() if "@" in parts.netloc else url


def ask_without_userinfo(client: Any) -> None:
    """
    Have a client leave name and password out of the addresses that it asks.

    No server ever gets them: botocore signs its requests instead, and urllib3 uses host and port only. But they would
    stand in the text of errors. And a bucket's name that is put before the host would be put before them, and be lost.

    :param client: a boto3 S3 client.
    """
    client.meta.events.register(_EVENT, _leave_out, unique_id=f"airflow_provider_crr.{_EVENT}")


def _leave_out(builtins: dict[str, Any], **_: Any) -> None:
    given = builtins.get(_GIVEN)
    if isinstance(given, str):
        builtins[_GIVEN] = without_userinfo(given)


def is_amazons(host: str) -> bool:
    """Return whether a host is an endpoint of Amazon's, in any of its partitions."""
    return host.endswith(_amazons_suffixes())


def is_at_amazon(client: Any) -> bool:
    """
    Return whether a client asks an endpoint of Amazon's.

    :param client: a boto3 client of any service.
    """
    return is_amazons(urlsplit(client.meta.endpoint_url).hostname or "")


@cache
def _amazons_suffixes() -> tuple[str, ...]:
    """Return what the names of Amazon's endpoints end with, in all its partitions, as botocore knows them."""
    from botocore.loaders import Loader

    outputs = [partition["outputs"] for partition in Loader().load_data("partitions")["partitions"]]
    return tuple(f".{each[name]}" for each in outputs for name in ("dnsSuffix", "dualStackDnsSuffix"))
