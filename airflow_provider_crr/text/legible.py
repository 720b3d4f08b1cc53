"""
Text that somebody else wrote, made safe to show: all of it can be seen, and it changes nothing around it.

What S3, a store, a proxy or a library said goes through :func:`told` before it becomes part of a message, an event or
an XCom. It is then one line of at most :data:`MAX_TOLD` characters, without the name and password of a URL.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

#: Controls, formats (bidirectional overrides, zero-width), surrogates, private use, unassigned, and the
#: separators that are no plain space.
_UNSEEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp", "Zs"})
#: Most combining marks in a row that are shown as they are. Writing needs no more; more cover the neighbouring lines.
_MARKS_IN_A_ROW = 3
_MARKS = frozenset({"Mn", "Me"})
#: Plain spaces that a reader or a browser would lose.
_LOST_SPACE = re.compile(r"^ +| +$| {2,}")
_PRINTABLE_ASCII = re.compile(r"[!-~]+(?: [!-~]+)*")
#: Longest text of somebody else's in a message, in characters.
MAX_TOLD = 500
#: Longest message as a whole, in characters: it may name ten objects, each with its reason.
MAX_MESSAGE = 16_000
#: Of a very long text only so many times the characters that are shown are processed.
_LOOKED_AT = 4
#: Name and password in a URL (RFC 3986, 3.2.1), also with a "/" or "@" in them that should have been encoded. Instead
#: of a scheme there may be what botocore writes before a URL that has none.
_USERINFO = re.compile(
    r"""((?:\b(?:https?|socks[0-9a-z]*)://|\bInvalid endpoint: (?![a-z]+://))["']?)"""
    r"""(?:[^\s/?#<>]{0,1000}@|[^\s/?#<>"':@]{0,1000}:[^\s<>"']{0,1000}@)""",
    re.IGNORECASE,
)
#: What urllib3 quotes of a URL that it cannot read: also a name with half a password, where that has a "#" or a "/".
_UNREAD = re.compile(r"(Failed to parse: ).*?(?= is not a valid host or port|$)", re.MULTILINE)
_WORD = re.compile(r"\S*")


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
    return _without_middle(legible(_looked_at(text, longest)), longest)


def told(text: object, longest: int = MAX_TOLD) -> str:
    """
    Return what somebody else said, fit for a message: one line, legible, bounded, without a password.

    :param text: the text, or an exception that has it.
    :param longest: most characters of the answer; the middle of a longer text is left out.
    """
    said = mask_userinfo(_looked_at(str(text), longest))
    return shortened(" ".join(said.split()), longest)


def message(text: str) -> str:
    """
    Return a message as it may be shown, whatever went into it: its lines stay, and so do its spaces.

    :param text: the message; of one that is longer than :data:`MAX_MESSAGE` characters the middle is left out.
    """
    lines = mask_userinfo(_looked_at(text, MAX_MESSAGE)).split("\n")
    return _without_middle("\n".join(map(_line, lines)), MAX_MESSAGE)


def mask_userinfo(text: str) -> str:
    """Return the text with ``***`` in the place of each name and password in a URL, and of a URL that was not read."""
    masked = _USERINFO.sub(r"\1***@", text) if "@" in text else text
    return _UNREAD.sub(r"\1***", masked)


def _looked_at(text: str, longest: int) -> str:
    """Return the parts of a text that matter if at most ``longest`` characters of it are shown."""
    if len(text) <= _LOOKED_AT * longest:
        return text
    # If the cut goes through a URL, the "@" by which its password is recognized may be lost.
    head, tail = text[: 2 * longest], text[-2 * longest :]
    broken = head.split(" ")[-1].split("\n")[-1]
    if "://" in broken:
        head = head[: head.rindex("://") + 3]
    rest = _WORD.match(tail)
    return f"{head}…{tail[tail.rfind('@', 0, rest.end() if rest else 0) + 1 :]}"


def _without_middle(text: str, longest: int) -> str:
    if len(text) <= longest:
        return text
    head = (longest - 1) * 2 // 3
    return f"{text[:head]}…{text[head + 1 - longest :]}"


def _line(text: str) -> str:
    if text.isascii() and text.isprintable():
        return text
    unseen = zip(text, _unseen(text, of_spaces=False), strict=True)
    return "".join(f"[U+{ord(character):04X}]" if is_unseen else character for character, is_unseen in unseen)


def _unseen(text: str, *, of_spaces: bool = True) -> list[bool]:
    lost = {index for match in _LOST_SPACE.finditer(text) if of_spaces for index in range(*match.span())}
    answer: list[bool] = []
    marks = 0
    for index, character in enumerate(text):
        category = unicodedata.category(character)
        marks = marks + 1 if category in _MARKS else 0
        hidden = category in _UNSEEN and character != " "
        answer.append(hidden or index in lost or marks > _MARKS_IN_A_ROW)
    return answer
