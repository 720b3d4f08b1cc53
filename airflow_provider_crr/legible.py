"""Text that strangers chose, made legible: everything in it can be seen, nothing in it acts on its surroundings."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

#: Controls, formats (bidirectional overrides, zero-width), surrogates, private use, unassigned, and the
#: separators that are no plain space.
_UNSEEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp", "Zs"})
#: So many combining marks in a row are writing; more are a tower over the neighbouring lines.
_MARKS_IN_A_ROW = 3
_MARKS = frozenset({"Mn", "Me"})
#: Plain spaces that a reader or a browser would lose.
_LOST_SPACE = re.compile(r"^ +| +$| {2,}")
_PRINTABLE_ASCII = re.compile(r"[!-~]+(?: [!-~]+)*")


def pieces(text: str) -> Iterator[tuple[str, bool]]:
    """
    Yield the text in pieces: ``(as it is, False)`` or ``("U+202E U+0007", True)`` for what cannot be seen.

    :param text: a key, a prefix, a URI, or anything else that came out of a report.
    """
    if _PRINTABLE_ASCII.fullmatch(text):
        yield text, False
        return
    seen: list[str] = []
    unseen: list[str] = []
    for character, is_unseen in zip(text, _unseen(text), strict=True):
        if is_unseen:
            if seen:
                yield "".join(seen), False
                seen = []
            unseen.append(f"U+{ord(character):04X}")
        else:
            if unseen:
                yield " ".join(unseen), True
                unseen = []
            seen.append(character)
    if seen:
        yield "".join(seen), False
    if unseen:
        yield " ".join(unseen), True


def legible(text: str) -> str:
    """Return the text with what cannot be seen spelled out in brackets: ``invoice[U+202E]fdp.exe``."""
    return "".join(f"[{piece}]" if is_unseen else piece for piece, is_unseen in pieces(text))


def shortened(text: str, longest: int = 100) -> str:
    """Return legible text of at most ``longest`` characters, the middle left out."""
    shown = legible(text)
    if len(shown) <= longest:
        return shown
    head = (longest - 1) * 2 // 3
    return f"{shown[:head]}…{shown[head + 1 - longest :]}"


def _unseen(text: str) -> list[bool]:
    lost = {index for match in _LOST_SPACE.finditer(text) for index in range(*match.span())}
    answer: list[bool] = []
    marks = 0
    for index, character in enumerate(text):
        category = unicodedata.category(character)
        marks = marks + 1 if category in _MARKS else 0
        hidden = category in _UNSEEN and character != " "
        answer.append(hidden or index in lost or marks > _MARKS_IN_A_ROW)
    return answer
