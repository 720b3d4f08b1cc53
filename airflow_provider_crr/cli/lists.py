"""
Lists of objects as people have them: the lines of standard input, and hints for a line that names no object.

A byte-order mark is skipped. If the first two lines end in CR LF, Windows wrote the list, and all others must end so,
too. If only one of them does, its carriage return is part of a key, which S3 allows.
"""

from __future__ import annotations

import codecs
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import chain, islice
from typing import TextIO

from airflow_provider_crr.errors import InvalidArgument
from airflow_provider_crr.replication.hints import Look
from airflow_provider_crr.replication.hints import looks_like as looks_of_key
from airflow_provider_crr.s3.objects import S3Object, is_s3_uri
from airflow_provider_crr.s3.patterns import first_special
from airflow_provider_crr.text.legible import shortened

#: What a line may be, for messages.
TAKEN = 'One object a line, UTF-8, without quotes: s3://bucket/key, or JSON: {"bucket": ..., "key": ...}'
_CRLF = b"\r\n"
#: Longest line that is read, in bytes: more than any object takes, in JSON too. A file may be one endless line.
LONGEST = 1_000_000
#: How many characters of a line a message quotes.
_QUOTED = 200
#: The beginning of a second URI in a line.
_NEXT_URI = re.compile(r"[\s,;]s3[an]?://", re.IGNORECASE)
#: What a line that names no object seems to be. The first pattern that matches decides.
_LOOKS = (
    (re.compile(r"""["'`\u2018\u201c].*[,;\t]"""), "it is a row of a table (CSV)"),
    (re.compile(r"""["'`\u2018\u201c]"""), "it is in quotes"),
    (re.compile(r"https?:/", re.IGNORECASE), "it is a web address, in which the key is encoded"),
    (re.compile(r"\["), "it is a JSON array"),
    (re.compile(r"\s"), "it begins with a space"),
    (re.compile(r"(?!arn:|s3:)[^/]*[,;\t]", re.IGNORECASE), "it is a row of a table (CSV)"),
    (re.compile(r"\d{4}-\d\d-\d\d[ T]"), "it is a line of `aws s3 ls`"),
)


def lines(stream: Iterable[bytes]) -> Iterator[tuple[int, str]]:
    """
    Yield number and text of each line that is not empty, as they arrive.

    :param stream: lines as bytes. In text mode Python would end a line at a carriage return, which a key may have.
    :raises InvalidArgument: for UTF-16, and for a line that ends in LF after lines that ended in CR LF.
    """
    every = iter(stream)
    first = list(islice(every, 2))
    ended = [line for line in first if line.endswith(b"\n")]
    of_windows = bool(ended) and all(line.endswith(_CRLF) for line in ended)
    for number, line in enumerate(chain(first, every), 1):
        if of_windows and line.endswith(b"\n") and not line.endswith(_CRLF):
            raise _bad_end(number, line)
        text = _text(number, line.removesuffix(_CRLF if of_windows else b"\n"))
        if text:
            yield number, text


def refuse_several(text: str) -> None:
    """
    Refuse several URIs in the place of one, such as all lines of a list whose lines end in CR alone.

    :param text: a line, or an argument.
    :raises InvalidArgument: if it has several.
    """
    if is_s3_uri(text) and _NEXT_URI.search(text):
        raise InvalidArgument(
            "there are several URIs in one",
            uri=shortened(text, _QUOTED),
            remedy="Give each its own line or argument; a key that really has s3:// in it goes into JSON",
        )


def refused(text: str, error: InvalidArgument, number: int | None = None) -> InvalidArgument:
    """
    Return an error for a text that names no object, which also says what the text seems to be.

    :param text: the text.
    :param error: the error that it gave.
    :param number: the number of its line in standard input; None for an argument.
    """
    looks = looks_like(text)
    where = "" if number is None else f"line {number} of standard input: "
    quoted = shortened(text, _QUOTED)
    if looks:
        return InvalidArgument(f"{where}{quoted}: {looks}", remedy=TAKEN)
    if number is None:
        return error
    of_key = is_s3_uri(text) or text.startswith("{")
    remedy = f"{error.remedy}. {TAKEN}" if of_key and error.remedy else TAKEN
    return InvalidArgument(f"{where}{error.message}; the line is {quoted}", uri=error.uri, remedy=remedy)


def looks_like(text: str) -> str:
    """Return what a text seems to be that is neither an S3 URI nor JSON; ``""`` if that is not known."""
    if is_s3_uri(text) or text.startswith("{"):
        return ""
    return next((name for form, name in _LOOKS if form.match(text)), "")


class Lookalikes:
    """
    Says of which lines it is probably a mistake that they are keys: of each kind once, and at the end how many more.

    :param stream: where it is said.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._counts: Counter[str] = Counter()

    def note(self, obj: S3Object, number: int) -> None:
        """
        Look at one line.

        :param obj: the object that it names.
        :param number: its number.
        """
        look = looks_of_key(obj) or next((name for name, form in _ODD.items() if form.search(obj.key)), None)
        if look is None:
            return
        self._counts[look] += 1
        if self._counts[look] == 1:
            said = _LOOKALIKES[look].format(special=first_special(obj.key))
            self._stream.write(f"line {number} of standard input: {shortened(str(obj), _QUOTED)}: {said}\n")

    def end(self) -> None:
        """Say how many lines are like those that were named."""
        for look, count in self._counts.items():
            if count > 1:
                self._stream.write(f"{count - 1:,} more lines look like a {look}, and are taken as keys, too\n")


#: What is in few keys: a carriage return at the end, and what is between the columns of a table.
_ODD = {"line of Windows": re.compile(r"\r\Z"), "row of a table": re.compile(r"""\t|[,;]["']""")}
_LOOKALIKES: dict[str, str] = {
    "line of Windows": "the first two lines do not both end in CR LF, so this carriage return is part of the key",
    "row of a table": "lines are keys, so all after the bucket is one. Of a table, give the column with the URIs alone",
    Look.PATTERN: "lines are keys, so {special} is part of it. Give a pattern as an argument",
    Look.FOLDER: "lines are keys, so this is the marker of a folder. Give a folder as an argument",
    Look.VERSION: 'lines are keys, so ?versionId= is part of it. Name a version in JSON: {{"bucket": ..., "key": ...,'
    ' "version_id": ...}}',
}


def _text(number: int, line: bytes) -> str:
    if code := _wide(line):
        # Only one of the bytes of the line end was taken off.
        shown = line.decode(code, errors="ignore").removeprefix("\ufeff").rstrip("\r")
        name = code[:6].upper()
        raise InvalidArgument(
            f"line {number} of standard input: {shortened(shown, _QUOTED)}: it is {name}",
            remedy=f"{TAKEN}. In PowerShell: Out-File -Encoding utf8; elsewhere: iconv -f {name} -t UTF-8",
        )
    return line.removeprefix(codecs.BOM_UTF8).decode(errors="surrogateescape")


def _wide(line: bytes) -> str:
    """
    Return the encoding of a line whose characters have two bytes or four; "" for any other.

    There may be no byte-order mark. ASCII letters then have NULs beside them, which no key can have.
    """
    if line.startswith((codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)) or line[:4].count(0) == 3:
        return "utf-32-be" if line[:1] == b"\0" else "utf-32-le"
    if line.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) or line[:2].count(0) == 1:
        return "utf-16-be" if line.startswith(codecs.BOM_UTF16_BE) or line[:1] == b"\0" else "utf-16-le"
    return ""


def _bad_end(number: int, line: bytes) -> InvalidArgument:
    shown = shortened(line.removesuffix(b"\n").decode(errors="replace"), _QUOTED)
    return InvalidArgument(
        f"line {number} of standard input: {shown}: it ends in LF, and the first lines in CR LF",
        remedy=f"End all lines alike; a key with a carriage return goes into JSON. {TAKEN}",
    )
