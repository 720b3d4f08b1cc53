"""Reports to measure with: one stored file of a million rows, which a manifest may list under many names."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from local_aws.inventory.formats import EXTENSIONS, FileFormat, file_schema
from local_aws.inventory.row import FIELDS, USUAL_FIELDS

FOLDER = Path(__file__).parent.parent / "build" / "inventory"
SOURCE = "landing"
ROWS = 1_000_000
COLUMNS = tuple(FIELDS[name].column for name in USUAL_FIELDS)

#: The first segments of the keys. Either there are a thousand prefixes of two segments, or ten thousand of two and a
#: million of three, each with one row.
SHAPES = {
    "usual": "'team' || (r1 % 40) || '/table' || (r2 % 25) || '/'",
    "wide": "'team' || (i % 100) || '/table' || (i // 100 % 100) || '/customer-' || i || '/'",
}
#: The rows, as S3 writes them to CSV: 4 % are not COMPLETED, in no order; some keys have a segment less or two more.
_ROWS = """
SELECT '{source}' AS bucket,
    CASE WHEN r3 % 20 = 0 THEN 'manifest-' || r4 ELSE {prefix} || CASE WHEN r3 % 20 = 1 THEN 'raw/v2/' ELSE '' END
        || 'dt%3D' || strftime(DATE '2026-01-01' + (r1 // 64 % 365)::INTEGER, '%Y-%m-%d')
        || '/part-' || lower(hex(r4)) || '.parquet' END AS key,
    substr(md5(r4::VARCHAR), 1, 30) || '.A' AS version_id,
    CASE WHEN r3 // 32 % 10 = 0 THEN 'false' ELSE 'true' END AS is_latest, 'false' AS is_delete_marker,
    (r3 % 10000000)::VARCHAR AS size,
    strftime(TIMESTAMP '2026-11-19' - to_seconds((r4 % 1600000)::BIGINT), '%Y-%m-%dT%H:%M:%S.000Z')
        AS last_modified_date,
    md5(r3::VARCHAR) AS e_tag, 'STANDARD' AS storage_class, 'false' AS is_multipart_uploaded,
    CASE WHEN r2 // 4096 % 1000 < 960 THEN 'COMPLETED' WHEN r2 // 4096 % 1000 < 975 THEN 'PENDING'
        WHEN r2 // 4096 % 1000 < 980 THEN 'FAILED' WHEN r2 // 4096 % 1000 < 990 THEN 'REPLICA' ELSE '' END
        AS replication_status,
    'SSE-S3' AS encryption_status
FROM (SELECT i, hash(i, 1) AS r1, hash(i, 2) AS r2, hash(i, 3) AS r3, hash(i, 4) AS r4 FROM range({rows}) t(i))
"""
_TYPED = """
SELECT * REPLACE (url_decode(key) AS key, is_latest::BOOLEAN AS is_latest,
    is_delete_marker::BOOLEAN AS is_delete_marker, is_multipart_uploaded::BOOLEAN AS is_multipart_uploaded,
    size::BIGINT AS size, last_modified_date::TIMESTAMP AS last_modified_date,
    nullif(replication_status, '') AS replication_status)
FROM ({rows})
"""


def stored(shape: str, file_format: FileFormat, rows: int = ROWS) -> Path:
    """Return the file of this shape and format; it is made on first use."""
    path = FOLDER / f"{shape}-{rows}.{EXTENSIONS[file_format]}"
    if not path.exists():
        FOLDER.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(".part")
        _write(_ROWS.format(source=SOURCE, prefix=SHAPES[shape], rows=rows), file_format, part)
        part.rename(path)
    return path


def _write(rows: str, file_format: FileFormat, path: Path) -> None:
    import duckdb

    # One thread, so that the rows have the same order however many processors there are.
    with duckdb.connect(config={"threads": 1}) as connection:
        if file_format == "CSV":
            connection.execute(f"COPY ({rows}) TO '{path}' (FORMAT csv, HEADER false, FORCE_QUOTE *, COMPRESSION gzip)")
        elif file_format == "Parquet":
            connection.execute(f"COPY ({_TYPED.format(rows=rows)}) TO '{path}' (FORMAT parquet, COMPRESSION snappy)")
        else:
            from pyarrow import orc

            table: Any = connection.sql(_TYPED.format(rows=rows)).to_arrow_table()
            orc.write_table(table, path, compression="zlib")


def manifest(path: Path, file_format: FileFormat, files: int) -> tuple[str, str]:
    """Return the body of a manifest.json that lists a stored file under a number of names, and its MD5."""
    content = path.read_bytes()
    about = {"size": len(content), "MD5checksum": hashlib.md5(content, usedforsecurity=False).hexdigest()}
    entries = [{"key": _another_name(path, number), **about} for number in range(files)]
    body = json.dumps(
        {
            "sourceBucket": SOURCE,
            "destinationBucket": "arn:aws:s3:::files",
            "version": "2016-11-30",
            "creationTimestamp": "1795050000000",
            "fileFormat": file_format,
            "fileSchema": file_schema([FIELDS[name] for name in USUAL_FIELDS], file_format, "STRING"),
            "files": entries,
        }
    )
    return body, hashlib.md5(body.encode(), usedforsecurity=False).hexdigest()


def _another_name(path: Path, number: int) -> str:
    # A manifest that lists a file twice is refused.
    link = path.with_name(f"{number}-{path.name}")
    if not link.exists():
        link.symlink_to(path.name)
    return link.name
