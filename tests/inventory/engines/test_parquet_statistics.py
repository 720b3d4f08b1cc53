"""What the footer of a Parquet file says of the values in it decides nothing: the rows are counted."""

from __future__ import annotations

import io
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import parquet

from airflow_provider_crr.inventory.summary import Summary, Volume
from tests.inventory.engines.test_bad_files import report
from tests.inventory.engines.test_columns import COLUMNS
from tests.inventory.store import Store
from tests.inventory.summaries import summarize_local


def summarized(store: Store, columns: dict[str, Any], true: bytes, said: bytes) -> Summary:
    """Return the summary of a report whose second file has one row, and says something else in its footer."""
    out = io.BytesIO()
    parquet.write_table(pa.table(COLUMNS | columns), out, store_schema=False, compression="NONE", use_dictionary=False)
    content = out.getvalue()
    footer = len(content) - 8 - int.from_bytes(content[-8:-4], "little")
    assert true in content[footer:]
    content = content[:footer] + content[footer:].replace(true, said)
    return summarize_local(store.s3, store.replace(store.hold(report("Parquet")), 1, content))


@pytest.mark.parametrize("said", [b"ABCDEF", b"ZZZZZZ", b"FAILEC"])
def test_a_status_that_is_not_between_the_least_and_the_greatest_counts(store: Store, said: bytes) -> None:
    """DuckDB concluded that no row is FAILED, and counted them as UNKNOWN."""
    found = summarized(store, {"replication_status": pa.array(["FAILED"])}, b"FAILED", said)
    assert found.statuses == {"FAILED": Volume(5, 9)}


def test_an_empty_status_counts_where_there_should_be_none(store: Store) -> None:
    """The number of empty values is not believed either."""
    status = {"replication_status": pa.array([None], pa.string())}
    # Thrift: null_count 1, distinct_count left out; then the same with 0.
    found = summarized(store, status, b"\x36\x02", b"\x36\x00")
    assert found.statuses["NONE"] == Volume(1, 5)


@pytest.mark.parametrize("marker", [True, False])
def test_flags_are_read_row_by_row(store: Store, marker: bool) -> None:
    """A file may say that all of its rows are delete markers, or none."""
    columns = {"is_delete_marker": pa.array([marker]), "replication_status": pa.array(["FAILED"])}
    true, said = (b"\x18\x01" + bytes([each]) + b"\x18\x01" + bytes([each]) for each in (marker, not marker))
    found = summarized(store, columns, true, said)
    assert (found.delete_markers, found.statuses["FAILED"].objects) == (int(marker), 4 + (not marker))
