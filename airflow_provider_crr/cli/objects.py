"""The objects that a command line names, and the questions to S3 about them."""

from __future__ import annotations

import json
import os
import re
import sys
from argparse import Namespace
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from airflow_provider_crr.cli.lists import LONGEST, Lookalikes, lines, refuse_several, refused
from airflow_provider_crr.errors import InvalidArgument, LookupFailed
from airflow_provider_crr.replication.hints import looks_like
from airflow_provider_crr.replication.status import ObjectReplication
from airflow_provider_crr.s3.objects import S3Object, is_s3_uri, names_a_place, split
from airflow_provider_crr.s3.patterns import below, first_special
from airflow_provider_crr.text.legible import legible, shortened

if TYPE_CHECKING:
    from collections.abc import Generator

    from airflow_provider_crr.hooks.replication import S3ReplicationHook

#: The argument that stands for standard input.
STDIN = "-"
_BYTE_ORDER_MARK = "\ufeff"
_VERSION = "?versionId="
_NAMES = ("bucket", "key", "version_id")
#: A line of JSON with all of these names was written by ``airflow crr status --json``.
_OWN = {"uri", "answered_version_id", "gate"}


def parse(text: str, version_id: str | None = None, *, listed: bool = False) -> S3Object:
    """
    Return the object that a text names.

    :param text: an S3 URI, with ``?versionId=`` as in this provider's messages, or a JSON object with bucket, key and
        version_id; other names in it are ignored. A version_id of null is refused, except in a line that
        ``airflow crr status --json`` wrote.
    :param version_id: the version to ask for, if the text names none.
    :param listed: whether the text is a line of a list. There ``?versionId=`` in a URI is part of the key.
    :raises InvalidArgument: if it names no object, or two versions of one.
    """
    text = text.removeprefix(_BYTE_ORDER_MARK)
    try:
        refuse_several(text)
        obj = _from_json(text) if text.startswith("{") else (S3Object.parse if listed else _from_uri)(text)
    except InvalidArgument as error:
        refusal = error if listed else refused(text, error)  # of a list, the caller knows the number of the line
        if refusal is error:
            raise
        raise refusal from error
    if version_id is None:
        return obj
    if obj.version_id is not None:
        raise InvalidArgument("two version ids are given", uri=str(obj), remedy="Leave --version-id out")
    return obj.in_version(version_id)


def _from_uri(text: str) -> S3Object:
    uri, marker, version_id = text.rpartition(_VERSION)
    if not is_s3_uri(text) and not names_a_place(text):
        raise InvalidArgument(
            f"{shortened(repr(text))} is not an S3 URI: an S3 object needs a bucket", remedy="Write s3://bucket/key"
        )
    if not marker:
        return S3Object.parse(text)
    return S3Object.parse(uri).in_version(version_id)


def _from_json(text: str) -> S3Object:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InvalidArgument(
            f"not a JSON object: {error}", remedy='Write s3://bucket/key, or {"bucket": ..., "key": ...}'
        ) from error
    # In a line of `airflow crr status --json`, a version_id of null says that the current version was asked for: it is
    # asked for again. In other JSON it may mean that somebody looked for a version id and did not find it.
    own = value.get("version_id") is None and value.keys() >= _OWN
    for name in value:  # "versionId" of an event, for example: without it, another version would be asked for
        if name != "version_id" and re.sub("[_-]", "", name.lower()) == "versionid":
            raise InvalidArgument(
                f"{name!r} is not how a version is named",
                remedy="Write version_id, or nothing for the current version",
            )
    names = [name for name in _NAMES if name in value and not (own and name == "version_id")]
    return S3Object.parse({name: value[name] for name in names})


class Named(NamedTuple):
    """
    What a command line names.

    :param objects: the objects; a list unless standard input is read, which happens while they are iterated over.
    :param patterns: the patterns; the key of each is the pattern.
    """

    objects: Iterable[S3Object]
    patterns: tuple[S3Object, ...] = ()


def named(texts: Sequence[str], version_id: str | None = None, *, literal: bool = False) -> Named:
    """
    Return what a command line names.

    :param texts: the arguments, of which one may be :data:`STDIN`.
    :param version_id: the version, if there is one object.
    :param literal: whether all arguments are keys, also those that look like patterns or folders.
    :raises InvalidArgument: if a text names no object, which for standard input shows while it is read, or if a version
        is given for several objects.
    """
    if version_id is not None and (len(texts) > 1 or STDIN in texts):
        raise InvalidArgument(
            "--version-id is for one object", remedy="Write s3://bucket/key?versionId=ID for each instead"
        )
    if texts.count(STDIN) > 1:
        raise InvalidArgument("standard input can be read once", remedy="Give - once")
    patterns = {} if literal else {text: pattern for text in texts if (pattern := _pattern(text, version_id))}
    keys = [text for text in texts if text not in patterns]
    objects = _with_stdin(keys) if STDIN in keys else [parse(text, version_id) for text in keys]
    return Named(objects, tuple(dict.fromkeys(patterns.values())))


def _pattern(text: str, version_id: str | None) -> S3Object | None:
    """Return the pattern that an argument is; None if it is something else. JSON names one object, whatever its key."""
    uri = text.removeprefix(_BYTE_ORDER_MARK)
    if version_id is not None or not is_s3_uri(uri):
        return None
    bucket, key = split(uri)
    if not key and uri.endswith("/"):
        return S3Object(bucket, below(""))
    obj = parse(uri)
    look = looks_like(obj)
    if look is not None and obj.key.endswith("/"):
        return S3Object(obj.bucket, below(obj.key))
    return obj if obj.version_id is None and first_special(obj.key) else None


def _with_stdin(texts: Sequence[str]) -> Iterator[S3Object]:
    before = texts.index(STDIN)
    yield from map(parse, texts[:before])
    yield from _lines()
    yield from map(parse, texts[before + 1 :])


def _lines() -> Iterator[S3Object]:
    alike = Lookalikes(sys.stderr)
    for number, text in lines(_read()):
        try:
            obj = parse(text, listed=True)
        except InvalidArgument as error:
            raise refused(text, error, number) from error
        if is_s3_uri(text):
            alike.note(obj, number)
        yield obj
    alike.end()


def _read() -> Iterator[bytes]:
    if sys.stdin is None:
        raise InvalidArgument("standard input is closed", remedy="Give a list: airflow crr status - < objects.txt")
    try:
        while line := sys.stdin.buffer.readline(LONGEST):
            yield line
    except OSError as error:
        raise InvalidArgument(
            f"standard input cannot be read: {error.strerror}", remedy="Give a list: airflow crr status - < objects.txt"
        ) from error


def connect(args: Namespace, **more: Any) -> S3ReplicationHook:
    """
    Return a hook, connected by the options of the command line.

    :param args: the options that all commands have.
    :param more: other arguments of the hook.
    :raises CrrError: if the connection cannot be used.
    """
    return connected(
        aws_conn_id=args.conn_id,
        region_name=args.region,
        expected_bucket_owner=args.expected_bucket_owner,
        requester_pays=args.requester_pays,
        **more,
    )


def connected(**arguments: Any) -> S3ReplicationHook:
    """
    Return a hook that is connected.

    :param arguments: those of the hook.
    :raises CrrError: if the connection cannot be used.
    """
    from airflow_provider_crr.hooks.replication import S3ReplicationHook

    use_database()
    hook = S3ReplicationHook(**arguments)
    hook.get_conn()
    if hook.aws_conn_id and not hook.conn_config:
        name = legible(repr(hook.aws_conn_id))
        sys.stderr.write(f"connection {name} is not defined: boto3 looks for credentials by itself\n")
    return hook


def use_database() -> None:
    """Let Airflow look for connections and variables in its database, too, as its own `connections test` does."""
    os.environ["_AIRFLOW_PROCESS_CONTEXT"] = "server"


def ask(hook: S3ReplicationHook, objects: Iterable[S3Object]) -> Iterator[ObjectReplication]:
    """
    Ask S3 about objects, and yield one answer for each, in any order.

    :raises InvalidArgument: if there are no objects.
    :raises LookupFailed: if S3 cannot be asked.
    """
    asked = answered = 0

    def counted() -> Iterator[S3Object]:
        nonlocal asked
        for obj in objects:
            asked += 1
            yield obj

    with closing(cast("Generator[ObjectReplication]", hook.get_replication_statuses(counted()))) as answers:
        for answer in answers:
            answered += 1
            yield answer
    if answered != asked:
        raise LookupFailed(f"{asked:,} objects were asked for and {answered:,} answers came", remedy="Ask again")
    if not asked:
        raise InvalidArgument(
            "no object was named", remedy="No object is not the same as a replicated object: look at what lists them"
        )
