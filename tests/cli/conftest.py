"""The commands in this process, through Airflow's parser, and as processes of their own."""

from __future__ import annotations

import argparse
import io
import sys
import sysconfig
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import pytest


@dataclass(frozen=True)
class Ended:
    """How a command ended, and what it wrote."""

    code: int
    out: str
    err: str


@pytest.fixture(scope="session")
def in_airflow() -> bool:
    """Whether this Airflow has ``airflow crr``."""
    from airflow.cli.cli_parser import ALL_COMMANDS_DICT

    return "crr" in ALL_COMMANDS_DICT


@pytest.fixture(scope="session")
def parser(in_airflow: bool) -> argparse.ArgumentParser:
    """Airflow's parser; where it takes no commands from providers, one that it makes of ours alone."""
    from airflow.cli import cli_config, cli_parser

    from airflow_provider_crr.cli.definition import get_crr_commands

    if in_airflow:
        return cli_parser.get_parser()
    parser = cli_config.DefaultHelpParser(prog="airflow")
    commands = parser.add_subparsers(dest="subcommand")
    for command in get_crr_commands():
        cli_parser._add_command(commands, command)
    return parser


@pytest.fixture
def crr(
    parser: argparse.ArgumentParser, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Ended]:
    """Run ``airflow crr`` with these arguments and, on standard input, these bytes or a file; None if it is closed."""
    monkeypatch.setenv("_AIRFLOW_PROCESS_CONTEXT", "server")  # which the commands set, for ever

    def run(*arguments: str, stdin: bytes | IO[bytes] | None = b"") -> Ended:
        file = io.BytesIO(stdin) if isinstance(stdin, bytes) else stdin
        monkeypatch.setattr(sys, "stdin", file and io.TextIOWrapper(file))
        capfd.readouterr()
        code: object = 0
        try:
            args = parser.parse_args(["crr", *arguments])
            args.func(args)
        except SystemExit as ended:
            code = ended.code
        assert isinstance(code, int)
        return Ended(code, *capfd.readouterr())

    return run


@pytest.fixture
def command(in_airflow: bool, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What a user types in this Airflow."""
    if in_airflow:
        return [str(Path(sysconfig.get_path("scripts"), "airflow")), "crr"]
    # Old releases log and warn on standard error while they are loaded.
    monkeypatch.setenv("AIRFLOW__LOGGING__LOGGING_LEVEL", "WARNING")
    monkeypatch.setenv("PYTHONWARNINGS", "ignore")
    return [sys.executable, "-m", "airflow_provider_crr.cli"]
