"""What a process has started ends with it, however it ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from demo.guard import end_session
from tests.support.polling import until

ROOT = Path(__file__).resolve().parents[2]
#: Starts a child that sleeps, which is the leader of a session, with a child of its own in another process group.
CHILD = """
import os, time
if os.fork() == 0:
    os.setpgid(0, 0)
os.write(1, f"{os.getpid()}\\n".encode())
time.sleep(600)
"""
OWNER = f"""
import pathlib, subprocess, sys, time
from demo.guard import Guard
guard = Guard(pathlib.Path(sys.argv[1]))
child = subprocess.Popen([sys.executable, "-c", {CHILD!r}], start_new_session=True)
guard.watch(child.pid)
forgotten = subprocess.Popen([sys.executable, "-c", {CHILD!r}], start_new_session=True)
guard.watch(forgotten.pid)
guard.forget(forgotten.pid)
print(flush=True)
time.sleep(600)
"""


def alive(pid: int) -> bool:
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


@pytest.fixture
def owner(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[str], list[int]]]:
    """A process with a guard, and the processes that it has started."""
    (tmp_path / "throwaway").mkdir()
    command = [sys.executable, "-c", OWNER, str(tmp_path / "throwaway")]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        children = [int(line) for line in (process.stdout.readline() for _ in range(5)) if line.strip()]
        yield process, children
        process.kill()
    for child in filter(alive, children):
        os.kill(child, signal.SIGKILL)


def test_killed_owner_leaves_nothing_but_what_was_forgotten(
    owner: tuple[subprocess.Popen[str], list[int]], tmp_path: Path
) -> None:
    """Whoever is killed runs no cleanup; the guard ends its processes, in whatever group, and deletes its folder."""
    process, children = owner
    sessions = {os.getsid(child) for child in children}
    assert len(sessions) == 2
    assert len({os.getpgid(child) for child in children}) == 4
    process.kill()
    until(lambda: len([child for child in children if alive(child)]) == 2, "the guard to end a session", 60)
    until(lambda: not (tmp_path / "throwaway").exists(), "the folder to be deleted", 60)
    assert len({os.getsid(child) for child in children if alive(child)}) == 1


def test_session_ends_whole(owner: tuple[subprocess.Popen[str], list[int]]) -> None:
    """All processes of a session end at once, and no other."""
    _, children = owner
    session = os.getsid(children[0])
    others = [child for child in children if os.getsid(child) != session]
    end_session(session)
    assert [child for child in children if alive(child)] == others
