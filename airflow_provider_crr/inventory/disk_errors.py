"""Errors of the worker's disk, which are no fault of a report."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager

from airflow_provider_crr.errors import CrrError, DiskFull, of_disk

#: The system's words for its errors, and their numbers: DuckDB's exceptions have the words only.
_WORDS = {
    os.strerror(code): code
    for code in (
        errno.ENOSPC, errno.EDQUOT, errno.EFBIG,
        errno.EACCES, errno.EPERM, errno.EROFS, errno.EIO, errno.EMFILE, errno.ENFILE, errno.ENOENT,
        errno.ENOTDIR, errno.ENOMEM, errno.ESTALE, errno.ENODEV, errno.ENXIO, errno.ENAMETOOLONG,
    )
}  # fmt: skip


@contextmanager
def disk_errors(uri: str | None = None) -> Iterator[None]:
    """
    Turn an OSError of the block into an error of this provider; the original is its cause.

    :param uri: what was to be written, or None.
    :raises DiskFull: if there is no room.
    :raises CrrError: for any other OSError.
    """
    try:
        yield
    except OSError as error:
        raise refused(error.errno, str(error), uri) from error


def refused(code: int | None, said: str, uri: str | None) -> CrrError:
    """
    Return the error for a temporary file that the disk refused.

    :param code: number of the system's error.
    :param said: the error in words.
    :param uri: what was to be written, or None.
    """
    if of_disk(code) is DiskFull:
        return DiskFull(f"the disk is full: {said}", uri=uri, remedy="Give a work_dir, or a TMPDIR, with more room")
    return CrrError(
        f"temporary files cannot be written or read: {said}",
        uri=uri,
        remedy="Give a work_dir, or a TMPDIR, that is there, and that the worker may write to",
    )


def code_in(text: str) -> int | None:
    """Return the number of the system's error that a text quotes; None if it quotes none."""
    return next((code for words, code in _WORDS.items() if words in text), None)
