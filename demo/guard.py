"""
A guard: a process that ends what another process has started, if that one is killed before it can do so itself.

Python runs no cleanup after SIGKILL. The guard is a process of its own, which notices that its owner is gone.
``python -m demo.guard OWNER FOLDER`` is that process; :class:`Guard` is how its owner talks to it.
"""

from __future__ import annotations

import contextlib
import os
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import psutil

_REPOSITORY = Path(__file__).resolve().parent.parent


class Guard:
    """
    The guard of the processes that this one starts.

    :param folder: a folder that is deleted, too, if this process is killed; None deletes nothing.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "demo.guard", str(os.getpid()), *([str(folder)] if folder else [])],
            stdin=subprocess.PIPE,
            cwd=_REPOSITORY,
            start_new_session=True,  # so that Ctrl-C does not reach it
        )

    def watch(self, session: int) -> None:
        """Guard a session: all processes that descend from its leader, whatever group they are in."""
        self._say(f"+{session}")

    def forget(self, session: int) -> None:
        """Guard a session no longer: it has ended, and its number may be given to another."""
        self._say(f"-{session}")

    def close(self) -> None:
        """End the guard. What it still guards, it ends first; so its folder is deleted."""
        assert self._process.stdin
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()
        self._process.wait()

    def _say(self, word: str) -> None:
        assert self._process.stdin
        with contextlib.suppress(BrokenPipeError):  # somebody has ended the guard: what it guards goes on
            self._process.stdin.write(f"{word}\n".encode())
            self._process.stdin.flush()


def end_session(session: int) -> None:
    """
    End with SIGKILL every process of a session.

    A process group would not do: Airflow gives each task that runs a group of its own.
    """
    while found := list(_alive(session)):
        for pid in found:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.01)  # until the system has ended them, and those that they forked meanwhile


def _alive(session: int) -> Iterator[int]:
    for pid in psutil.pids():
        # Those of another user, and those that have just ended.
        with contextlib.suppress(OSError, psutil.Error):
            if os.getsid(pid) == session and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
                yield pid


def _words(owner: int, heard: IO[bytes]) -> Iterator[str]:
    """Yield what the owner says until it is gone; a process that it forked may still hold the other end of the pipe."""
    rest = b""
    while True:
        gone = os.getppid() != owner  # what it has said until now is still to be read
        readable, _, _ = select.select([heard], [], [], 0 if gone else 0.5)
        read = os.read(heard.fileno(), 4096) if readable else b""
        if (readable or gone) and not read:
            return
        *lines, rest = (rest + read).split(b"\n")
        yield from (line.decode() for line in lines)


def main(owner: str, folder: str = "") -> None:
    """Listen until the owner is gone, then end what it has left."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    guarded: set[int] = set()
    for word in _words(int(owner), sys.stdin.buffer):
        session = int(word[1:])
        guarded.add(session) if word.startswith("+") else guarded.discard(session)
    for session in guarded:
        end_session(session)
    if folder:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
