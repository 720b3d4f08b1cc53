"""Objects as compressed text, for Airflow's database: a trigger's kwargs and the task state store."""

from __future__ import annotations

import base64
import json
import lzma
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import Any

from airflow_provider_crr.s3.objects import S3Object


def in_order(objects: Iterable[S3Object]) -> list[S3Object]:
    """Return objects sorted by bucket, key and version."""
    return sorted(objects, key=lambda obj: (obj.bucket, obj.key, obj.version_id or ""))


def pack(objects: Sequence[S3Object]) -> str:
    """
    Return objects as compressed text.

    Sorted keys often begin like the one before. So of each key the number of characters that are the same is stored,
    and the rest: 100,000 numbered keys take some kilobytes. Random names (UUIDs) do not compress.
    """
    if not objects:
        return ""
    ordered = in_order(objects)
    lines: list[list[Any]] = [[len(ordered)]]
    for bucket, members in groupby(ordered, key=lambda obj: obj.bucket):
        lines.append([bucket])
        before = ""
        for obj in members:
            shared = _shared(before, obj.key)
            lines.append([shared, obj.key[shared:], *([obj.version_id] if obj.version_id else [])])
            before = obj.key
    text = "\n".join(json.dumps(line, separators=(",", ":"), ensure_ascii=False) for line in lines).encode()
    return base64.b85encode(lzma.compress(text, format=lzma.FORMAT_ALONE)).decode()


def unpack(text: str) -> Iterator[S3Object]:
    """
    Yield the objects that :func:`pack` stored, sorted. Any other text raises an error of some kind.

    They are read line by line: while one JSON text of 100,000 objects is read, no other trigger could run.
    """
    if not text:
        return
    number, *lines = lzma.decompress(base64.b85decode(text)).decode().split("\n")
    (left,) = json.loads(number)
    bucket = before = ""
    for line in lines:
        first, *rest = json.loads(line)
        if not rest:
            bucket, before = first, ""
            continue
        before = before[:first] + rest[0]
        yield S3Object(bucket, before, *rest[1:])
        left -= 1
    if left:
        raise ValueError(f"{left} objects of {number} are missing")


def _shared(one: str, other: str) -> int:
    limit = min(len(one), len(other))
    return next((index for index in range(limit) if one[index] != other[index]), limit)
