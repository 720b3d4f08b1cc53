"""What the log of a wait says, poll after poll."""

from __future__ import annotations

from collections.abc import Hashable
from datetime import UTC, datetime
from threading import Event
from typing import Any

from airflow_provider_crr.tasks.telling import Teller

ENDS = datetime(2026, 11, 27, 11, 46, tzinfo=UTC)


class Poller:
    """A poller that shows what it is told to."""

    def __init__(self, *lines: str, warnings: tuple[str, ...] = ()) -> None:
        self.lines = lines
        self._warnings = warnings

    def poll(self, stop: Event | None = None) -> bool:
        return False

    def failure(self) -> str | None:
        return None

    def progress(self) -> str:
        return "\n".join(self.lines)

    def warnings(self) -> list[str]:
        return list(self._warnings)

    def value(self) -> Any:
        return None


class Gate(Poller):
    """One whose ages move though nothing is new."""

    def standing(self) -> Hashable:
        return self.lines[0]


class Log:
    """A logger that keeps its lines."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def info(self, line: str) -> None:
        self.lines.append(line)

    def warning(self, line: str) -> None:
        self.lines.append(f"warning: {line}")

    def new(self) -> list[str]:
        lines, self.lines = self.lines, []
        return lines


class Told:
    """A log that is told by a clock of its own."""

    def __init__(self, *, begun: bool = False) -> None:
        self.now = 0.0
        self.log = Log()
        self._teller = Teller(self.log, begun=begun, clock=lambda: self.now)

    def at(self, seconds: float, poller: Poller, ends: datetime | None = ENDS) -> list[str]:
        """Return what is written after a poll at this moment."""
        self.now = seconds
        self._teller.tell(poller, ends)
        return self.log.new()


def waiting(number: int = 12, age: str = "2m", *more: str, state: str = "PENDING") -> Gate:
    return Gate(f"waiting for {number} of 20 in s3://b/p/*", f"{number} {state}, oldest {age}", *more, "Next: x")


def test_all_is_told_at_first() -> None:
    """The first poll tells for what, until when and what next, a line each."""
    assert Told().at(0, waiting()) == [
        "waiting for 12 of 20 in s3://b/p/*",
        "12 PENDING, oldest 2m",
        "Gives up at 2026-11-27 11:46Z",
        "Next: x",
    ]


def test_what_has_not_changed_is_told_once_an_hour() -> None:
    """A gate that stands still for three hours, asked each minute, is told of four times."""
    told = Told()
    said = [told.at(minute * 60, waiting(age=f"{minute}m")) for minute in range(200)]
    assert [minute for minute, lines in enumerate(said) if lines] == [0, 60, 120, 180]
    assert all(len(lines) == 4 for lines in said if lines)


def test_numbers_that_move_are_told_in_two_lines() -> None:
    """A gate that goes on is told of at each change: the counts, and all of it every ten minutes."""
    told = Told()
    said = [told.at(minute * 60, waiting(100 - minute)) for minute in range(21)]
    assert said[1] == ["waiting for 99 of 20 in s3://b/p/*", "99 PENDING, oldest 2m"]
    assert [minute for minute, lines in enumerate(said) if len(lines) == 4] == [0, 10, 20]


def test_other_states_are_told_with_all_lines() -> None:
    """If something else is waited for now, all is told."""
    told = Told()
    told.at(0, waiting())
    assert len(told.at(60, waiting(11, state="MISSING"))) == 4


def test_end_of_the_wait_is_told() -> None:
    """What decided it is told, without the moment when it would have given up."""
    told = Told()
    told.at(0, waiting())
    assert told.at(60, Gate("replicated 20 of 20"), None) == ["replicated 20 of 20"]


def test_process_that_goes_on_does_not_begin_anew() -> None:
    """A triggerer just after the worker's look tells the counts, and the next hour all."""
    told = Told(begun=True)
    assert len(told.at(0, waiting())) == 2
    assert told.at(60, waiting()) == []
    assert len(told.at(3600, waiting())) == 4


def test_warnings_are_told_at_each_poll() -> None:
    """What a person should look at is repeated, as long as it is so."""
    told = Told()
    poller = Poller("no report yet", warnings=("look here",))
    assert told.at(0, poller) == ["no report yet", "Gives up at 2026-11-27 11:46Z", "warning: look here"]
    assert told.at(60, poller) == ["warning: look here"]
