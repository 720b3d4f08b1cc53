"""Of which names something was sent to be deleted: one bit for each key, version or pattern that the user named."""

from __future__ import annotations

import base64
import zlib
from bisect import bisect_left
from collections.abc import Iterable

from airflow_provider_crr.replication.deletion.plan import place
from airflow_provider_crr.replication.targets import Targets
from airflow_provider_crr.s3.objects import S3Object
from airflow_provider_crr.s3.patterns import matches


class SentNames:
    """
    The names of one delete.

    :param targets: what is to be deleted.
    """

    def __init__(self, targets: Targets) -> None:
        self._names = sorted(targets.objects or targets.patterns, key=place)
        self._bits = bytearray((len(self._names) + 7) // 8)
        self._bits_of_earlier_try = bytes(self._bits)
        self._unmatched = list(targets.patterns)

    def add(self, versions: Iterable[S3Object]) -> None:
        """Note that versions are about to be deleted: under their own names, their keys', and patterns that match."""
        for obj in versions:
            for name in (obj, S3Object(obj.bucket, obj.key)):
                self._set(name)
            for pattern in [each for each in self._unmatched if _covers(each, obj)]:
                self._set(pattern)
                self._unmatched.remove(pattern)

    def __contains__(self, name: S3Object) -> bool:
        """Return whether something was sent under a name, in this try or an earlier one."""
        return self._is_set(self._bits, name)

    def in_earlier_try(self, name: S3Object) -> bool:
        """Return whether something was sent under a name in an earlier try."""
        return self._is_set(self._bits_of_earlier_try, name)

    def to_text(self) -> str:
        """Return the compressed bits."""
        return base64.b85encode(zlib.compress(self._bits)).decode()

    def read(self, text: str) -> bytes:
        """
        Return the bits of what :meth:`to_text` returned.

        :raises ValueError: if they are of other names. The text of something else raises an error of some kind.
        """
        bits = zlib.decompress(base64.b85decode(text))
        if len(bits) != len(self._bits):
            raise ValueError(f"{len(bits)} bytes for {len(self._names)} names")
        return bits

    def go_on_from(self, bits: bytes) -> None:
        """Go on from the bits of an earlier try."""
        self._bits, self._bits_of_earlier_try = bytearray(bits), bits

    def _position(self, name: S3Object) -> int | None:
        index = bisect_left(self._names, place(name), key=place)
        return index if index < len(self._names) and self._names[index] == name else None

    def _set(self, name: S3Object) -> None:
        index = self._position(name)
        if index is not None:
            self._bits[index // 8] |= 1 << index % 8

    def _is_set(self, bits: bytes | bytearray, name: S3Object) -> bool:
        index = self._position(name)
        return index is not None and bool(bits[index // 8] >> index % 8 & 1)


def _covers(pattern: S3Object, obj: S3Object) -> bool:
    return pattern.bucket == obj.bucket and matches(pattern.key, obj.key)
