"""Where reports and manifests are written: to S3, or to a file of the worker."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from airflow_provider_crr.errors import InvalidArgument, LookupFailed, of_disk
from airflow_provider_crr.s3.client_errors import translated
from airflow_provider_crr.s3.objects import is_s3_uri, split_uri, text

_WHERE = "Give s3://bucket/key, file:///path or an absolute path"
#: Bytes of the largest file that S3 takes in one request (user guide, "Amazon S3 multipart upload limits").
_ONE_REQUEST = 5 * 1024**3
_HOW = 'Give what boto3 takes for an upload, such as {"ServerSideEncryption": "aws:kms"}, or None'
#: The further permission that each of these arguments needs ("Required permissions for Amazon S3 API operations").
_ALSO = {
    **dict.fromkeys(
        ("ACL", "GrantFullControl", "GrantRead", "GrantReadACP", "GrantWriteACP"),
        "s3:PutObjectAcl",
    ),
    "Tagging": "s3:PutObjectTagging",
    "ObjectLockMode": "s3:PutObjectRetention",
    "ObjectLockLegalHoldStatus": "s3:PutObjectLegalHold",
    "SSEKMSKeyId": "kms:GenerateDataKey and kms:Decrypt for the key",
}


def check_destination(uri: str | None, name: str, *, rendered: bool = False) -> None:
    """
    Refuse a place to which nothing can be written.

    :param uri: ``s3://bucket/key``, ``file:///path`` or an absolute path; None if nothing is to be written.
    :param name: of the argument, for messages.
    :param rendered: whether its extension must name a report format.
    :raises InvalidArgument: if it is none of these.
    """
    from airflow_provider_crr.inventory.render import format_for

    if uri is None:
        return
    text(uri, name)
    try:
        if is_s3_uri(uri):
            split_uri(uri)
        elif not _path(uri).is_absolute():
            raise InvalidArgument(f"{uri!r} is not a place to write to", remedy=_WHERE)
        if uri.endswith("/"):
            raise InvalidArgument(f"{uri!r} is a folder, not a place to write to", remedy=f"{_WHERE}, of a file")
        if rendered:
            format_for(uri)
    except InvalidArgument as error:
        raise error.of(name) from error


def check_extra_args(extra_args: Any, client: Any = None) -> None:
    """
    Refuse arguments of an upload that ``S3Hook``, boto3 or botocore would refuse only once the report is there.

    :param extra_args: the ``extra_args`` of amazon's ``S3Hook``, or None.
    :param client: boto3 S3 client, by which the types of the values are checked; None if there is none yet.
    :raises InvalidArgument: if it is not a mapping of arguments that an upload takes.
    """
    if extra_args is None:
        return
    from boto3.s3.transfer import S3Transfer

    if not isinstance(extra_args, dict):
        raise InvalidArgument(f"extra_args is of type {type(extra_args).__name__}", remedy=_HOW)
    known = S3Transfer.ALLOWED_UPLOAD_ARGS
    if strange := [name for name in extra_args if name not in known]:
        raise InvalidArgument(
            f"extra_args names {', '.join(map(repr, strange))}", remedy=f"{_HOW}. An upload takes: {', '.join(known)}"
        )
    if empty := [name for name, value in extra_args.items() if value is None]:
        raise InvalidArgument(
            f"extra_args has None for {', '.join(empty)}", remedy=f"{_HOW}; leave out what is not sent"
        )
    if unsent := [name for name, value in extra_args.items() if _is_no_header(name, value)]:
        raise InvalidArgument(
            f"extra_args: {', '.join(unsent)} has a character that no header can have",
            remedy="Leave out line breaks, and of Metadata whatever is not ASCII",
        )
    if client is None:
        return
    from botocore.validate import ParamValidator

    shape = client.meta.service_model.operation_model("PutObject").input_shape
    validator, whole = ParamValidator(), {"Bucket": "bucket", "Key": "key"}
    # Not in botocore's words, which quote the value: it may be a customer's encryption key.
    if unfit := [
        f"{name} cannot be of type {type(value).__name__}"
        for name, value in extra_args.items()
        if name in shape.members
        and not (name == "SSECustomerKey" and isinstance(value, bytes | bytearray))  # boto3 makes text of them
        and validator.validate({**whole, name: value}, shape).has_errors()
    ]:
        raise InvalidArgument(f"extra_args: {', '.join(unfit)}", remedy=_HOW)


def _is_no_header(name: str, value: Any) -> bool:
    """Return whether botocore or the HTTP client would refuse to send a value."""
    texts = [*value, *value.values()] if isinstance(value, dict) else [value]
    found = [text for text in texts if isinstance(text, str)]
    return any(not text.isascii() for text in found if name == "Metadata") or any(
        set("\r\n\0") & {*text} for text in found
    )


def write(client: Any, uri: str, source: Path, content_type: str, extra_args: Mapping[str, Any] | None = None) -> None:
    """
    Write a file to its place.

    :param client: boto3 S3 client.
    :param uri: the place, see :func:`check_destination`.
    :param source: the file.
    :param content_type: its Content-Type in S3, unless ``extra_args`` has one.
    :param extra_args: further arguments of the upload, see :func:`check_extra_args`; not used for a file of the worker.
    :raises LookupFailed: if S3 does not take it.
    :raises DiskFull: if the worker's disk has no room.
    :raises CrrError: if the worker's disk does not take it.
    """
    if not is_s3_uri(uri):
        path = _path(uri)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, path)
        except OSError as error:
            raise of_disk(error.errno)(
                f"cannot write: {error}", uri=uri, remedy="Name a place that the worker may write to, and with room"
            ) from error
        return
    from boto3.s3.transfer import TransferConfig

    # In one request of this thread: an execution_timeout could not end boto3's own threads, and a process that ends
    # would wait for them.
    alone = TransferConfig(multipart_threshold=_ONE_REQUEST, use_threads=False, preferred_transfer_client="classic")
    bucket, key = split_uri(uri)
    sent = {"ContentType": content_type, **(extra_args or {})}
    with translated(uri, "write", permission="s3:PutObject", denied=partial(_denied, sent)):
        client.upload_file(str(source), bucket, key, ExtraArgs=sent, Config=alone)


def _denied(sent: Mapping[str, Any], message: str, *, uri: str, remedy: str) -> LookupFailed:
    """Return the error for a 403. Where a bucket policy demands a header, S3's answer does not name the header."""
    actions = ", ".join(dict.fromkeys(["s3:PutObject", *(action for name, action in _ALSO.items() if name in sent)]))
    return LookupFailed(
        message,
        uri=uri,
        remedy=f"Allow {actions} to the connection. If the bucket's policy demands a header, give it as extra_args:"
        " ServerSideEncryption (and SSEKMSKeyId) sends x-amz-server-side-encryption (and"
        " x-amz-server-side-encryption-aws-kms-key-id), ACL sends x-amz-acl",
    )


def _path(uri: str) -> Path:
    return Path(uri.removeprefix("file://"))
