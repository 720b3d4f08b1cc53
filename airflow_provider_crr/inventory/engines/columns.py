"""
The columns that are read, and their types as S3 documents them.

From `Amazon S3 Inventory list <https://docs.aws.amazon.com/AmazonS3/latest/userguide/storage-inventory.html>`__ and the
schemas in `Locating your inventory list
<https://docs.aws.amazon.com/AmazonS3/latest/userguide/storage-inventory-location.html>`__. The types of a file are
checked, because DuckDB would cast a wrong one: a struct to text, ``5.5`` to 6, and a time of day to a day in 1970.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Any

from airflow_provider_crr.errors import InventoryFileInvalid
from airflow_provider_crr.inventory.manifest import NAME_ANOTHER

#: The columns that the query reads, and their types in it. A manifest may have any other name; only these become SQL.
TYPES = {
    "bucket": "VARCHAR",
    "key": "VARCHAR",
    "version_id": "VARCHAR",
    "is_latest": "BOOLEAN",
    "is_delete_marker": "BOOLEAN",
    "size": "UBIGINT",
    "last_modified_date": "TIMESTAMP",
    "replication_status": "VARCHAR",
}
#: The columns of a Parquet file, in the order of the file; a column is followed by those inside it.
PARQUET_COLUMNS_SQL = """
SELECT name, type, coalesce(converted_type, '') AS converted, coalesce(logical_type, '') AS logical,
    coalesce(num_children, 0) AS children, repetition_type AS repetition
FROM parquet_schema($path)"""

#: What S3 documents for each of those types: in Parquet, and in ORC.
_EXPECTED = {
    "VARCHAR": ("BYTE_ARRAY UTF8 or STRING", "string"),
    "BOOLEAN": ("BOOLEAN", "bool"),
    "UBIGINT": ("INT64", "int64"),
    "TIMESTAMP": ("INT64 TIMESTAMP", "timestamp"),
}


def read_names(fields: Collection[str]) -> list[str]:
    """
    Return the columns of a report that are read.

    :param fields: all of its columns.
    """
    return [name for name in TYPES if name in fields]


def check_parquet(schema: Sequence[Sequence[Any]], fields: Collection[str], uri: str) -> None:
    """
    Refuse a Parquet file whose columns are not those of S3.

    :param schema: the result of :data:`PARQUET_COLUMNS_SQL` for the file.
    :param fields: the columns of the report.
    :param uri: its S3 URI, for messages.
    :raises InventoryFileInvalid: if a column that is read is missing, there twice, or of another type.
    """
    columns = list(_top_level(schema))
    _once_each([column[0] for column in columns], fields, uri)
    for name, physical, converted, logical, children, repetition in columns:
        if name not in fields or name not in TYPES:
            continue
        actual = " ".join(filter(None, (repetition, "group" if children else physical, converted, logical)))
        if children or repetition == "REPEATED" or not _is_parquet(TYPES[name], physical, converted, logical):
            raise _other_type(name, actual, _EXPECTED[TYPES[name]][0], uri)


def _top_level(schema: Sequence[Sequence[Any]]) -> Iterable[Sequence[Any]]:
    inside = 0
    for column in schema[1:]:  # the first one is the root
        if not inside:
            yield column
        inside += column[4] - (inside > 0)


def _is_parquet(wanted: str, physical: str, converted: str, logical: str) -> bool:
    # Writers use the annotation of 2013 (the converted type), that of 2018 (the logical type), or both (LogicalTypes.md
    # of parquet-format). DuckDB prints a logical type as Thrift does.
    match wanted:
        case "VARCHAR":
            return physical == "BYTE_ARRAY" and (converted == "UTF8" or logical.startswith("StringType"))
        case "BOOLEAN":
            return (physical, converted, logical) == ("BOOLEAN", "", "")
        case "UBIGINT":
            # The annotation INT_64 adds nothing to the type INT64.
            signed = not logical or (logical.startswith("IntType") and "isSigned=1" in logical)
            return physical == "INT64" and converted in ("", "INT_64") and signed
        case _:
            # S3 writes milliseconds. Other units, as pyarrow and DuckDB write them, are read rightly, too. The time is
            # UTC, whatever the annotation says.
            stamp = converted in ("TIMESTAMP_MILLIS", "TIMESTAMP_MICROS") or logical.startswith("TimestampType")
            return physical == "INT64" and stamp


def check_orc(columns: Sequence[tuple[str, Any]], fields: Collection[str], uri: str) -> None:
    """
    Refuse an ORC file whose columns are not those of S3.

    :param columns: the names of its columns, and their types in pyarrow.
    :param fields: the columns of the report.
    :param uri: its S3 URI, for messages.
    :raises InventoryFileInvalid: if a column that is read is missing, there twice, or of another type.
    """
    from pyarrow import types

    is_type = {
        "VARCHAR": types.is_string,
        "BOOLEAN": types.is_boolean,
        "UBIGINT": types.is_int64,
        # Not "timestamp with local time zone", which S3 does not write.
        "TIMESTAMP": lambda column_type: types.is_timestamp(column_type) and column_type.tz is None,
    }
    _once_each([name for name, _ in columns], fields, uri)
    for name, column_type in columns:
        if name in fields and name in TYPES and not is_type[TYPES[name]](column_type):
            raise _other_type(name, str(column_type), _EXPECTED[TYPES[name]][1], uri)


def _once_each(names: Sequence[str], fields: Collection[str], uri: str) -> None:
    # Readers differ: to DuckDB, Key and key are the same column; of two columns with one name, pyarrow takes the last.
    for wanted in read_names(fields):
        alike = [name for name in names if name.lower() == wanted]
        if alike != [wanted]:
            has = f"the columns {', '.join(alike)}" if alike else "none"
            raise InventoryFileInvalid(
                f"its manifest lists one column {wanted}, the file has {has}", uri=uri, remedy=NAME_ANOTHER
            )


def _other_type(name: str, actual: str, expected: str, uri: str) -> InventoryFileInvalid:
    return InventoryFileInvalid(
        f"its column {name} is {actual[:300]}; S3 writes {expected}", uri=uri, remedy=NAME_ANOTHER
    )
