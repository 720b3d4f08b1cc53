"""The three file formats of S3 Inventory: how rows are written, and how the manifest spells their schema."""

from __future__ import annotations

import csv
import gzip
import io
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from operator import attrgetter
from typing import Any, Literal
from urllib.parse import quote_plus

import pyarrow as pa
from pyarrow import orc, parquet

from local_aws.inventory.row import Field, Row

FileFormat = Literal["CSV", "ORC", "Parquet"]
ParquetSchemaStyle = Literal["UTF8", "STRING"]

EXTENSIONS: dict[FileFormat, str] = {"CSV": "csv.gz", "ORC": "orc", "Parquet": "parquet"}


class DataFile(ABC):
    """
    One data file, written in chunks.

    :param fields: its columns.
    """

    def __init__(self, fields: Sequence[Field]) -> None:
        self.fields = fields
        self._values = attrgetter(*(field.column for field in fields))

    def add(self, rows: Iterable[Row]) -> None:
        """Write some rows; at least one."""
        columns = zip(*map(self._values, rows), strict=True)
        self.add_columns(list(zip(self.fields, columns, strict=True)))

    @abstractmethod
    def add_columns(self, columns: list[tuple[Field, Sequence[Any]]]) -> None:
        """Write the same number of values to every column."""

    @abstractmethod
    def finish(self) -> bytes:
        """Return the file."""


class CsvFile(DataFile):
    """Gzip of UTF-8 text: no header, every value in double quotes, nothing between them where there is no value."""

    def __init__(self, fields: Sequence[Field]) -> None:
        super().__init__(fields)
        self._stored = io.BytesIO()
        # A fixed time in the header: the same rows make the same file, and the same MD5.
        self._text = io.TextIOWrapper(gzip.GzipFile(fileobj=self._stored, mode="wb", compresslevel=6, mtime=0), "utf-8")
        self._writer = csv.writer(self._text, quoting=csv.QUOTE_ALL, lineterminator="\n")

    def add_columns(self, columns: list[tuple[Field, Sequence[Any]]]) -> None:
        """Write the same number of values to every column."""
        self._writer.writerows(zip(*(_csv_column(field, values) for field, values in columns), strict=True))

    def finish(self) -> bytes:
        """Return the file."""
        self._text.close()
        return self._stored.getvalue()


def _csv_column(field: Field, values: Sequence[Any]) -> Iterable[Any]:
    # csv writes None as nothing, and texts and numbers as they are.
    match field.kind:
        case "key":
            return map(csv_key, values)
        case "flag":
            return (None if value is None else "true" if value else "false" for value in values)
        case "time":
            return (None if value is None else _csv_time(value) for value in values)
        case _:
            return values


def csv_key(key: str) -> str:
    """Encode a key as S3 does in CSV reports: like the value of a form, with slashes left alone."""
    # Java's encoder, which S3 uses, leaves * alone and encodes ~; Python's does the opposite.
    return quote_plus(key, safe="/*").replace("~", "%7E")


def _csv_time(value: datetime) -> str:
    return value.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class ArrowFile(DataFile):
    """A columnar file: real types, and keys as they are."""

    #: Arrow's type of each kind of value.
    types: dict[str, Any]

    def __init__(self, fields: Sequence[Field]) -> None:
        super().__init__(fields)
        self.schema = pa.schema(
            [
                pa.field(field.column, self.types[field.kind], nullable=field.name not in ("Bucket", "Key"))
                for field in fields
            ]
        )
        self._sink = pa.BufferOutputStream()
        self._writer = self._open()

    @abstractmethod
    def _open(self) -> Any:
        """Return a writer to the sink."""

    def add_columns(self, columns: list[tuple[Field, Sequence[Any]]]) -> None:
        """Write the same number of values to every column."""
        arrays = [_arrow_column(field, values).cast(self.types[field.kind]) for field, values in columns]
        self._write(pa.Table.from_arrays(arrays, schema=self.schema))

    @abstractmethod
    def _write(self, table: Any) -> None:
        """Write the rows of a table."""

    def finish(self) -> bytes:
        """Return the file."""
        self._writer.close()
        stored: bytes = self._sink.getvalue().to_pybytes()
        return stored


def _arrow_column(field: Field, values: Sequence[Any]) -> Any:
    return pa.array(values, type=_IN_MEMORY[field.kind])


_IN_MEMORY = {
    "text": pa.string(),
    "key": pa.string(),
    "flag": pa.bool_(),
    "number": pa.int64(),
    "time": pa.timestamp("ms", tz="UTC"),
}


class ParquetFile(ArrowFile):
    """Snappy; times are milliseconds, in UTC."""

    types = _IN_MEMORY

    def _open(self) -> Any:
        # S3's files do not have the schema that Arrow adds for itself.
        return parquet.ParquetWriter(self._sink, self.schema, compression="snappy", store_schema=False)

    def _write(self, table: Any) -> None:
        self._writer.write_table(table)


class OrcFile(ArrowFile):
    """Zlib; times have no zone, and mean UTC."""

    types = _IN_MEMORY | {"time": pa.timestamp("ns")}

    def _open(self) -> Any:
        return orc.ORCWriter(self._sink, compression="zlib")

    def _write(self, table: Any) -> None:
        self._writer.write(table)


FILES: dict[FileFormat, type[DataFile]] = {"CSV": CsvFile, "ORC": OrcFile, "Parquet": ParquetFile}


def file_schema(fields: Sequence[Field], file_format: FileFormat, style: ParquetSchemaStyle) -> str:
    """
    Spell the schema as the manifest does.

    :param fields: the columns.
    :param file_format: which of the three.
    :param style: of Parquet's two spellings, the documented one (UTF8), or the one seen in real reports (STRING).
    """
    if file_format == "CSV":
        return ", ".join(field.name for field in fields)
    if file_format == "ORC":
        types = {"text": "string", "key": "string", "flag": "boolean", "number": "bigint", "time": "timestamp"}
        return f"struct<{','.join(f'{field.column}:{types[field.kind]}' for field in fields)}>"
    text, time, gap, end = {
        "UTF8": ("UTF8", "TIMESTAMP_MILLIS", " ", " }"),
        "STRING": ("STRING", "TIMESTAMP(MILLIS,true)", "  ", "}"),
    }[style]
    spelled = {
        "text": ("binary", f" ({text})"),
        "key": ("binary", f" ({text})"),
        "flag": ("boolean", ""),
        "number": ("int64", ""),
        "time": ("int64", f" ({time})"),
    }
    columns = (
        f"{gap}{'required' if field.name in ('Bucket', 'Key') else 'optional'} "
        f"{spelled[field.kind][0]} {field.column}{spelled[field.kind][1]};"
        for field in fields
    )
    return f"message s3.inventory {{{''.join(columns)}{end}"
