"""What a gate waits for: objects, or patterns of keys; and the bounded form in which a trigger stores them."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from itertools import chain, islice
from typing import Any, TypeVar

from airflow_provider_crr.errors import InvalidArgument
from airflow_provider_crr.replication.packed_objects import pack, unpack
from airflow_provider_crr.s3.objects import S3Object

#: Longest stored form of a list of objects, in characters. Airflow encrypts a trigger's kwargs, which adds a third, and
#: MySQL's column for them ends at 65,535 bytes. The rest is for the other kwargs.
MAX_STORED = 45_000
#: Patterns that are stored one by one, as earlier releases read them. Airflow 3.0 wraps each of them into some 40
#: characters more; so more of them are stored as one text.
_FEW = 20

#: Texts of iterables that are no lists, such as ``<generator object do_map at 0x7f...>`` and ``dict_keys(['a'])``.
_OF_ITERABLE = re.compile(r"<.+ at 0x[0-9a-f]+>|(?:dict_(?:keys|values|items)|frozenset|deque)\([\[{].*\)", re.S)

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Targets:
    """
    What a gate waits for.

    :param objects: objects to ask for, without repetition.
    :param patterns: Unix shell-style patterns; the key of each is the pattern.
    """

    objects: tuple[S3Object, ...] = ()
    patterns: tuple[S3Object, ...] = ()

    @classmethod
    def parse(
        cls,
        bucket_key: object,
        *,
        bucket_name: str | None = None,
        wildcard_match: bool = False,
        version_id: str | None = None,
    ) -> Targets:
        """
        Return what a user's arguments name. The arguments mean the same as in amazon's ``S3KeySensor``.

        :param bucket_key: a key, an S3 URI, a ``{"bucket", "key", "version_id"}`` mapping, or a list of them.
        :param bucket_name: bucket of the keys that name none.
        :param wildcard_match: whether the keys are patterns (``*``, ``?``, ``[abc]``; ``*`` also matches ``/``).
        :param version_id: version of the one object that ``bucket_key`` names.
        :raises InvalidArgument: for an empty list, and for whatever cannot name an object.
        """
        one = isinstance(bucket_key, str | bytes | Mapping | S3Object)
        if not one and not isinstance(bucket_key, Iterable):
            raise InvalidArgument(
                f"bucket_key is {bucket_key!r}", remedy="Give a key, an S3 URI, a mapping, or a list of them"
            )
        values: list[object] = [bucket_key] if one else list(bucket_key)  # type: ignore[call-overload]
        if not values:
            raise InvalidArgument(
                "bucket_key is an empty list: no object is not the same as a replicated object",
                remedy="Skip the task upstream when there is nothing to wait for",
            )
        for value in values:
            refuse_text_of_list(value)
        parsed = tuple(dict.fromkeys(S3Object.parse(value, bucket_name) for value in values))
        if version_id is not None:
            if len(parsed) != 1 or wildcard_match or parsed[0].version_id is not None:
                raise InvalidArgument(
                    "version_id is for the one key that bucket_key names",
                    remedy="Give a list of {'bucket', 'key', 'version_id'} mappings instead",
                )
            parsed = (parsed[0].in_version(version_id),)
        if not wildcard_match:
            return cls(objects=parsed)
        for pattern in parsed:
            if pattern.version_id is not None:
                raise InvalidArgument(
                    "a pattern has no version", uri=str(pattern), remedy="Leave version_id or wildcard_match out"
                )
        return cls(patterns=parsed)

    def to_stored(self) -> dict[str, Any]:
        """
        Return the plain JSON form for a trigger's kwargs.

        :raises InvalidArgument: if it is longer than :data:`MAX_STORED` even compressed.
        """
        few = [pattern.to_dict() for pattern in self.patterns] if len(self.patterns) <= _FEW else None
        stored = {"objects": pack(self.objects), "patterns": pack(self.patterns) if few is None else few}
        size = len(json.dumps(stored))
        if size > MAX_STORED:
            raise InvalidArgument(
                f"{len(self.objects) + len(self.patterns):,} keys take {size:,} characters in Airflow's database,"
                f" even compressed; the limit is {MAX_STORED:,}",
                remedy="Use wildcard_match=True with a pattern, mode='reschedule' with deferrable=False, or map the"
                " sensor over smaller lists",
            )
        return stored

    @classmethod
    def from_stored(cls, stored: Mapping[str, Any]) -> Targets:
        """
        Return what :meth:`to_stored` stored.

        :raises InvalidArgument: if it is something else.
        """
        try:
            patterns = stored["patterns"]
            named = unpack(patterns) if isinstance(patterns, str) else map(S3Object.parse, patterns)
            targets = cls(tuple(unpack(stored["objects"])), tuple(named))
            if not (targets.objects or targets.patterns):
                raise ValueError("it names nothing")
        except Exception as error:  # malformed in whichever way: base 85, LZMA, JSON, types
            raise InvalidArgument(
                f"what was stored of the keys to wait for cannot be read: {type(error).__name__}: {error}",
                remedy="Run the same release of this provider on workers and triggerers, then clear the task",
            ) from error
        return targets


def distinct(groups: Iterable[Iterator[_T]], key: Callable[[_T], S3Object]) -> Iterator[_T]:
    """
    Yield what several patterns match, each object once.

    Of each object 16 bytes are kept in memory, unless there is one group only.

    :param groups: what each pattern matches, without repetition.
    :param key: returns the object of an element.
    """
    remaining = iter(groups)
    beginning = list(islice(remaining, 2))
    if len(beginning) == 1:
        yield from beginning[0]
        return
    seen: set[bytes] = set()
    for group in chain(beginning, remaining):
        for element in group:
            obj = key(element)
            name = "\0".join((obj.bucket, obj.key, obj.version_id or "")).encode()
            mark = sha256(name).digest()[:16]
            if mark not in seen:
                seen.add(mark)
                yield element


def refuse_text_of_list(value: object, name: str = "bucket_key") -> None:
    """
    Refuse the text of a list as a key: templates that are not rendered as native objects make texts of lists.

    :param value: what is taken for a key.
    :param name: the argument that holds it.
    :raises InvalidArgument: if it is such a text.
    """
    if not isinstance(value, str):
        return
    text = value.strip()
    if _OF_ITERABLE.fullmatch(text) or (text.startswith(("[", "(", "{")) and _is_text_of_list(text)):
        raise InvalidArgument(
            f"{name} holds the text of a list: {value[:80]}",
            remedy=f"Pass {name}=task.output, or set render_template_as_native_obj=True on the DAG",
        )


def _is_text_of_list(text: str) -> bool:
    """Return whether a text is a collection, in Python's spelling or in JSON's."""
    for read in (ast.literal_eval, json.loads):
        with suppress(ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
            return isinstance(read(text), list | tuple | set | dict)
    return False
