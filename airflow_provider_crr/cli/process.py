"""What the commands share: their output, their exit codes, and how they end."""

from __future__ import annotations

import json
import os
import sys
from argparse import Namespace
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from enum import IntEnum
from functools import partial, wraps
from typing import Any, TextIO

from airflow_provider_crr.errors import CrrError, InvalidArgument
from airflow_provider_crr.replication.gate import Outcome
from airflow_provider_crr.text.legible import legible


class ExitCode(IntEnum):
    """
    The exit code of a command.

    Python ends with 1 for an error, and argparse with 2 for wrong arguments, so neither of them says anything about an
    object. The last two are the exit codes that a shell shows for SIGINT and SIGPIPE.
    """

    DONE = 0
    NOT_KNOWN = 1
    WRONG_ARGUMENTS = 2
    WAIT = 3
    FAIL = 4
    INTERRUPTED = 130
    HUNG_UP = 141


_OF_OUTCOME = {Outcome.DONE: ExitCode.DONE, Outcome.WAIT: ExitCode.WAIT, Outcome.FAIL: ExitCode.FAIL}


def exit_code(outcome: Outcome) -> ExitCode:
    """Return the exit code for what a gate would do."""
    return _OF_OUTCOME[outcome]


def command(run: Callable[[Namespace, TextIO], ExitCode]) -> Callable[[Namespace], None]:
    """
    Turn a function that writes its answer to a stream and returns an exit code into a command for Airflow.

    An error of this provider becomes one line on standard error.
    """

    @wraps(run)
    def process(args: Namespace) -> None:
        from airflow.utils.cli import suppress_logs_and_warning  # unless --verbose

        suppress_logs_and_warning(partial(_process, run))(args)

    return process


def to_json(value: Any, indent: int | None = None) -> str:
    """Return JSON in printable ASCII, without anything that controls a terminal."""
    return json.dumps(value, indent=indent).replace("\x7f", "\\u007f")


def _process(run: Callable[[Namespace, TextIO], ExitCode], args: Namespace) -> None:
    message = ""
    try:
        with answers_alone_on_stdout() as out:
            try:
                code = run(args, out)
            except CrrError as error:
                code = ExitCode.WRONG_ARGUMENTS if isinstance(error, InvalidArgument) else ExitCode.NOT_KNOWN
                message = f"{legible(str(error))}\n"
            out.flush()
    except BrokenPipeError:  # the reader has ended, as in `airflow crr status ... | head`
        code = ExitCode.HUNG_UP
    except KeyboardInterrupt:
        code = ExitCode.INTERRUPTED
    else:
        sys.stderr.write(message)
    if code:
        raise SystemExit(code)


@contextmanager
def answers_alone_on_stdout() -> Iterator[TextIO]:
    """Yield standard output for the answer. What else is written there, as Airflow's log is, goes to standard error."""
    sys.stdout.flush()
    descriptor = os.dup(1)
    # The encoding of standard output may lack a letter of a key.
    out = open(descriptor, "w", encoding=sys.stdout.encoding, errors="backslashreplace")  # noqa: SIM115
    os.dup2(2, 1)
    try:
        yield out
    finally:
        sys.stdout.flush()
        os.dup2(descriptor, 1)
        with suppress(BrokenPipeError):  # closing tries again to write what could not be written
            out.close()
