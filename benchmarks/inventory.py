"""Inventory summaries: ours, which fetches from S3 and checks MD5, beside others that read local files unchecked."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from benchmarks.inventory_data import FOLDER, ROWS, stored
from benchmarks.measure import Contender, Sample, compare, medians, ratio, run, table
from benchmarks.nginx import Nginx

_HERE = "benchmarks.inventory_contenders"
OURS = Contender("ours: S3, MD5, Summary", f"{_HERE}:ours")
#: With more rows the slow contenders take minutes.
_SLOW = {"files": 1}
_DUCKDB = Contender("DuckDB's own readers", f"{_HERE}:duckdb_local")
_POLARS = Contender("polars, lazy", f"{_HERE}:polars_lazy")
_PYARROW = Contender("pyarrow, by batches", f"{_HERE}:pyarrow_loop")
CONTENDERS: Mapping[str, Sequence[Contender]] = {
    "CSV": [
        OURS,
        _DUCKDB,
        _POLARS,
        _PYARROW,
        Contender("pandas, in chunks", f"{_HERE}:pandas_chunks", _SLOW),
        Contender("Python's csv and gzip", f"{_HERE}:python_csv", _SLOW),
    ],
    "Parquet": [OURS, _DUCKDB, _POLARS, _PYARROW],
    "ORC": [OURS, _PYARROW],
}
_FETCH = Contender("floor: fetch, MD5, gunzip", f"{_HERE}:fetch")
_GROWN_OURS = Contender("ours, and the HTML", f"{_HERE}:grown")

_FILES = {False: [1, 4], True: [1, 4, 16]}
_GROWTH = {False: [1, 10], True: [1, 10, 100]}


def report(*, full: bool, say: Callable[[str], None]) -> str:
    """Return the tables of this benchmark."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    with Nginx(files=FOLDER) as server:
        sections = [
            _beside(server.url, file_format, files, depth, rounds=3 if full else 2, say=say)
            for file_format in CONTENDERS
            for files in _FILES[full]
            for depth in (0, 2)
        ]
        sections += [_growth(server.url, full=full, say=say)]
    return "\n\n".join(sections)


def _case(url: str, shape: str, file_format: Any, files: int, depth: int) -> dict[str, Any]:
    path = str(stored(shape, file_format))
    return {"url": url, "path": path, "file_format": file_format, "files": files, "depth": depth}


def _beside(url: str, file_format: str, files: int, depth: int, *, rounds: int, say: Callable[[str], None]) -> str:
    say(f"-- {file_format}, {files} files, {depth} levels")
    case = _case(url, "usual", file_format, files, depth)
    samples = compare(case, CONTENDERS[file_format], rounds=rounds, say=say)
    floor = [run(_FETCH, case) for _ in range(rounds)]
    rows = [
        _row(
            name, each, files, f"{ratio(samples, name, OURS.name):.2f}", f"{ratio(samples, name, OURS.name, 'cpu'):.2f}"
        )
        for name, each in medians(samples).items()
    ]
    rows.append(_row(_FETCH.name, medians({"": floor})[""], files, "", ""))
    head = ["", "M rows/s", "CPU s per M rows", "memory MB", "time, ours = 1", "CPU, ours = 1"]
    grouped = "by status and two prefix levels" if depth else "by status"
    return f"### {file_format}, {files} M rows in {files} file{'s' * (files > 1)}, {grouped}\n\n{table(head, rows)}"


def _row(name: str, each: Sample, files: int, *more: str) -> list[str]:
    rows = files * ROWS / 1e6
    return [name, f"{rows / each.wall:.2f}", f"{each.cpu / rows:.2f}", f"{each.peak / 1e6:.0f}", *more]


def _growth(url: str, *, full: bool, say: Callable[[str], None]) -> str:
    rows = []
    for shape, file_format, depth in (
        ("usual", "CSV", 2),
        ("usual", "Parquet", 2),
        ("wide", "CSV", 2),
        ("wide", "CSV", 3),
    ):
        first: Sample | None = None
        for files in _GROWTH[full]:
            say(f"-- growth: {shape}, {file_format}, {files} files, {depth} levels")
            case = _case(url, shape, file_format, files, depth)
            sample = run(_GROWN_OURS, case)
            first = first or sample
            rows.append(
                [
                    f"{file_format}, {sample.answer['prefixes']:,} prefixes",
                    f"{files}",
                    f"{sample.wall / files:.2f}",
                    f"{sample.wall / files / first.wall:.2f}",
                    f"{sample.peak / 1e6:.0f}",
                    f"{1000 * sample.answer['render']:.0f}",
                ]
            )
    head = ["ours", "M rows", "seconds per M rows", "of one file's", "memory MB", "to render, ms"]
    return f"### Growth\n\n{table(head, rows)}"
