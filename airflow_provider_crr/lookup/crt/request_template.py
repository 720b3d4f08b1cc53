"""How botocore would send a HEAD: it prepares one, which is kept from being sent and taken as a template."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from threading import local
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

from airflow_provider_crr.lookup.boto3_asker import S3Client
from airflow_provider_crr.lookup.pairing import Endpoint, Pairing
from airflow_provider_crr.s3.client_errors import raise_not_asked
from airflow_provider_crr.s3.objects import S3Object
from airflow_provider_crr.s3.stores import store_of

_CREDENTIAL = re.compile(r"AWS4-HMAC-SHA256 Credential=[^,]+/\d{8}/([^/,]+)/s3/aws4_request,")
#: Seconds after which a template is made again, because the client may have learnt more; and how many are kept at most.
_AGE, _MOST = 300.0, 2000
#: Keys that need no encoding.
_PLAIN = re.compile(r"[A-Za-z0-9/_.~-]*")
#: Headers that differ from request to request; whatever signs and sends a request makes them.
_OF_ONE_REQUEST = {
    "amz-sdk-invocation-id",
    "amz-sdk-request",
    "authorization",
    "x-amz-content-sha256",
    "x-amz-date",
    "x-amz-security-token",
}
#: The key that a thread prepares a request for, and the request.
_thread = local()


@dataclass(frozen=True, slots=True)
class RequestTemplate:
    """
    How every HEAD to one bucket looks.

    :param endpoint: where it goes.
    :param before_key: the path up to the key.
    :param before_version: what stands between key and version id; None for requests that name no version.
    :param region: the region that the request is signed for.
    :param headers: headers that are the same for every key, ``host`` among them.
    :param body_hash: the hash of the body in the signature, which a bucket's policy may ask for
        (``s3:x-amz-content-sha256``).
    """

    endpoint: Endpoint
    before_key: str
    before_version: str | None
    region: str
    headers: tuple[tuple[str, str], ...]
    body_hash: str

    def path(self, obj: S3Object) -> str:
        """Return path and query for one object, encoded by botocore."""
        from botocore.utils import percent_encode

        key = obj.key if _PLAIN.fullmatch(obj.key) else percent_encode(obj.key, safe="/~")
        path: str = self.before_key + key
        if self.before_version is not None:
            path += self.before_version + percent_encode(obj.version_id or "")
        return path


def prepare(client: S3Client, obj: S3Object) -> RequestTemplate | None:
    """
    Return how a HEAD to the bucket of ``obj`` looks; None if only boto3 can send it.

    None means that it is not signed with Signature Version 4 for one region (unsigned, a multi-region access
    point, a directory bucket), or that something answers in the place of S3, as test doubles for boto3 do.

    :param client: a boto3 S3 client.
    :param obj: an object of the bucket; its key and version id are not used.
    """
    from botocore.exceptions import ClientError, ConnectionError, HTTPClientError

    key, version = uuid4().hex, uuid4().hex
    with_version = {"VersionId": version} if obj.version_id else {}
    # As the last handler of the least specific event: if another handler answers, botocore takes that answer. Once for
    # each client, and for good: botocore looks for handlers in other threads, without a lock.
    client.meta.events.register_last("before-send", _catch, unique_id="crr-template")
    _thread.key = key
    try:
        answer = client.head_object(Bucket=obj.bucket, Key=key, **with_version)
    except (ClientError, HTTPClientError, ConnectionError):  # of a directory bucket's session, or of a test double
        return None
    except Exception as error:  # also errors of a source of credentials
        raise_not_asked(error, str(obj), "look up")
    finally:
        _thread.key = None
    if answer["ResponseMetadata"]["HTTPHeaders"].get("x-caught") != key:
        return None
    return _read(_thread.request, key, version)


def _catch(request: Any, **_: Any) -> Any:
    """Answer the request that :func:`prepare` makes in this thread, and keep it from being sent."""
    from botocore.awsrequest import AWSResponse

    key = getattr(_thread, "key", None)
    if key is None or key not in request.url:
        return None  # another request
    _thread.request = request
    headers: Any = {"x-caught": key}
    return AWSResponse(request.url, 200, headers, _NoBody())


class RequestTemplates:
    """
    Two templates for each bucket, one for its keys and one for their versions. Each is made when it is first needed.

    :param client: a boto3 S3 client.
    :param pairing: what is known of the endpoints.
    """

    def __init__(self, client: S3Client, pairing: Pairing) -> None:
        self._client = client
        self._pairing = pairing
        #: The templates, and when each was made, by ``time.monotonic``; the oldest first.
        self._made: dict[tuple[str, bool], tuple[RequestTemplate | None, float]] = {}

    def of(self, obj: S3Object) -> RequestTemplate | None:
        """
        Return the template for an object; None if only boto3 can ask for it, see :func:`prepare`.

        :raises LookupFailed: if no request can be made.
        """
        kind, now = _kind(obj), time.monotonic()
        known, made_at = self._made.get(kind, (None, float("-inf")))
        if now - made_at > _AGE:
            new = prepare(self._client, obj)
            self._keep(kind, known if new == known else new)  # the same one, as long as it is current
        return self._made[kind][0]

    def _keep(self, kind: tuple[str, bool], template: RequestTemplate | None) -> None:
        self._made.pop(kind, None)
        if len(self._made) >= _MOST:
            del self._made[next(iter(self._made))]
        self._made[kind] = template, time.monotonic()

    def is_current(self, template: RequestTemplate, obj: S3Object) -> bool:
        """Return whether this is still the template for an object."""
        return self._made.get(_kind(obj), (None,))[0] is template

    def renew_for_region(self, obj: S3Object) -> bool:
        """Make the templates of an object's bucket again; return whether the one for the object is different now."""
        bucket, has_version = _kind(obj)
        known = self._made.pop((bucket, has_version), (None,))[0]
        self._made.pop((bucket, not has_version), None)
        return self.of(obj) != known

    def renew_for_store(self, template: RequestTemplate, obj: S3Object, server: str) -> bool:
        """
        Return whether a request lacked headers that the store must be asked with; the next of its kind has them.

        :param template: the template of the request.
        :param obj: what was asked for.
        :param server: which store answered, see :class:`.ObjectReplication`.
        """
        needed = store_of(server).asked_with
        if not needed or needed.keys() <= dict(template.headers).keys():
            return False
        self._pairing.at_minio = True
        if self.is_current(template, obj):
            self._keep(_kind(obj), prepare(self._client, obj))
        return True


def _kind(obj: S3Object) -> tuple[str, bool]:
    return obj.bucket, obj.version_id is not None


class _NoBody:
    def stream(self) -> Iterator[bytes]:
        return iter(())


def _read(request: Any, key: str, version: str) -> RequestTemplate | None:
    url = urlsplit(request.url)
    headers = {name.lower(): _text(value) for name, value in request.headers.items()}
    signed = _CREDENTIAL.match(headers.get("authorization", ""))
    if not signed or "host" not in headers or "x-amz-s3session-token" in headers:
        return None
    before_key, _, after_key = (f"{url.path}?{url.query}" if url.query else url.path).partition(key)
    before_version, has_version, rest = after_key.partition(version)
    if rest or (after_key and not has_version):
        return None  # something unknown follows the key
    return RequestTemplate(
        endpoint=Endpoint(url.scheme, url.hostname or "", url.port or (443 if url.scheme == "https" else 80)),
        before_key=before_key,
        before_version=before_version if has_version else None,
        region=signed.group(1),
        headers=tuple((name, value) for name, value in headers.items() if name not in _OF_ONE_REQUEST),
        body_hash=headers.get("x-amz-content-sha256", ""),
    )


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value
