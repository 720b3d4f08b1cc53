"""The process that runs ``python -m local_aws``, started and ended by this one."""

from __future__ import annotations

import json
import os
import selectors
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import IO

_REPOSITORY = Path(__file__).resolve().parent.parent


class LocalAwsError(Exception):
    """The local AWS did not start, does not run, or did not understand."""


class ServerProcess:
    """
    A child process. A thread would share the interpreter lock with the code under test, and be forked with it.

    :param arguments: of ``python -m local_aws``.
    :param start_timeout: seconds to wait for the process to listen.
    """

    def __init__(self, arguments: Sequence[str], start_timeout: float) -> None:
        self._start_timeout = start_timeout
        # A file, not a pipe: nobody reads it while the process runs.
        self._stderr: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115
        self._process = subprocess.Popen(
            [_python(), "-m", "local_aws", "--owned", *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._stderr,
            env=_environment(),
            # Where ``-m`` finds this package, which nobody installs.
            cwd=_REPOSITORY,
        )
        try:
            self.endpoint_url: str = json.loads(self._first_line())["endpoint_url"]
        except BaseException:
            self.end()
            raise

    @property
    def pid(self) -> int:
        """Id of the process."""
        return self._process.pid

    def end(self) -> None:
        """Kill the process: all its state is in memory, so there is nothing to save."""
        self._process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout, self._stderr):
            if stream is not None:
                stream.close()

    def _first_line(self) -> bytes:
        stdout = self._process.stdout
        assert stdout is not None
        deadline = time.monotonic() + self._start_timeout
        line = b""
        with selectors.DefaultSelector() as selector:
            selector.register(stdout, selectors.EVENT_READ)
            while not line.endswith(b"\n"):
                ready = selector.select(max(0.0, deadline - time.monotonic()))
                chunk = os.read(stdout.fileno(), 4096) if ready else b""
                if not chunk:
                    reason = "ended" if ready else f"did not listen within {self._start_timeout:g} s"
                    raise LocalAwsError(f"the local AWS {reason}; its standard error:\n{self._said()}")
                line += chunk
        return line

    def _said(self) -> str:
        self._stderr.seek(0)
        return self._stderr.read().decode(errors="replace").strip() or "(nothing)"


def _python() -> str:
    """Return the Python that has MiniStack, which pins botocore: that of ``.venv-aws`` if ``make`` has made it."""
    own = _REPOSITORY / ".venv-aws" / "bin" / "python"
    return str(own) if own.exists() else sys.executable


def _environment() -> dict[str, str]:
    """Return an environment without the variables that change MiniStack: AWS_*, SERVICES, S3_PERSIST and the like."""
    kept = ("PATH", "HOME", "TMPDIR", "LANG", "LC_ALL", "VIRTUAL_ENV", "LD_LIBRARY_PATH")
    return {name: os.environ[name] for name in kept if name in os.environ}
