"""What the disk of the worker refuses, which is no fault of a report."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager

from airflow_provider_crr.errors import CrrError

#: No room, no quota, larger than the limit of the process.
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
#: How the system calls what it refuses: DuckDB hands it on in words only.
_WORDS = {
    os.strerror(code): code
    for code in (
        *_FULL, errno.EACCES, errno.EPERM, errno.EROFS, errno.EIO, errno.EMFILE, errno.ENFILE, errno.ENOENT,
        errno.ENOTDIR, errno.ENOMEM, errno.ESTALE, errno.ENODEV, errno.ENXIO, errno.ENAMETOOLONG,
    )
}  # fmt: skip


@contextmanager
def disk_errors(uri: str | None = None) -> Iterator[None]:
    """
    Raise what the file system raises as an error of this provider, with the original as its cause.

    :param uri: what was to be written down.
    :raises CrrError: for an OSError.
    """
    try:
        yield
    except OSError as error:
        raise refused(error.errno, str(error), uri) from error


def refused(code: int | None, said: str, uri: str | None) -> CrrError:
    """Return the error for what the file system refused, by its number; ``said`` is told."""
    if code in _FULL:
        return CrrError(f"the disk is full: {said}", uri=uri, remedy="Give a work_dir with more room")
    return CrrError(
        f"temporary files cannot be written or read: {said}",
        uri=uri,
        remedy="Give a work_dir that is there, and that the worker may write to",
    )


def code_in(text: str) -> int | None:
    """Return the number of the system's error that a text names; None if it names none."""
    return next((code for words, code in _WORDS.items() if words in text), None)
