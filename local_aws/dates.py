"""
Objects that were written some time ago.

S3 dates an object when it is written, and nobody can change that. What is about old objects needs some, today.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta


def date_back(seconds: float) -> None:
    """Let MiniStack date what is written from now on as if it was written some seconds before."""
    from ministack.services import s3

    def now_iso() -> str:
        now = datetime.now(UTC) - timedelta(seconds=seconds)
        return now.isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"

    s3.now_iso = now_iso
