"""
The one SQL statement that says what a summary is, as text in DuckDB's dialect.

It has three layers. The first one reads the report, once::

    summary_sql(facts_sql(groups_sql(report)))

Files arrive one by one, so the first two layers run for each file, and the third one over the facts of all files. The
result is the same, because a fact of two files is the sum, or the least, of the facts of each.

========  ==========================================================================================
groups    ``name, version, status, modified_ms, objects, bytes, noncurrent, defect``. Each version that
          is PENDING or FAILED has a row, and ``name`` is its key: the next layers need it for the oldest,
          the sample, and the Batch Operations manifest. Of all others there is a row for each status and
          prefix, which is the ``name``. Only counts and sums, which DuckDB can move to disk, over few and
          narrow columns, because grouping takes most of the time (measured). Rows not asked for have
          status -1; the next layers leave them out, but ``objects`` add up to the rows of the report.
facts     ``kind, name, status, at_ms, objects, bytes, noncurrent``. Few rows, except for one for each
          prefix and status.
summary   ``kind, rank, name, status, at_ms, objects, bytes, noncurrent``. A few hundred rows at most.
========  ==========================================================================================
"""

# ruff: noqa: S608 - text of a report reaches SQL as a parameter only

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta

from airflow_provider_crr.batch import repair_manifest
from airflow_provider_crr.inventory.summary import AGE_BANDS, MAX_FAILED_SAMPLE, MAX_PREFIXES, SETTLED
from airflow_provider_crr.s3.objects import MAX_KEY_BYTES, MAX_VERSION_ID_BYTES

#: Why a row is refused, by the code in the column ``defect``. Of a file, the highest code is reported.
DEFECTS = {
    1: "a version without IsLatest",
    2: "a PENDING version without LastModifiedDate",
    3: "a row without a key",
    4: "a row of another bucket",
    5: "a PENDING version whose LastModifiedDate is before 1970 or after 9999",
    6: "a key that is not URL-encoded as S3 does it",
    7: "a key or version id of more than 1,024 bytes, or with a NUL",
}
_LAST_MS = 253_402_300_799_999  # the last moment that Python and S3 can write down
#: The columns of the last layer.
SUMMARY_COLUMNS = ("kind", "rank", "name", "status", "at_ms", "objects", "bytes", "noncurrent")
SORTED_BY = 4  # its rows are to be sorted by so many of these columns
#: The column ``status`` of the first layer is an index into this.
STATUSES = ("DELETE MARKER", "PENDING", "FAILED", "COMPLETED", "REPLICA", "NONE", "UNKNOWN")
_MARKER, _PENDING, _FAILED, _COMPLETED, _REPLICA, _NONE, _UNKNOWN = range(len(STATUSES))
_LEFT_OUT = -1
#: DuckDB's url_decode leaves a wrong code as it is; that would be another key.
_BADLY_ENCODED = "WHEN contains(name, '%') AND NOT regexp_full_match(name, '(?s:(?:[^%]|%[0-9A-Fa-f]{2})*)') THEN 6"


def groups_sql(
    report: str,
    fields: Collection[str],
    *,
    prefix_depth: int = 0,
    versions: str = "all",
    encoded: bool = False,
    sums: Collection[str] = (),
) -> str:
    """
    Return the layer that reads the rows, once. ``$bucket`` is the bucket of which they must be.

    :param report: a relation, its columns named as in :attr:`Manifest.fields`.
    :param fields: which columns it has.
    :param prefix_depth: how many key segments make a prefix; 0 for no prefixes.
    :param versions: ``all``, or ``current`` for the rows that are the latest version. A report without version
        columns lists nothing else.
    :param encoded: whether keys are URL-encoded, which they are in CSV only. The next layer decodes them, because it
        has fewer; most keys of a data lake need it (``dt=2026-11-20`` is ``dt%3D2026-11-20``).
    :param sums: further columns of the relation to add up, for the caller; the next layers do not need them.
    """
    versioned = "is_latest" in fields
    # A row that does not say whether it is the latest version is not left out here, but refused below.
    left_out = "is_latest IS FALSE" if versioned and versions == "current" else "false"
    marker = "is_delete_marker IS TRUE" if versioned else "false"
    # The most frequent status first.
    status = f"""CASE WHEN {left_out} THEN {_LEFT_OUT}
        WHEN {marker} THEN {_MARKER}
        WHEN replication_status = 'COMPLETED' THEN {_COMPLETED}
        WHEN replication_status = 'PENDING' THEN {_PENDING}
        WHEN replication_status = 'FAILED' THEN {_FAILED}
        WHEN replication_status = 'REPLICA' THEN {_REPLICA}
        WHEN replication_status IS NULL OR replication_status IN ('', 'NONE') THEN {_NONE}
        -- In S3's API model since 2015; some S3-compatible stores write it.
        WHEN replication_status = 'COMPLETE' THEN {_COMPLETED}
        -- One name for all others: a million different ones must not make a million rows.
        ELSE {_UNKNOWN} END"""
    one_by_one = f"status IN ({_PENDING}, {_FAILED})"
    # An empty version id is that of the "null version", written before versioning was turned on.
    version = "coalesce(nullif(version_id, ''), 'null')" if versioned else "NULL::VARCHAR"
    # DuckDB 2.0 has TIMESTAMPTZ_NS, which epoch_us does not take. The zone of the cast is UTC.
    modified = "epoch_us(last_modified_date::TIMESTAMPTZ) // 1000" if "last_modified_date" in fields else "NULL::BIGINT"
    defect = f"""CASE WHEN {"bucket IS DISTINCT FROM $bucket" if "bucket" in fields else "$bucket IS NULL"} THEN 4
        WHEN key IS NULL OR key = '' THEN 3 WHEN {"is_latest IS NULL" if versioned else "false"} THEN 1
        WHEN strlen(key) > {3 * MAX_KEY_BYTES} THEN 7
        WHEN {"strlen(version_id)" if versioned else "0"} > {MAX_VERSION_ID_BYTES} THEN 7 ELSE 0 END"""
    return f"""
SELECT name, version, status, min(modified_ms) AS modified_ms, count(*) AS objects,
    {"coalesce(sum(size), 0)" if "size" in fields else "0"} AS bytes,
    {"count(*) FILTER (WHERE NOT is_latest)" if versioned else "0"} AS noncurrent, max(defect) AS defect
    {"".join(f", sum({name}) AS {name}" for name in sums)}
FROM (
    SELECT *,
        CASE WHEN status > {_FAILED} THEN {_prefix("key", prefix_depth, encoded)}
            WHEN {one_by_one} THEN key ELSE '' END AS name,
        CASE WHEN {one_by_one} THEN {version} END AS version,
        CASE WHEN status = {_PENDING} THEN {modified} END AS modified_ms,
        {defect} AS defect
    FROM (SELECT *, CAST({status} AS TINYINT) AS status FROM ({report}))
)
GROUP BY name, version, status"""


def facts_sql(
    groups: str, fields: Collection[str], *, created_at: datetime, prefix_depth: int = 0, encoded: bool = False
) -> str:
    """
    Return the layer that makes facts of the groups.

    :param groups: :func:`groups_sql`, or a table with its result.
    :param fields: which columns the report has.
    :param created_at: when S3 began the listing. Ages count from then; a version that was written later has age 0.
    :param prefix_depth: how many key segments make a prefix; 0 for no prefixes.
    :param encoded: whether the keys and prefixes in the groups are URL-encoded.
    """
    dated = "last_modified_date" in fields
    upper = [bound for _, bound in AGE_BANDS if bound is not None]
    age = f"({_milliseconds(created_at)} - modified_ms)"
    band = " ".join(f"WHEN {age} < {bound * 1000} THEN '{index}'" for index, bound in enumerate(upper))
    shown = _decoded("name", encoded)
    uri = f"concat({shown}, '?versionId=' || version)"
    word = " ".join(f"WHEN {number} THEN '{name}'" for number, name in enumerate(STATUSES))
    return f"""
WITH grouped AS MATERIALIZED ({groups}),
counted AS (
    SELECT CASE WHEN status > {_FAILED} THEN name ELSE {_prefix("name", prefix_depth, encoded)} END AS prefix, status,
        sum(objects) AS objects, sum(bytes) AS bytes, sum(noncurrent) AS noncurrent
    FROM grouped WHERE status > {_MARKER} GROUP BY ALL)
SELECT 'defect' AS kind, '' AS name, '' AS status, max(CASE
        WHEN defect = 0 AND status = {_PENDING} AND {str(dated).lower()} AND modified_ms IS NULL THEN 2
        WHEN defect = 0 AND status = {_PENDING} AND modified_ms NOT BETWEEN 0 AND {_LAST_MS} THEN 5
        {_BADLY_ENCODED if encoded else ""}
        WHEN strlen({shown}) > {MAX_KEY_BYTES} OR contains(concat({shown}, version), chr(0)) THEN 7
        ELSE defect END)::BIGINT AS at_ms,
    0::HUGEINT AS objects, 0::HUGEINT AS bytes, 0::HUGEINT AS noncurrent FROM grouped
UNION ALL
SELECT 'marker', '', '', NULL, sum(objects), 0, 0 FROM grouped WHERE status = {_MARKER}
UNION ALL
SELECT 'prefix', {_decoded("prefix", encoded)}, CASE status {word} END, NULL, objects, bytes, noncurrent FROM counted
UNION ALL
SELECT 'age', CASE {band} ELSE '{len(upper)}' END, 'PENDING', NULL, sum(objects), sum(bytes), 0
FROM grouped WHERE status = {_PENDING} AND modified_ms IS NOT NULL GROUP BY ALL
UNION ALL
(SELECT 'oldest', {uri}, 'PENDING', modified_ms, objects, bytes, 0
FROM grouped WHERE status = {_PENDING} AND modified_ms IS NOT NULL ORDER BY modified_ms, {uri} LIMIT 1)
UNION ALL
(SELECT DISTINCT 'failed', {uri} AS name, 'FAILED', NULL::BIGINT, 0, 0, 0
FROM grouped WHERE status = {_FAILED} ORDER BY name LIMIT {MAX_FAILED_SAMPLE})"""


def merged_sql(facts: str) -> str:
    """
    Return the facts of several files added up, as if they were one file.

    :param facts: :func:`facts_sql`, or a table with its result.
    """
    return f"""
SELECT kind, name, status, at_ms, sum(objects) AS objects, sum(bytes) AS bytes, sum(noncurrent) AS noncurrent
FROM ({facts}) GROUP BY kind, name, status, at_ms"""


def summary_sql(facts: str, *, prefix_depth: int = 0) -> str:
    """
    Return the last layer: the totals, the worst prefixes, and the other prefixes together.

    :param facts: :func:`facts_sql`, or a table with the facts of all files.
    :param prefix_depth: how many key segments make a prefix; with 0 the prefixes are left out.
    """
    unsettled = f"status NOT IN ({', '.join(repr(status) for status in sorted(SETTLED))})"
    return f"""
WITH every_fact AS MATERIALIZED ({merged_sql(facts)}),
statuses AS (SELECT * FROM every_fact WHERE kind = 'prefix'),
prefixes AS MATERIALIZED (
    SELECT name, sum(CASE WHEN {unsettled} THEN bytes ELSE 0 END) AS worst_bytes,
        sum(CASE WHEN {unsettled} THEN objects ELSE 0 END) AS worst_objects
    FROM statuses WHERE {int(prefix_depth)} > 0 GROUP BY name),
worst AS MATERIALIZED (
    SELECT name, row_number() OVER (ORDER BY worst_bytes DESC, worst_objects DESC, name) AS rank
    FROM (SELECT * FROM prefixes ORDER BY worst_bytes DESC, worst_objects DESC, name LIMIT {MAX_PREFIXES}))
SELECT 'status' AS kind, 0 AS rank, '' AS name, status, NULL AS at_ms,
    sum(objects) AS objects, sum(bytes) AS bytes, sum(noncurrent) AS noncurrent FROM statuses GROUP BY status
UNION ALL
SELECT 'prefix', rank, name, status, NULL, objects, bytes, noncurrent FROM statuses JOIN worst USING (name)
UNION ALL
SELECT 'other', 0, '', status, NULL, sum(objects), sum(bytes), sum(noncurrent)
FROM statuses ANTI JOIN worst USING (name) WHERE {int(prefix_depth)} > 0 GROUP BY status
UNION ALL
SELECT 'prefixes', 0, '', '', NULL, count(*), 0, 0 FROM prefixes
UNION ALL
SELECT kind, 0, name, status, at_ms, objects, bytes, 0 FROM every_fact WHERE kind IN ('age', 'marker', 'defect')
UNION ALL
(SELECT kind, 0, name, status, at_ms, objects, bytes, 0
FROM every_fact WHERE kind = 'oldest' ORDER BY at_ms, name LIMIT 1)
UNION ALL
(SELECT kind, 0, name, status, at_ms, 0, 0, 0
FROM every_fact WHERE kind = 'failed' ORDER BY name LIMIT {MAX_FAILED_SAMPLE})"""


def repair_sql(
    groups: str, fields: Collection[str], *, created_at: datetime, pending_older_than: timedelta | None, encoded: bool
) -> str:
    """
    Return the rows of the Batch Operations manifest: each FAILED version once, and each that is PENDING for too long.

    :param groups: a table with the result of :func:`groups_sql`. ``$bucket`` is the bucket that was listed.
    :param fields: which columns the report has.
    :param created_at: when S3 began the listing.
    :param pending_older_than: age from which a PENDING version is listed; None lists FAILED ones only.
    :param encoded: whether the keys in the groups are URL-encoded.
    """
    wanted = f"status = {_FAILED}"
    if pending_older_than is not None:
        wanted += f" OR status = {_PENDING} AND modified_ms < {_milliseconds(created_at - pending_older_than)}"
    # A key's own "%2F" has become "%252F" by now.
    slash = repair_manifest.NOT_ENCODED
    key = f"replace(url_encode({_decoded('name', encoded)}), '%{ord(slash):X}', '{slash}')"
    columns = {"Bucket": "$bucket", "Key": key, "VersionId": "version"}
    row = ", ".join(columns[name] for name in repair_manifest.fields(versions="version_id" in fields))
    return f"SELECT {row} FROM {groups} WHERE {wanted}"


def _decoded(expression: str, encoded: bool) -> str:
    # S3 encodes the keys of a CSV report as HTML forms are: a space is "+", and a plus is "%2B".
    return f"url_decode(replace({expression}, '+', ' '))" if encoded else expression


def _prefix(key: str, depth: int, encoded: bool) -> str:
    # S3 does not document whether it encodes "/"; a segment ends there in both cases.
    slash = "(?:/|%2[Ff])" if encoded else "/"
    return rf"regexp_extract({key}, '^(?s:.*?{slash}){{0,{depth}}}')" if depth else "''"


def _milliseconds(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)
