"""A directory for temporary files, whose name means nothing to DuckDB."""

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

#: Where Linux lists the open files of a process.
_OPENED = Path("/proc/self/fd")
#: Where Linux has the id of its current boot.
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


@contextmanager
def workspace(parent: Path | str | None) -> Iterator[tuple[Path, str]]:
    """
    Make a directory for the time of the block. Directories that killed processes left in the same place are removed.

    DuckDB reads more from a path than a place: ``key=x`` is a column, ``[`` and ``*`` are a pattern, a leading ``~`` is
    a home, ``s3://`` is another file system. This provider names the directory, but not those above it. So it opens the
    directory, and DuckDB is given the number of the open file (``/proc/self/fd/<number>``).

    The directory is locked as long as it is in use. A lock ends with its process, so a directory without one was left
    behind. On network file systems other machines do not see the lock of a directory. So its name tells which machine
    made it, and only that machine removes it.

    :param parent: where to make it; None for the system's place for temporary files.
    :returns: the directory, and its name for DuckDB.
    :raises InvalidArgument: if the system does not have such numbers, and DuckDB would take the path for a pattern.
    :raises DiskFull: if there is no room.
    :raises CrrError: if it cannot be made for another reason.
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
        except FileNotFoundError:  # another process took it for one that was left behind
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
    """Lock an open directory. Return False if another process has locked it, None if the file system has no locks."""
    try:
        fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        return False if error.errno == errno.EWOULDBLOCK else None
    return True


def _remove_left(parent: Path) -> None:
    """Remove the directories that killed processes of this user and this machine left behind."""
    try:
        ours = re.compile(re.escape(_prefix()) + "[a-z0-9_]{8}")  # as mkdtemp names them
        names = [name for name in os.listdir(parent) if ours.fullmatch(name)]
    except OSError:  # it may be allowed to write to it, but not to list it
        return
    for name in names:
        with contextlib.suppress(OSError):
            opened = os.open(parent / name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
            try:
                if os.fstat(opened).st_uid == os.geteuid() and _lock(opened):
                    shutil.rmtree(parent / name, ignore_errors=True)
            finally:
                os.close(opened)
