"""Where reports and manifests are written to: S3, or a file of the worker."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from airflow_provider_crr.arguments import text
from airflow_provider_crr.aws_errors import translated
from airflow_provider_crr.errors import CrrError, InvalidArgument
from airflow_provider_crr.inventory.location import split_uri
from airflow_provider_crr.s3.uri import is_s3_uri


def check_destination(uri: str | None, *, rendered: bool = False) -> None:
    """
    Refuse a place that nothing can be written to.

    :param uri: ``s3://bucket/key``, ``file:///path`` or an absolute path; None is fine.
    :param rendered: whether its extension must name a report format.
    :raises InvalidArgument: if it is none of these.
    """
    from airflow_provider_crr.inventory.render import format_for

    if uri is None:
        return
    text(uri, "the place to write to")
    if is_s3_uri(uri):
        split_uri(uri)
    elif not _path(uri).is_absolute():
        raise InvalidArgument(
            "not a place to write to", uri=uri, remedy="Give s3://bucket/key, file:///path or an absolute path"
        )
    if rendered:
        format_for(uri)


def write(client: Any, uri: str, source: Path, content_type: str) -> None:
    """
    Write a file to its place.

    :param client: boto3 S3 client.
    :param uri: see :func:`check_destination`.
    :param source: the file.
    :param content_type: what S3 is told that it is.
    :raises LookupFailed: if S3 does not take it.
    :raises CrrError: if the worker's disk does not.
    """
    if not is_s3_uri(uri):
        path = _path(uri)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, path)
        except OSError as error:
            raise CrrError(
                f"cannot write: {error}", uri=uri, remedy="Name a place that the worker may write to, and with room"
            ) from error
        return
    bucket, key = split_uri(uri)
    with translated(uri, "write", permission="s3:PutObject"):
        client.upload_file(str(source), bucket, key, ExtraArgs={"ContentType": content_type})


def _path(uri: str) -> Path:
    return Path(uri.removeprefix("file://"))
