"""
What summarizes an inventory report: ours, and what a user would write instead.

Each returns its groups, which :func:`_answer` makes comparable. The others read local files and check no MD5. They only
count: they find no oldest PENDING object, no sample and no defects.
"""

from __future__ import annotations

import csv
import gzip
import hashlib
import time
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from benchmarks.inventory_data import COLUMNS, manifest

Groups = Iterable[tuple[str, str | None, int, int]]
_PREFIX = "regexp_extract(key, '^(?:[^/]*/){0,%d}')"


def _answer(groups: Groups) -> Any:
    statuses: dict[str, list[int]] = {}
    prefixes: set[str] = set()
    unsettled: Counter[str] = Counter()
    for prefix, status, objects, size in groups:
        name = status or "NONE"
        total = statuses.setdefault(name, [0, 0])
        total[0] += objects
        total[1] += int(size)
        prefixes.add(prefix)
        if name not in ("COMPLETED", "REPLICA"):
            unsettled[prefix] += int(size)
    worst = sorted(unsettled.items(), key=lambda entry: (-entry[1], entry[0]))[:20]
    return {"statuses": statuses, "prefixes": len(prefixes), "worst": worst if len(prefixes) > 1 else []}


def ours(url: str, path: str, file_format: Any, files: int, depth: int) -> Callable[[], Any]:
    """Fetch from S3, check every MD5, and make the Summary."""
    summarized = _summarized(url, path, file_format, files, depth)

    def timed() -> Any:
        plain = summarized().to_dict()
        found = {name: [each["objects"], each["bytes"]] for name, each in plain["statuses"].items()}
        worst = [
            [
                entry["prefix"],
                sum(each["bytes"] for name, each in entry["statuses"].items() if name not in ("COMPLETED", "REPLICA")),
            ]
            for entry in plain["prefixes"]
        ]
        prefixes = len(plain["prefixes"]) + plain["other_prefixes"]["count"]
        return {"statuses": found, "prefixes": max(1, prefixes), "worst": worst[:20]}

    return timed


def grown(url: str, path: str, file_format: Any, files: int, depth: int) -> Callable[[], Any]:
    """Run ours, and return how many prefixes there were, and how many seconds the HTML report took."""
    summarized = _summarized(url, path, file_format, files, depth)

    def timed() -> Any:
        from airflow_provider_crr.inventory.render import render

        summary = summarized()
        began = time.perf_counter()
        render(summary, "html")
        seconds = time.perf_counter() - began
        return {"prefixes": len(summary.prefixes) + summary.other_prefixes.count, "render": seconds}

    return timed


def _summarized(url: str, path: str, file_format: Any, files: int, depth: int) -> Callable[[], Any]:
    # Not measured, like the imports of the other contenders.
    import duckdb  # noqa: F401
    import isal.isal_zlib  # noqa: F401
    import pyarrow.orc  # noqa: F401

    from airflow_provider_crr.inventory.engines.choice import choose_summarizer
    from airflow_provider_crr.inventory.engines.summarizer import SummaryRequest
    from airflow_provider_crr.inventory.manifest import Manifest

    client = _client(url)
    body, checksum = manifest(Path(path), file_format, files)
    parsed = Manifest.parse(body.encode(), uri="s3://files/manifest.json", checksum=checksum)
    return lambda: choose_summarizer("local", client).summarize(parsed, SummaryRequest(prefix_depth=depth))


def _client(url: str) -> Any:
    import boto3
    from botocore.config import Config

    session = boto3.Session("AKIDEXAMPLE", "secret", region_name="eu-west-1")
    return session.client("s3", endpoint_url=url, config=Config(s3={"addressing_style": "path"}))


def fetch(url: str, path: str, file_format: Any, files: int, depth: int) -> Callable[[], Any]:
    """Fetch each file, take its MD5 and unpack it if it is CSV: what nobody can leave out. No row is read."""
    from isal import isal_zlib

    client = _client(url)

    def timed() -> Any:
        for _ in range(files):
            body = client.get_object(Bucket="files", Key=Path(path).name)["Body"]
            md5 = hashlib.md5(usedforsecurity=False)
            unpack = isal_zlib.decompressobj(wbits=31)
            while chunk := body.read(128 * 1024):
                md5.update(chunk)
                if file_format == "CSV":
                    unpack.decompress(chunk)
        return None

    return timed


def python_csv(url: str, path: str, file_format: Any, files: int, depth: int) -> Callable[[], Any]:
    key, status, size = (COLUMNS.index(name) for name in ("key", "replication_status", "size"))

    def timed() -> Any:
        objects: Counter[tuple[str, str]] = Counter()
        sizes: Counter[tuple[str, str]] = Counter()
        for _ in range(files):
            with gzip.open(path, "rt", newline="") as lines:
                for row in csv.reader(lines):
                    segments = row[key].split("/")
                    group = ("".join(f"{each}/" for each in segments[:-1][:depth]), row[status])
                    objects[group] += 1
                    sizes[group] += int(row[size] or 0)
        return _answer((*group, count, sizes[group]) for group, count in objects.items())

    return timed


def pandas_chunks(url: str, path: str, file_format: Any, files: int, depth: int) -> Callable[[], Any]:
    import pandas

    def timed() -> Any:
        parts = []
        for _ in range(files):
            for chunk in pandas.read_csv(
                path,
                names=list(COLUMNS),
                usecols=["key", "size", "replication_status"],
                dtype={"size": "int64"},
                keep_default_na=False,
                chunksize=200_000,
            ):
                pattern = rf"^((?:[^/]*/){{0,{depth}}})"
                chunk["prefix"] = chunk["key"].str.extract(pattern, expand=False) if depth else ""
                parts.append(chunk.groupby(["prefix", "replication_status"])["size"].agg(["count", "sum"]))
        whole = pandas.concat(parts).groupby(level=[0, 1]).sum()
        return _answer((*group, count, size) for group, count, size in whole.itertuples())

    return timed


def polars_lazy(url: str, path: str, file_format: Any, files: int, depth: int) -> Callable[[], Any]:
    import polars

    def timed() -> Any:
        paths = [path] * files
        if file_format == "CSV":
            schema = {name: polars.Int64 if name == "size" else polars.String for name in COLUMNS}
            scan = polars.scan_csv(paths, has_header=False, schema=schema)
        else:
            scan = polars.scan_parquet(paths)
        key = polars.col("key").str.extract(rf"^((?:[^/]*/){{0,{depth}}})") if depth else polars.lit("")
        grouped = (
            scan.with_columns(key.alias("prefix"))
            .group_by("prefix", "replication_status")
            .agg(polars.len(), polars.col("size").sum().alias("bytes"))
        )
        return _answer(grouped.collect(engine="streaming").iter_rows())

    return timed


def duckdb_local(url: str, path: str, file_format: Any, files: int, depth: int) -> Callable[[], Any]:
    import duckdb

    if file_format == "CSV":
        columns = ", ".join(f"'{name}': '{'BIGINT' if name == 'size' else 'VARCHAR'}'" for name in COLUMNS)
        source = f"read_csv($paths, columns = {{{columns}}}, header = false, auto_detect = false, quote = '\"')"
    else:
        source = "read_parquet($paths)"
    prefix = _PREFIX % depth if depth else "''"

    def timed() -> Any:
        with duckdb.connect() as connection:
            rows = connection.execute(
                f"SELECT {prefix}, replication_status, count(*), sum(size) FROM {source} GROUP BY ALL",
                {"paths": [path] * files},
            ).fetchall()
        return _answer(rows)

    return timed


def pyarrow_loop(url: str, path: str, file_format: Any, files: int, depth: int) -> Callable[[], Any]:
    import pyarrow as pa
    import pyarrow.compute as pc
    from pyarrow import csv as pa_csv
    from pyarrow import orc, parquet

    wanted = ["key", "size", "replication_status"]

    def batches() -> Iterable[pa.RecordBatch]:
        for _ in range(files):
            if file_format == "CSV":
                yield from pa_csv.open_csv(
                    path,
                    read_options=pa_csv.ReadOptions(column_names=list(COLUMNS)),
                    convert_options=pa_csv.ConvertOptions(include_columns=wanted, column_types={"size": pa.int64()}),
                )
            elif file_format == "Parquet":
                yield from parquet.ParquetFile(path).iter_batches(columns=wanted)
            else:
                file = orc.ORCFile(path)
                yield from (file.read_stripe(number, columns=wanted) for number in range(file.nstripes))

    def timed() -> Any:
        parts = []
        for batch in batches():
            key = batch.column(batch.schema.get_field_index("key"))
            if depth:
                found = pc.extract_regex(key, rf"^(?P<prefix>(?:[^/]*/){{0,{depth}}})")
                prefix = pc.struct_field(found, "prefix")
            else:
                prefix = pa.array([""] * len(batch)) if len(batch) < 1 else pa.repeat(pa.scalar(""), len(batch))
            status = batch.column(batch.schema.get_field_index("replication_status"))
            status = pc.fill_null(status, "")
            table = pa.table(
                {"prefix": prefix, "status": status, "size": batch.column(batch.schema.get_field_index("size"))}
            )
            parts.append(table.group_by(["prefix", "status"]).aggregate([("size", "count"), ("size", "sum")]))
        whole = pa.concat_tables(parts).group_by(["prefix", "status"])
        total = whole.aggregate([("size_count", "sum"), ("size_sum", "sum")])
        columns = ("prefix", "status", "size_count_sum", "size_sum_sum")
        return _answer(zip(*(total.column(name).to_pylist() for name in columns), strict=True))

    return timed
