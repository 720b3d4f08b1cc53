"""Signature Version 4 as a service checks it, written from the specification and sharing no code with a signer."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from urllib.parse import quote, unquote_to_bytes

_AUTHORIZATION = re.compile(
    r"AWS4-HMAC-SHA256 Credential=(?P<key>[^/]+)/(?P<day>\d{8})/(?P<region>[^/]+)/s3/aws4_request,"
    r" ?SignedHeaders=(?P<signed>[^,]+), ?Signature=(?P<signature>[0-9a-f]{64})"
)


def fault(
    method: str, target: str, headers: Mapping[str, str], secrets: Mapping[str, str], token: str | None
) -> tuple[str, str]:
    """
    Return what is wrong with a signature ("" if nothing is), and the region that it is for.

    :param target: path and query, as received.
    :param headers: received headers, names in lower case.
    :param secrets: secret by access key id.
    :param token: session token that must be sent, and signed.
    """
    found = _AUTHORIZATION.fullmatch(headers.get("authorization", ""))
    if not found:
        return f"not Signature Version 4: {headers.get('authorization')!r}", ""
    region, signed = found["region"], found["signed"].split(";")
    must = {"host"} | {name for name in headers if name.startswith("x-amz-")}
    if not must <= set(signed):
        return f"unsigned headers: {sorted(must - set(signed))}", region
    if headers.get("x-amz-security-token") != token:
        return f"session token {headers.get('x-amz-security-token')!r}", region
    sent = datetime.strptime(headers["x-amz-date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    if abs(datetime.now(UTC) - sent) > timedelta(minutes=15):
        return f"sent at {sent}", region
    if found["key"] not in secrets:
        return f"unknown access key id {found['key']!r}", region
    path, _, query = target.partition("?")
    canonical = "\n".join(
        [
            method,
            _encode(path, safe="/"),
            "&".join(sorted(_pair(item) for item in query.split("&") if item)),
            *(f"{name}:{' '.join(headers[name].split())}" for name in signed),
            "",
            found["signed"],
            headers["x-amz-content-sha256"],
        ]
    )
    scope = f"{found['day']}/{region}/s3/aws4_request"
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    to_sign = "\n".join(["AWS4-HMAC-SHA256", headers["x-amz-date"], scope, digest])
    key = f"AWS4{secrets[found['key']]}".encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    if hmac.new(key, to_sign.encode(), "sha256").hexdigest() != found["signature"]:
        return f"signature does not match {canonical!r}", region
    return "", region


def _encode(text: str, safe: str = "") -> str:
    return quote(unquote_to_bytes(text), safe=safe + "-_.~")


def _pair(item: str) -> str:
    name, _, value = item.partition("=")
    return f"{_encode(name)}={_encode(value)}"
