"""The rows of a CSV file that somebody else wrote, each of bounded length."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator

#: Characters of a row, far more than bucket, key, version and a message have: a file may be one endless row.
LONGEST_ROW = 100_000


def rows(lines: Iterable[str], *, strict: bool = False) -> Iterator[list[str]]:
    """
    Yield the rows, as :func:`csv.reader` does.

    :param lines: the lines of the file. One that is longer than a row may be is best given in parts.
    :param strict: whether quotes must be where RFC 4180 has them.
    :raises csv.Error: for what is no row, or one of more than :data:`LONGEST_ROW` characters.
    """
    length = 0

    def counted() -> Iterator[str]:
        nonlocal length
        for line in lines:
            length += len(line)
            if length >= LONGEST_ROW:
                raise csv.Error("no row of S3's is that long")
            yield line

    for row in csv.reader(counted(), strict=strict):  # with line breaks between quotes, a row has several lines
        length = 0
        yield row
