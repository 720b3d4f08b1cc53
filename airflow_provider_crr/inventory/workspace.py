"""A directory for temporary files, under a name that says nothing."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from airflow_provider_crr.errors import CrrError, InvalidArgument
from airflow_provider_crr.inventory.disk import refused

#: Where Linux shows what a process has opened.
_OPENED = Path("/proc/self/fd")
#: What the names of the directories begin with.
_NAME = "crr-inventory-"


@contextmanager
def workspace(parent: Path | str | None) -> Iterator[tuple[Path, str]]:
    """
    Make a directory, and remove it with all that is in it, and those of processes that were killed.

    A reader may find more in a path than a place: ``key=x`` is a column to DuckDB, ``[`` and ``*`` are a pattern, a
    leading ``~`` is a home, ``s3://`` another file system. The name of the directory is ours, those above it are not:
    so the directory is opened, and what reads by name is given the number that it is open under.

    The directory is locked as long as it is in use. A lock ends with its process, however that ends: what lies there
    without one was left behind.

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
            directory = Path(tempfile.mkdtemp(prefix=_NAME, dir=parent)).absolute()
            opened = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
        except FileNotFoundError as error:
            if Path(parent or tempfile.gettempdir()).is_dir():  # somebody took it for left behind
                continue
            raise _not_made(error) from error
        except OSError as error:
            raise _not_made(error) from error
        if _lock(opened) is not False and _is(directory, opened):
            return directory, opened
        os.close(opened)


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
        return False if error.errno in (errno.EWOULDBLOCK, errno.EACCES) else None
    return True


def _remove_left(parent: Path) -> None:
    """Remove what processes that were killed left behind, as far as it is ours."""
    try:
        names = [name for name in os.listdir(parent) if name.startswith(_NAME)]
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
