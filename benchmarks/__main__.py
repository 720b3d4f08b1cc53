"""``python -m benchmarks``: every table, or those named."""

from __future__ import annotations

import argparse
import os
import platform
import sys
from importlib import import_module
from pathlib import Path

BENCHMARKS = ("lookups", "single", "triggerer", "gates", "open_gates", "pace", "memory", "startup", "inventory")
#: Only if it is named: it takes most of an hour.
LONG = ("soak",)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("only", nargs="*", metavar="NAME", help=f"one or more of: {', '.join(BENCHMARKS + LONG)}")
    parser.add_argument("--full", action="store_true", help="all sizes, up to a million objects and 100 million rows")
    arguments = parser.parse_args()
    unknown = set(arguments.only) - set(BENCHMARKS + LONG)
    if unknown:
        parser.error(f"no such benchmark: {', '.join(sorted(unknown))}")
    print(_machine(), flush=True)
    for name in arguments.only or BENCHMARKS:
        module = import_module(f"benchmarks.{name}")
        print(f"\n## {(module.__doc__ or name).strip().splitlines()[0]}\n", flush=True)
        print(module.report(full=arguments.full, say=lambda line: print(line, file=sys.stderr, flush=True)), flush=True)


def _machine() -> str:
    processors = Path("/proc/cpuinfo").read_text().splitlines()
    models = [line.split(":", 1)[1].strip() for line in processors if "model name" in line]
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return (
        f"{os.cpu_count()} cores ({(models or [platform.machine()])[0]}), {memory:.0f} GiB,"
        f" Python {platform.python_version()}; load when it began: {os.getloadavg()[0]:.1f}"
    )


if __name__ == "__main__":
    main()
