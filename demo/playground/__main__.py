"""``python -m demo.playground``: make each situation, say where to look, and keep all of it until Ctrl-C."""

from __future__ import annotations

import argparse
import os
import shlex
import signal
import sys
import tempfile
import time
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from types import FrameType
from urllib.parse import quote

from demo.airflow import Airflow, DemoFailed
from demo.playground import gates
from demo.playground.situations import DAY, MOVING, SITUATIONS, Situation, many, reader
from local_aws import LocalAws, LocalAwsError

DAGS = Path(__file__).parent / "dags"
#: Longest time that the situations may take to be there, in seconds.
PATIENCE = 480.0
#: The signals that close the playground.
ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def main() -> int:
    """Run the playground; return the exit code."""
    arguments = _arguments()
    for number in ENDING:
        signal.signal(number, _end)
    began = time.monotonic()
    say("Everything here runs on this machine: a local AWS, and a real Airflow. Nothing is left behind.")
    os.environ["PLAYGROUND_GATES"] = str(arguments.gates)  # for the DAG file
    with tempfile.TemporaryDirectory(prefix="crr-playground-", ignore_cleanup_errors=True) as folder:
        try:
            with LocalAws() as aws:
                _play(aws, Path(folder), arguments.gates, began)
        except (DemoFailed, LocalAwsError, OSError) as error:
            say(f"\nThe playground failed: {error}", *getattr(error, "__notes__", ()))
            return 1
        except KeyboardInterrupt:
            say("\nThe playground is closed.")
            return 0
    return 0


def _play(aws: LocalAws, folder: Path, number: int, began: float) -> None:
    say(f"Starting Airflow, and making {len(SITUATIONS) + 1} situations: about two minutes ...")
    settings = {"TRIGGERER__CAPACITY": str(number + 100), "CORE__MAX_MAP_LENGTH": str(max(1024, number))}
    with ThreadPoolExecutor(1) as threads:
        prepared = threads.submit(_prepare, aws, number)
        with Airflow(
            folder / "airflow",
            aws.airflow_connection_uri_json(),
            dags=DAGS,
            policy="",
            settings=settings,
            throwaway=folder,
        ) as airflow:
            command = _command(airflow, folder)
            runs = _started(airflow, aws, prepared)
            _wait(airflow, runs)
            _guide(airflow, runs, number, command, time.monotonic() - began)
            _keep(airflow, aws, runs["moving"])


def _prepare(aws: LocalAws, number: int) -> None:
    for situation in SITUATIONS:
        situation.prepare(aws)
    many(aws, number)


def _started(airflow: Airflow, aws: LocalAws, prepared: Future[None]) -> dict[str, str]:
    """Run each DAG; return the ids of the runs."""
    prepared.result()
    airflow.add_connection("aws_reader", reader(aws))
    runs = {situation.dag_id: airflow.trigger(situation.dag_id) for situation in SITUATIONS}
    airflow.run(gates.__name__)
    return {**runs, gates.DAG: gates.RUN}


def _wait(airflow: Airflow, runs: dict[str, str]) -> None:
    deadline = time.monotonic() + PATIENCE
    missing = list(SITUATIONS)
    while missing:
        missing = [each for each in missing if _state(airflow, each, runs) != each.ends]
        if time.monotonic() > deadline:
            states = {each.dag_id: _state(airflow, each, runs) for each in missing}
            raise DemoFailed(f"after {PATIENCE:.0f} seconds these are not as they should be: {states}")
        time.sleep(0.5)


def _state(airflow: Airflow, situation: Situation, runs: dict[str, str]) -> str:
    return airflow.task_states(situation.dag_id, runs[situation.dag_id])[situation.task_id]


def _command(airflow: Airflow, folder: Path) -> Path:
    """Write a command that is this Airflow's ``airflow``; return where it is."""
    settings = {name: value for name, value in airflow.environment().items() if os.environ.get(name) != value}
    exports = "".join(f"export {name}={shlex.quote(value)}\n" for name, value in settings.items())
    path = folder / "bin" / "airflow"
    path.parent.mkdir()
    path.touch(0o700)
    path.write_text(f'#!/bin/sh\n{exports}exec {shlex.quote(sys.executable)} -m airflow "$@"\n')
    return path


def _guide(airflow: Airflow, runs: dict[str, str], number: int, command: Path, took: float) -> None:
    say(f"All of it is there, after {took:.0f} s. Open it in a browser; nobody asks for a password.\n   {airflow.url}")
    for count, situation in enumerate(SITUATIONS, 1):
        page = f"{airflow.url}/dags/{situation.dag_id}/runs/{quote(runs[situation.dag_id], safe='')}"
        page += f"/tasks/{situation.task_id}"
        say(f"\n{count}. {situation.title}", f"   log   {page}", f"   tab   {page}/plugin/s3-replication")
        say(*(f"   {line}" for line in situation.look))
    page = f"{airflow.url}/dags/{gates.DAG}/runs/{gates.RUN}/tasks/gate"
    say(f"\n{len(SITUATIONS) + 1}. {number:,} gates wait in one triggerer", f"   log   {page}/mapped/0")
    say(f"   tab   {page}/mapped/0/plugin/s3-replication")
    say("\nThe command line asks the same Airflow and the same S3:")
    say(f"   {command} crr explain s3://events/click/{DAY}/part-0000.parquet")
    say(f"   {command} crr status s3://landing/orders/{DAY}/part-0390.parquet")
    say("\nCtrl-C closes the playground, and deletes all of it.")


def _keep(airflow: Airflow, aws: LocalAws, run: str) -> None:
    """Replicate one object a second; end only by a signal, or if one of Airflow's processes has ended."""
    for number in range(MOVING):
        aws.release("uploads", f"photos/{DAY}/part-{number:04}")
        time.sleep(1)
        if number % 30 == 0:
            airflow.task_states("moving", run)
    while True:
        airflow.task_states("moving", run)
        time.sleep(30)


def _end(number: int, frame: FrameType | None) -> None:
    for each in ENDING:  # once is enough: what follows is to be done whole
        signal.signal(each, signal.SIG_IGN)
    raise KeyboardInterrupt


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m demo.playground", description=__doc__)
    parser.add_argument("--gates", type=int, default=1000, help="how many gates wait beside the others (default: 1000)")
    return parser.parse_args()


def say(*lines: str) -> None:
    print(*lines, sep="\n", flush=True)


if __name__ == "__main__":
    sys.exit(main())
