"""A directory for temporary files, under a name that says nothing."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import os
import re
import shutil
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from airflow_provider_crr.errors import CrrError, InvalidArgument
from airflow_provider_crr.inventory.disk_errors import refused

#: Where Linux shows what a process has opened.
_OPENED = Path("/proc/self/fd")
#: Where Linux has what it is called from one start to the next.
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


@contextmanager
def workspace(parent: Path | str | None) -> Iterator[tuple[Path, str]]:
    """
    Make a directory, and remove it with all that is in it, and those of processes that were killed.

    A reader may find more in a path than a place: ``key=x`` is a column to DuckDB, ``[`` and ``*`` are a pattern, a
    leading ``~`` is a home, ``s3://`` another file system. The name of the directory is ours, those above it are not:
    so the directory is opened, and what reads by name is given the number that it is open under.

    The directory is locked as long as it is in use. A lock ends with its process, however that ends: what lies there
    without one was left behind. Network file systems keep the lock of a directory to the machine, so its name says of
    which machine it is, and only that one removes it.

    :param parent: where to make it; None for the system's place.
    :returns: the directory, and the name that readers are given.
    :raises InvalidArgument: where there are no such numbers, and the path is none that DuckDB would take literally.
    :raises CrrError: if it cannot be made.
    """
    directory, opened = _made(parent)
    try:
        _remove_left(directory.parent)
        if _OPENED.is_dir():
            yield directory, str(_OPENED / str(opened))
            return
        if set("*?[\\") & set(str(directory)):  # macOS
            raise InvalidArgument(
                f"temporary files cannot be in {directory}: DuckDB takes it for a pattern",
                remedy="Give a work_dir whose name has no *, ?, [ or backslash",
            )
        yield directory, str(directory)
    finally:
        shutil.rmtree(directory, ignore_errors=True)
        os.close(opened)


def _made(parent: Path | str | None) -> tuple[Path, int]:
    while True:
        try:
            where = parent or tempfile.gettempdir()
            directory = Path(tempfile.mkdtemp(prefix=_prefix(), dir=where)).absolute()
        except OSError as error:
            raise _not_made(error) from error
        try:
            opened = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
        except FileNotFoundError:  # somebody took it for left behind
            continue
        except OSError as error:
            raise _not_made(error) from error
        if _lock(opened) is not False and _is(directory, opened):
            return directory, opened
        os.close(opened)


@cache
def _prefix() -> str:
    try:
        machine = _BOOT_ID.read_text()
    except OSError:  # macOS
        machine = socket.gethostname()
    return f"crr-inventory-{hashlib.sha256(machine.encode()).hexdigest()[:8]}-"


def _is(directory: Path, opened: int) -> bool:
    try:
        return os.path.samestat(directory.stat(), os.fstat(opened))
    except OSError:
        return False


def _not_made(error: OSError) -> CrrError:
    return refused(error.errno, str(error), None)


def _lock(opened: int) -> bool | None:
    """Lock an open directory; False if another process has, None where the file system knows no such locks."""
    try:
        fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        return False if error.errno == errno.EWOULDBLOCK else None
    return True


def _remove_left(parent: Path) -> None:
    """Remove what processes that were killed left behind, as far as it is ours."""
    try:
        ours = re.compile(re.escape(_prefix()) + "[a-z0-9_]{8}")  # as mkdtemp names them
        names = [name for name in os.listdir(parent) if ours.fullmatch(name)]
    except OSError:  # it may be one that we may write to, and not list
        return
    for name in names:
        with contextlib.suppress(OSError):
            opened = os.open(parent / name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
            try:
                if os.fstat(opened).st_uid == os.geteuid() and _lock(opened):
                    shutil.rmtree(parent / name, ignore_errors=True)
            finally:
                os.close(opened)
