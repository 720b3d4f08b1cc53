"""
The text of a CSV data file: it is unpacked in bounded memory, and its lines or records are counted.

The quotes are those of `RFC 4180 <https://www.rfc-editor.org/rfc/rfc4180>`__; a record ends with LF, as S3 writes it.
"""

from __future__ import annotations

import codecs
import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from airflow_provider_crr.errors import InventoryFileInvalid, OutOfMemory
from airflow_provider_crr.inventory.manifest import NAME_ANOTHER

#: The most bytes of a record, with the line breaks in its fields. S3's longest has about 25 kB: a key of 1,024 bytes,
#: each written as three, and an ObjectAccessControlList of 100 grants in base64.
MAX_RECORD_BYTES = 2_000_000
#: Every file may unpack to so many bytes; see :func:`most_unpacked`.
MAX_UNPACKED_BYTES = 256 * 1024**2
#: How much is unpacked at a time, since 2 MB may unpack to 2 GB.
_PIECE_BYTES = 256 * 1024
#: How much is read at a time to count records.
_BLOCK_BYTES = 4 * 1024 * 1024


class Gunzip:
    """
    Unpacks one gzip file of text, which may have several members.

    An error is kept until :meth:`finish`, so that the MD5 of the file can be checked first.

    :param uri: S3 URI of the file, for messages.
    :param size: bytes of the packed file, which bound the unpacked one; see :func:`most_unpacked`.
    """

    def __init__(self, uri: str, size: int = 0) -> None:
        self._uri = uri
        self._most = most_unpacked(size)
        self._unpacked = 0
        self._error: Exception | None = None
        self._decompressor = _gzip_decompressor()
        self._text = _Lines()

    @property
    def lines(self) -> int:
        """How many lines were unpacked. There may be fewer records, because a field can have line breaks."""
        return self._text.ended

    def unpack(self, data: bytes) -> Iterator[bytes]:
        """Unpack the next bytes of the file, and yield the result in pieces."""
        while data and not self._error:
            try:
                if self._decompressor.eof:
                    self._decompressor = _gzip_decompressor()
                piece = self._decompressor.decompress(data, _PIECE_BYTES)
                while piece:
                    self._unpacked += len(piece)
                    if self._unpacked > self._most:
                        raise ValueError(f"it unpacks to more than {self._most} bytes")
                    self._text.add(piece)
                    yield piece
                    # A full piece may not be all: the decompressor can have more, even without further input.
                    more = self._decompressor.unconsumed_tail
                    full = len(piece) == _PIECE_BYTES
                    piece = self._decompressor.decompress(more, _PIECE_BYTES) if more or full else b""
                data = self._decompressor.unused_data
            except MemoryError as error:
                raise OutOfMemory(
                    "there is no memory to unpack the file", uri=self._uri, remedy="Give the worker more memory"
                ) from error
            except Exception as error:  # isal's error has no class of its own
                self._error = error

    def finish(self) -> None:
        """Raise the error of the file, if it has one."""
        if not self._error and self._decompressor.eof:
            try:
                self._text.finish()
            except ValueError as error:
                self._error = error
        if isinstance(self._error, ValueError):
            raise InventoryFileInvalid(
                f"not as S3 writes CSV: {self._error}", uri=self._uri, remedy=NAME_ANOTHER
            ) from self._error
        if self._error or not self._decompressor.eof:
            reason = self._error or "it ends too early"
            raise InventoryFileInvalid(
                f"not a whole gzip file: {reason}", uri=self._uri, remedy=NAME_ANOTHER
            ) from self._error


def most_unpacked(size: int) -> int:
    """
    Return how many bytes a file may unpack to.

    This is the largest of 256 MiB, 100 times its size but at most 1 GiB, and 16 times its size. S3's full files have
    90 MB, and 3 to 4 times that unpacked. It can be 60 times for long keys that are much alike, and a thousand times at
    most, which is what gzip can do.

    :param size: bytes of the packed file.
    """
    return max(MAX_UNPACKED_BYTES, min(100 * size, 1024**3), 16 * size)


def _gzip_decompressor() -> Any:
    # It takes half the processor time of zlib (measured). Imported here, because parsing a DAG does not need it.
    from isal import isal_zlib

    return isal_zlib.decompressobj(wbits=31)


class _Lines:
    """The lines of a text that arrives in pieces. A ValueError names a line that S3 would not have written."""

    def __init__(self) -> None:
        self.ended = 0
        self._open = 0  # bytes since the last line break
        self._utf8 = codecs.getincrementaldecoder("utf-8")()

    def add(self, piece: bytes) -> None:
        # Keys are URL-encoded and all other columns are ASCII, so hardly any piece needs to be decoded.
        if not piece.isascii() or self._utf8.getstate()[0]:
            try:
                self._utf8.decode(piece)
            except UnicodeDecodeError as error:
                raise self._wrong(piece.count(b"\n", 0, error.start), "is not UTF-8") from error
        first = piece.find(b"\n")
        if self._open + (len(piece) if first < 0 else first) > MAX_RECORD_BYTES:
            raise self._wrong(0, f"has more than {MAX_RECORD_BYTES} bytes")
        self._open = self._open + len(piece) if first < 0 else len(piece) - piece.rfind(b"\n") - 1
        # It takes half the time of bytes.count (measured).
        self.ended += len(io.BytesIO(piece).readlines()) - (not piece.endswith(b"\n"))

    def finish(self) -> None:
        # If the text was cut off between quotes, nothing else would show it.
        if self._open:
            raise self._wrong(0, "does not end: S3 ends each with a line break")

    def _wrong(self, lines: int, what: str) -> ValueError:
        return ValueError(f"Line: {self.ended + lines + 1} {what}")


def count_records(path: Path, columns: int, uri: str) -> int:
    """
    Return how many records a file has, by RFC 4180.

    It is slow, and needed only if some values are not in quotes or have quotes or line breaks inside.

    :param path: the unpacked file.
    :param columns: how many fields each record has.
    :param uri: its S3 URI, for messages.
    :raises InventoryFileInvalid: if something in the file is not such a record.
    """
    field = rb'(?:"(?:[^"]++|"")*+"|[^",\r\n\0]*+)'
    record = re.compile(field + rb"(?:,%b){%d}\n" % (field, columns - 1))
    records, lines, buffer = 0, 0, b""
    with path.open("rb") as text:
        while block := text.read(_BLOCK_BYTES):
            buffer += block
            position = 0
            while (found := record.match(buffer, position)) and found.end() - position <= MAX_RECORD_BYTES:
                records += 1
                position = found.end()
            lines += buffer.count(b"\n", 0, position)
            buffer = buffer[position:]
            if len(buffer) > MAX_RECORD_BYTES:
                break
    if buffer:
        raise InventoryFileInvalid(
            f"not as S3 writes CSV: Line: {lines + 1} does not begin a record of {columns} fields",
            uri=uri,
            remedy=NAME_ANOTHER,
        )
    return records
