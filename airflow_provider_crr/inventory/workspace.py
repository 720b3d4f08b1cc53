"""A directory for temporary files, under a name that says nothing."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from airflow_provider_crr.errors import InvalidArgument

#: Where Linux shows what a process has opened.
_OPENED = Path("/proc/self/fd")


@contextmanager
def workspace(parent: Path | str | None) -> Iterator[tuple[Path, str]]:
    """
    Make a directory, and remove it with all that is in it.

    A reader may find more in a path than a place: ``key=x`` is a column to DuckDB, ``[`` and ``*`` are a pattern, a
    leading ``~`` is a home, ``s3://`` another file system. The name of the directory is ours, those above it are not:
    so the directory is opened, and what reads by name is given the number that it is open under.

    :param parent: where to make it; None for the system's place.
    :returns: the directory, and the name that readers are given.
    :raises InvalidArgument: where there are no such numbers, and the path is none that DuckDB would take literally.
    """
    with tempfile.TemporaryDirectory(prefix="inventory-", dir=parent) as name:
        directory = Path(name).absolute()
        if not _OPENED.is_dir():  # macOS
            if set("*?[\\") & set(str(directory)):
                raise InvalidArgument(
                    f"temporary files cannot be in {directory}: DuckDB takes it for a pattern",
                    remedy="Give a work_dir whose name has no *, ?, [ or backslash",
                )
            yield directory, str(directory)
            return
        opened = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
        try:
            yield directory, str(_OPENED / str(opened))
        finally:
            os.close(opened)
