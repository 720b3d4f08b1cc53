"""
Contenders side by side: each in a process of its own, in turn, for several rounds.

Absolute times mean nothing on a shared machine; the ratios of a run do.
"""

from __future__ import annotations

import importlib
import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any, Self

ROOT = Path(__file__).parent.parent
#: Begins the line that holds a sample; libraries write to standard output, too.
_MARK = "sample: "


@dataclass(frozen=True)
class Contender:
    """
    One way to do the job.

    :param name: what the table calls it.
    :param function: ``module:function``. It is called with the case as keyword arguments, and returns a function
        without arguments. Only the call of that one is measured; it returns the answer as plain JSON.
    :param limits: the largest values of a case with which it is run.
    """

    name: str
    function: str
    limits: Mapping[str, int] = field(default_factory=dict)

    def bears(self, case: Mapping[str, Any]) -> bool:
        """Return whether this case is within its limits."""
        return all(case[name] <= most for name, most in self.limits.items())


@dataclass(frozen=True)
class Sample:
    """
    One run.

    :param wall: seconds.
    :param cpu: seconds of processor time, user and system, of all threads.
    :param peak: most memory of the run, in bytes, above what the process had before it.
    :param answer: what was returned.
    """

    wall: float
    cpu: float
    peak: int
    answer: Any


class WrongAnswer(Exception):
    """Contenders do not agree."""


def compare(
    case: Mapping[str, Any],
    contenders: Sequence[Contender],
    *,
    rounds: int,
    say: Callable[[str], None],
    before: Callable[[], None] = lambda: None,
    after: Callable[[Contender], None] = lambda contender: None,
    workers: Workers | None = None,
) -> dict[str, list[Sample]]:
    """
    Return the samples of each contender whose limits allow the case.

    :param case: keyword arguments of the contenders' functions.
    :param rounds: how often each is run; the order changes from round to round.
    :param say: told of each run.
    :param before: called before each run.
    :param after: called after each run, to check what the server saw.
    :param workers: processes to use again, which saves their imports; None for a fresh one for each run.
    :raises WrongAnswer: if the answer of one differs from the others.
    """
    taking_part = [contender for contender in contenders if contender.bears(case)]
    samples: dict[str, list[Sample]] = {contender.name: [] for contender in taking_part}
    expected: str | None = None
    for number in range(rounds):
        turn = number % len(taking_part)
        for contender in [*taking_part[turn:], *taking_part[:turn]]:
            before()
            sample = workers.run(contender, case) if workers else run(contender, case)
            after(contender)
            samples[contender.name].append(sample)
            answer = json.dumps(sample.answer, sort_keys=True)
            if expected is not None and answer != expected:
                raise WrongAnswer(f"{contender.name} answered {answer[:500]}, not {expected[:500]}")
            expected = answer
            say(f"{contender.name}: {sample.wall:.3f} s, {sample.cpu:.3f} s CPU, {sample.peak / 1e6:.0f} MB")
    return samples


def run(contender: Contender, case: Mapping[str, Any]) -> Sample:
    """Run one contender once, in a fresh process."""
    with Workers() as workers:
        return workers.run(contender, case)


class Workers:
    """A process for each contender, as a context manager."""

    def __init__(self) -> None:
        self._processes: dict[str, subprocess.Popen[str]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for process in self._processes.values():
            process.kill()
            process.communicate()

    def run(self, contender: Contender, case: Mapping[str, Any]) -> Sample:
        """Run one contender once."""
        process = self._processes.get(contender.function) or self._start(contender.function)
        assert process.stdin
        assert process.stdout
        process.stdin.write(json.dumps(case) + "\n")
        process.stdin.flush()
        for line in process.stdout:
            if line.startswith(_MARK):
                return Sample(**json.loads(line.removeprefix(_MARK)))
        raise RuntimeError(f"{contender.name} failed on {dict(case)}; its own words are above")

    def _start(self, function: str) -> subprocess.Popen[str]:
        self._processes[function] = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.measure", function],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        return self._processes[function]


def medians(samples: Mapping[str, Sequence[Sample]]) -> dict[str, Sample]:
    """Return the median of each figure of each contender, with the answer, which is the same for all."""
    return {
        name: Sample(
            wall=median(sample.wall for sample in each),
            cpu=median(sample.cpu for sample in each),
            peak=int(median(sample.peak for sample in each)),
            answer=each[0].answer,
        )
        for name, each in samples.items()
    }


def ratio(samples: Mapping[str, Sequence[Sample]], one: str, other: str, figure: str = "wall") -> float:
    """Return the ratio of two contenders in a figure: the median of the ratios of the single rounds."""
    pairs = zip(samples[one], samples[other], strict=True)
    return float(median(getattr(a, figure) / getattr(b, figure) for a, b in pairs))


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table that can also be read as it is."""
    widths = [max(len(row[column]) for row in [head, *rows]) for column in range(len(head))]
    lines = [head, ["-" * width for width in widths], *rows]
    return "\n".join(
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) + " |" for line in lines
    )


def memory(name: str) -> int:
    """Return a figure of this process in bytes: ``VmRSS`` is what it has, ``VmHWM`` the most that it had."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024
    raise OSError(f"no {name} in /proc/self/status")


def begin_peak() -> int:
    """Let ``VmHWM`` of this process begin anew, and return what it has now, in bytes."""
    Path("/proc/self/clear_refs").write_text("5")
    return memory("VmRSS")


def _measure(function: str, case: dict[str, Any]) -> dict[str, Any]:
    module, _, name = function.partition(":")
    timed = getattr(importlib.import_module(module), name)(**case)
    held = begin_peak()
    used = resource.getrusage(resource.RUSAGE_SELF)
    began = time.perf_counter()
    answer = timed()
    wall = time.perf_counter() - began
    spent = resource.getrusage(resource.RUSAGE_SELF)
    cpu = spent.ru_utime + spent.ru_stime - used.ru_utime - used.ru_stime
    return {"wall": wall, "cpu": cpu, "peak": max(0, memory("VmHWM") - held), "answer": answer}


if __name__ == "__main__":
    for line in sys.stdin:
        print(_MARK + json.dumps(_measure(sys.argv[1], json.loads(line))), flush=True)
