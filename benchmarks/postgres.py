"""A PostgreSQL on loopback, for Airflow's tables."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Self

import psycopg2

ROOT = Path(__file__).parent.parent
#: Who runs it if root starts it: PostgreSQL refuses to run as root.
_SOMEBODY = "nobody"


class Postgres:
    """
    The server, as a context manager.

    It syncs nothing to the disk: a benchmark that is broken off is begun anew.
    """

    def __init__(self) -> None:
        subprocess.run(["sh", str(ROOT / "benchmarks" / "postgres.sh")], check=True)
        unpacked = ROOT / "build" / "postgres"
        found = [*Path("/").glob("usr/lib/postgresql/*/bin"), *unpacked.glob("usr/lib/postgresql/*/bin")]
        self._programs = found[0]
        self._libraries = {"LD_LIBRARY_PATH": ":".join(map(str, unpacked.glob("usr/lib/*-linux-gnu")))}
        self._user = _SOMEBODY if os.geteuid() == 0 else None
        self._home = Path(tempfile.mkdtemp(prefix="crr-bench-"))
        with socket.create_server(("127.0.0.1", 0)) as listener:
            self.port = int(listener.getsockname()[1])
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Address for SQLAlchemy."""
        return f"postgresql+psycopg2://airflow@127.0.0.1:{self.port}/postgres"

    def __enter__(self) -> Self:
        data = self._home / "data"
        if self._user:
            shutil.chown(self._home, self._user)
        subprocess.run(
            [self._programs / "initdb", "-D", data, "-U", "airflow", "-A", "trust", "-E", "UTF8", "--no-sync"],
            check=True,
            stdout=subprocess.DEVNULL,
            user=self._user,
            cwd=self._home,
            env=os.environ | self._libraries,
        )
        settings = [f"port={self.port}", "listen_addresses=127.0.0.1", "unix_socket_directories=", "fsync=off"]
        self._process = subprocess.Popen(
            [self._programs / "postgres", "-D", data, *(part for each in settings for part in ("-c", each))],
            stderr=subprocess.DEVNULL,
            user=self._user,
            cwd=self._home,
            env=os.environ | self._libraries,
        )
        deadline = time.monotonic() + 60
        while True:
            try:
                psycopg2.connect(host="127.0.0.1", port=self.port, user="airflow", dbname="postgres").close()
                return self
            except psycopg2.OperationalError:
                if time.monotonic() > deadline or self._process.poll() is not None:
                    raise
                time.sleep(0.1)

    def __exit__(self, *_: object) -> None:
        if self._process:
            self._process.send_signal(signal.SIGINT)  # without waiting for anybody who is connected
            self._process.wait()
        shutil.rmtree(self._home, ignore_errors=True)
