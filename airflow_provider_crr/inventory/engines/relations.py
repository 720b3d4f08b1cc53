"""The data files of each format as SQL relations, with the names and types of columns that the query reads."""

# ruff: noqa: S608 - text of a report reaches SQL as a parameter only

from __future__ import annotations

from collections.abc import Collection

from airflow_provider_crr.inventory.engines.columns import TYPES, read_names
from airflow_provider_crr.inventory.engines.csv_text import MAX_RECORD_BYTES

#: Name of the relation that is an ORC file.
ORC_RELATION = "orc_file"
#: Readers take no columns from paths, and add none.
_NOTHING_OF_THE_PATH = "hive_partitioning = false, hive_types_autocast = false, union_by_name = false, filename = false"
#: ``2026-11-20T01:00:00.000Z``, with or without the fraction. DuckDB's cast also takes days, other separators, blanks,
#: 24:00, BC, "epoch" and "infinity", and ignores an offset or a zone.
_TIME = "[0-9]{4}-[0-9]{2}-[0-9]{2}T(?:[01][0-9]|2[0-3]):[0-9]{2}:[0-9]{2}(?:[.][0-9]{1,9})?Z"


def csv_sql(fields: Collection[str], *, parallel: bool = True) -> str:
    """
    Return the relation of an unpacked CSV file, whose path is ``$path``. DuckDB guesses nothing, and skips nothing.

    The column ``text_bytes`` is the number of bytes that the values of a row have in the file.

    :param fields: the columns of the report, in order.
    :param parallel: whether several threads read the file, each beginning at another place. If a place is inside a
        field with line breaks, DuckDB notices and raises; such a file must be read without ``parallel``.
    """
    names = [name if name in TYPES else f"column{number}" for number, name in enumerate(fields)]
    # All columns are read as text, and an empty text stays one: DuckDB's own casts take what S3 does not write.
    columns = ", ".join(f"{name}: 'VARCHAR'" for name in names)
    text = (
        f"read_csv($path, columns = {{{columns}}}, force_not_null = [{', '.join(map(repr, names))}], "
        "auto_detect = false, all_varchar = true, header = false, skip = 0, normalize_names = false, "
        "delim = ',', quote = '\"', escape = '\"', comment = '', new_line = '\\n', nullstr = '', "
        "encoding = 'utf-8', compression = 'none', strict_mode = true, null_padding = false, "
        f"ignore_errors = false, store_rejects = false, max_line_size = {MAX_RECORD_BYTES}, "
        f"{_NOTHING_OF_THE_PATH}, parallel = {str(parallel).lower()})"
    )
    values = ", ".join(f"{_csv_value(name)} AS {name}" for name in read_names(fields))
    # Cast in a layer below, so that it happens once: each value is used twice (measured: 0.1 s for a million rows).
    cast = "".join(
        f", try_cast({name} AS {TYPES[name]}) AS {name}_cast"
        for name in ("size", "last_modified_date")
        if name in fields
    )
    sizes = " + ".join(f"strlen({name})" for name in names)
    return f"SELECT {values}, {sizes} AS text_bytes FROM (SELECT *{cast} FROM {text})"


def _csv_value(name: str) -> str:
    # A value that S3 would not write ends the statement, with an error that quotes it. An empty value is NULL.
    match TYPES[name]:
        case "BOOLEAN":
            # Lower case is the usual one, but S3 does not document it. DuckDB's cast also takes "t", "1", "yes".
            other = f"CASE lower({name}) WHEN 'true' THEN true WHEN 'false' THEN false ELSE {_wrong(name)} END"
            return f"CASE {name} WHEN 'true' THEN true WHEN 'false' THEN false WHEN '' THEN NULL ELSE {other} END"
        case "UBIGINT":
            # Compared as text, since DuckDB's cast also takes 5.5, 1e3, 0x10, 1_000, +5 and blanks.
            right = f"{name}_cast::VARCHAR = {name}"
            return f"CASE WHEN {right} THEN {name}_cast WHEN {name} = '' THEN NULL ELSE {_wrong(name)} END"
        case "TIMESTAMP":
            right = f"{name}_cast IS NOT NULL AND regexp_full_match({name}, '{_TIME}')"
            return f"CASE WHEN {right} THEN {name}_cast WHEN {name} = '' THEN NULL ELSE {_wrong(name)} END"
        case _:
            return name


def _wrong(name: str) -> str:
    expected = {"BOOLEAN": "true or false", "UBIGINT": "digits", "TIMESTAMP": "a time like 2026-11-20T01:00:00.000Z"}
    text = f"' has {name} \"', left({name}, 100), '\"; S3 writes {expected[TYPES[name]]}'"
    return f"error(concat('the row of key ', left(key, 1024), {text}))"


def parquet_sql(fields: Collection[str]) -> str:
    """
    Return the relation of a Parquet file, whose path is ``$path``.

    :param fields: the columns of the report.
    """
    return (
        f"SELECT {_columns(fields)} FROM read_parquet($path, binary_as_string = false, file_row_number = false, "
        f"{_NOTHING_OF_THE_PATH})"
    )


def orc_sql(fields: Collection[str]) -> str:
    """
    Return the relation of the ORC file that is registered as :data:`ORC_RELATION`.

    :param fields: the columns of the report.
    """
    return f"SELECT {_columns(fields)} FROM {ORC_RELATION}"


def _columns(fields: Collection[str]) -> str:
    # Sizes are signed in the file. LastModifiedDate is not cast: if its type has a time zone, the cast would give local
    # time; the query takes its epoch.
    return ", ".join(
        name if name == "last_modified_date" else f"{name}::{TYPES[name]} AS {name}" for name in read_names(fields)
    )
