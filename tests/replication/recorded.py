"""What real stores answered, as it was recorded: see the README beside the answers."""

from __future__ import annotations

from pathlib import Path

from tests.support.s3_server import Answer

ANSWERS = Path(__file__).parent / "answers"


def text(name: str) -> str:
    """Return a recorded answer, such as ``"minio/failed.txt"``."""
    return (ANSWERS / name).read_text()


def head(name: str) -> tuple[int, dict[str, str]]:
    """Return HTTP status and headers of a recorded HEAD, names in lower case."""
    line, *lines = text(f"{name}.txt").splitlines()
    return int(line.split()[1]), {field.lower(): value for field, _, value in (each.partition(": ") for each in lines)}


def sent(name: str) -> Answer:
    """Return the answer with which a scripted server says the same, byte by byte."""
    return Answer(raw=text(f"{name}.txt").rstrip("\n").replace("\n", "\r\n").encode() + b"\r\n\r\n")
