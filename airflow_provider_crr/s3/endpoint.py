"""The endpoint that a client was given, without the name and password that somebody may have put into its URL."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

#: What botocore calls the endpoint that a client was given, where it finds the address of a request.
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

    Nobody was ever sent them: botocore signs, and urllib3 uses host and port only. But they stand in the text of its
    errors, and a bucket's name that is put before the host would be put before them, and be lost.

    :param client: a boto3 S3 client.
    """
    client.meta.events.register(_EVENT, _leave_out, unique_id=f"airflow_provider_crr.{_EVENT}")


def _leave_out(builtins: dict[str, Any], **_: Any) -> None:
    given = builtins.get(_GIVEN)
    if isinstance(given, str):
        builtins[_GIVEN] = without_userinfo(given)
