"""``python -m airflow_provider_crr.cli``: the commands for Airflow before 3.2, which takes none from providers."""

from __future__ import annotations

import argparse

from airflow_provider_crr.cli.process import answers_alone_on_stdout


def main() -> None:
    """Run one command."""
    with answers_alone_on_stdout():  # old releases of Airflow log while they are imported
        parser = _parser()
    args = parser.parse_args()
    args.func(args)


def _parser() -> argparse.ArgumentParser:
    from airflow.cli.cli_config import DefaultHelpParser
    from airflow.cli.cli_parser import _add_command

    from airflow_provider_crr.cli.definition import CRR_COMMANDS

    parser = DefaultHelpParser(prog="python -m airflow_provider_crr.cli", description="S3 replication status")
    commands = parser.add_subparsers(dest="subcommand", metavar="COMMAND", required=True)
    for command in CRR_COMMANDS:
        _add_command(commands, command)
    return parser


if __name__ == "__main__":
    main()
