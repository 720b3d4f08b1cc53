"""``python -m demo.playground``: make each situation, say where to look, and keep all of it until Ctrl-C."""

from __future__ import annotations

import argparse
import os
import shlex
import signal
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import FrameType

from demo.airflow import Airflow, DemoFailed
from demo.playground import gates
from demo.playground.situations import DAY, MOVING, RUN, SITUATIONS, Situation, many, reader
from local_aws import LocalAws, LocalAwsError

DAGS = Path(__file__).parent / "dags"
#: Path of the Replication tab, below the page of a task.
TAB = "plugin/s3-replication"
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
    say(f"It starts Airflow and makes {len(SITUATIONS) + 1} situations. That takes about two minutes ...")
    with (
        ThreadPoolExecutor(1) as threads,
        Airflow(
            folder / "airflow",
            aws.airflow_connection_uri_json(),
            dags=DAGS,
            policy="",
            settings={"TRIGGERER__CAPACITY": str(number + 100), "CORE__MAX_MAP_LENGTH": str(max(1024, number))},
            throwaway=folder,
        ) as airflow,
    ):
        threads.submit(_prepare, aws, number).result()
        command = _command(airflow, folder)
        airflow.add_connection("aws_reader", reader(aws))
        for situation in SITUATIONS:
            airflow.trigger(situation.dag_id, RUN)
        airflow.run(gates.__name__)
        _wait(airflow)
        _guide(airflow.url, command, number, time.monotonic() - began)
        _keep(airflow, aws)


def _prepare(aws: LocalAws, number: int) -> None:
    for situation in SITUATIONS:
        situation.prepare(aws)
    many(aws, number)


def _wait(airflow: Airflow) -> None:
    deadline = time.monotonic() + PATIENCE
    while others := {each.dag_id: state for each in SITUATIONS if (state := _state(airflow, each)) != each.ends}:
        if time.monotonic() > deadline:
            raise DemoFailed(f"after {PATIENCE:.0f} seconds these are not as they should be: {others}")
        time.sleep(0.5)


def _state(airflow: Airflow, situation: Situation) -> str:
    return airflow.task_states(situation.dag_id, RUN)[situation.task_id]


def _command(airflow: Airflow, folder: Path) -> Path:
    """Write a command that is this Airflow's ``airflow``; return where it is."""
    settings = {name: value for name, value in airflow.environment().items() if os.environ.get(name) != value}
    exports = "".join(f"export {name}={shlex.quote(value)}\n" for name, value in settings.items())
    path = folder / "bin" / "airflow"
    path.parent.mkdir()
    path.touch(0o700)
    path.write_text(f'#!/bin/sh\n{exports}exec {shlex.quote(sys.executable)} -m airflow "$@"\n')
    return path


def _guide(url: str, command: Path, number: int, took: float) -> None:
    say(f"All of it is there, after {took:.0f} s. Open it in a browser; there is no password.\n   {url}")
    for count, situation in enumerate(SITUATIONS, 1):
        page = f"{url}/dags/{situation.dag_id}/runs/{RUN}/tasks/{situation.task_id}"
        say(f"\n{count}. {situation.title}", f"   {situation.look}", f"   log   {page}", f"   tab   {page}/{TAB}")
    page = f"{url}/dags/{gates.DAG}/runs/{gates.RUN}/tasks/gate"
    say(f"\n{len(SITUATIONS) + 1}. {number:,} gates wait in one triggerer", "   Their DAG is paused: what opens stays.")
    say(f"   all   {page}", f"   one   {page}/mapped/0/{TAB}")
    say("\nThe command line asks the same Airflow and the same S3:")
    say(f"   {command} crr explain s3://events/click/{DAY}/part-0000.parquet")
    say(f"   {command} crr status s3://landing/orders/{DAY}/part-0390.parquet")
    say("\nCtrl-C closes the playground, and deletes all of it.")


def _keep(airflow: Airflow, aws: LocalAws) -> None:
    """Replicate one object a second; end only by a signal, or if one of Airflow's processes has ended."""
    for number in range(MOVING):
        aws.release("uploads", f"photos/{DAY}/part-{number:04}")
        airflow.check_alive()
        time.sleep(1)
    while True:
        airflow.check_alive()
        time.sleep(1)


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
