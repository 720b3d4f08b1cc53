"""The playground: it comes to be what it says, and leaves nothing behind."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import psutil
import pytest

from demo.playground.situations import SITUATIONS
from tests.support.polling import until

ROOT = Path(__file__).resolve().parents[2]
GATES = 12

pytestmark = pytest.mark.skipif(
    tuple(map(int, version("apache-airflow").split(".")[:2])) < (3, 3),
    reason="make playground runs on the pins of the newest Airflow, and writes into its tables",
)


class Playground:
    """``python -m demo.playground`` as a process, and what it has said so far."""

    def __init__(self, temporary: Path) -> None:
        self.said: list[str] = []
        self.process = subprocess.Popen(
            [sys.executable, "-m", "demo.playground", "--gates", str(GATES)],
            cwd=ROOT,
            env={**os.environ, "TMPDIR": str(temporary)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout
        with self.process.stdout as stream:
            for line in stream:
                self.said.append(line)

    @property
    def text(self) -> str:
        return "".join(self.said)

    def close(self, number: signal.Signals) -> int:
        """Send a signal; return the exit code."""
        self.process.send_signal(number)
        code = self.process.wait(60)
        self._reader.join()
        return code

    def ask(self, path: str) -> Any:
        """Return what the REST API says; everybody is an admin."""
        url = re.findall(r"http://127\.0\.0\.1:\d+", self.text)[0]
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(f"{url}/auth/token") as answer:
            token = json.load(answer)["access_token"]
        request = urllib.request.Request(f"{url}/api/v2/{path}", headers={"Authorization": f"Bearer {token}"})
        with opener.open(request) as answer:
            return json.load(answer)


@pytest.fixture(scope="module")
def playground(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Playground]:
    """The playground, open."""
    running = Playground(tmp_path_factory.mktemp("playground"))
    try:
        until(lambda: "Ctrl-C closes" in running.text or running.process.poll() is not None, "the playground to open")
        assert running.process.poll() is None, running.text
        yield running
    finally:
        if running.process.poll() is None:
            running.close(signal.SIGTERM)


def descendants(process: subprocess.Popen[str]) -> list[psutil.Process]:
    return list(psutil.Process(process.pid).children(recursive=True))


def test_each_situation_is_there_and_has_its_pages(playground: Playground) -> None:
    """Each task is in the state that its situation is about, in the very run whose pages are named."""
    pages = re.findall(r"log   http://127\.0\.0\.1:\d+/dags/(\w+)/runs/(\w+)/tasks/(\w+)\n", playground.text)
    assert [(dag, task) for dag, _, task in pages] == [(each.dag_id, each.task_id) for each in SITUATIONS]
    for situation, (dag, run, task) in zip(SITUATIONS, pages, strict=True):
        found = playground.ask(f"dags/{dag}/dagRuns/{run}/taskInstances/{task}")
        assert (dag, found["state"]) == (dag, situation.ends)


def test_many_gates_wait_in_the_triggerer(playground: Playground) -> None:
    """All of them are deferred, and a triggerer polls each."""
    path = "dags/many_gates/dagRuns/now/taskInstances/gate/listMapped"

    def polled() -> bool:
        found = playground.ask(path)["task_instances"]
        return [each["state"] for each in found] == ["deferred"] * GATES and all(each["trigger"] for each in found)

    until(polled, "the gates to wait")


def test_the_command_that_it_names_asks_the_same_s3(playground: Playground) -> None:
    """The command line explains an object of the playground, from any shell."""
    (command,) = re.findall(r"^   (/\S+ crr explain \S+)$", playground.text, re.MULTILINE)
    ran = subprocess.run(command.split(), capture_output=True, text=True, check=False, env={"PATH": os.environ["PATH"]})
    assert "NONE" in ran.stdout, ran.stderr
    assert "clicks/" in ran.stdout


def test_ctrl_c_leaves_nothing_behind(playground: Playground) -> None:
    """Ctrl-C ends every process, deletes every file, and is the usual end."""
    started = descendants(playground.process)
    assert len(started) > 4
    (folder,) = re.findall(r"(/\S+)/bin/airflow crr explain", playground.text)
    assert Path(folder).is_dir()
    assert playground.close(signal.SIGINT) == 0
    until(lambda: not any(each.is_running() for each in started), "its processes to end", 30)
    assert not Path(folder).exists()
