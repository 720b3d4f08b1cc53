"""
The one SQL statement that says what a summary is; text only, in DuckDB's dialect.

It has three layers, and reads the report once, in the first::

    summary_sql(facts_sql(groups_sql(report)))

Files arrive one by one, so the local engine runs the first two for each file and the third over the facts of all.
That comes to the same: a fact of two files together is the sum of their facts, or the least of them.

========  ==========================================================================================
groups    ``name, version, status, modified_ms, objects, bytes, noncurrent, defect``: one row for each
          status and prefix, which is the name, and one for each version that is PENDING or FAILED, where
          the key is the name: those are asked about one by one (the oldest, the sample, the Batch
          Operations manifest), all others are only counted. Counts and sums alone, for DuckDB can move
          those to disk; few and narrow columns to group by, for most of the time goes there (measured).
          Rows that were not asked for are one group, of status -1, that the next layers leave out: so
          ``objects`` add up to the rows of the report.
facts     ``kind, name, status, at_ms, objects, bytes, noncurrent``; small, except for one row for each
          prefix and status.
summary   ``kind, rank, name, status, at_ms, objects, bytes, noncurrent``; at most a few hundred rows.
========  ==========================================================================================
"""

# ruff: noqa: S608 - text of a report reaches SQL as a parameter only

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta

from airflow_provider_crr.errors import InvalidArgument
from airflow_provider_crr.inventory.limits import MAX_PREFIX_DEPTH
from airflow_provider_crr.inventory.summary import AGE_BANDS, MAX_FAILED_SAMPLE, MAX_PREFIXES, SETTLED

#: What a row can be refused for, by the code in the column ``defect``; the highest one of a file is reported.
DEFECTS = {
    1: "a version without IsLatest",
    2: "a PENDING version without LastModifiedDate",
    3: "a row without a key",
    4: "a row of another bucket",
    5: "a PENDING version whose LastModifiedDate is before 1970 or after 9999",
    6: "a key that is not URL-encoded as S3 does it",
}
#: Milliseconds of the last moment that Python, and S3, can write down.
_LAST_MS = 253_402_300_799_999
#: The columns of the last layer.
SUMMARY_COLUMNS = ("kind", "rank", "name", "status", "at_ms", "objects", "bytes", "noncurrent")
#: How many of these its rows are sorted by.
SORTED_BY = 4

#: What a row of the first layer says of its versions: its column ``status`` is the place in this list.
STATUSES = ("DELETE MARKER", "PENDING", "FAILED", "COMPLETED", "REPLICA", "NONE", "UNKNOWN")
_MARKER, _PENDING, _FAILED, _COMPLETED, _REPLICA, _NONE, _UNKNOWN = range(len(STATUSES))
_LEFT_OUT = -1
#: DuckDB leaves what it cannot decode as it is, which would be another key.
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
    Return the layer that reads the rows, once; ``$bucket`` is the bucket that they must be of.

    :param report: a relation, its columns named as in :attr:`Manifest.fields`.
    :param fields: which columns it has.
    :param prefix_depth: how many key segments make a prefix, 0 to :data:`MAX_PREFIX_DEPTH`.
    :param versions: ``all``, or ``current`` for the rows that are the latest version. A report without version
        columns lists nothing else.
    :param encoded: whether keys are URL-encoded, as they are in CSV only. They are decoded in the next layer, where
        there are fewer: ``dt=2026-11-20`` arrives as ``dt%3D2026-11-20``, so most keys of a data lake need it.
    :param sums: columns of the relation to add up for who reads the groups; the next layers do not need them.
    :raises InvalidArgument: for a depth or a word for versions out of range.
    """
    if not isinstance(prefix_depth, int) or not 0 <= prefix_depth <= MAX_PREFIX_DEPTH:
        raise InvalidArgument(
            f"prefix_depth {prefix_depth!r}", remedy=f"Give a whole number from 0 to {MAX_PREFIX_DEPTH}"
        )
    if versions not in ("all", "current"):
        raise InvalidArgument(f"versions {versions!r}", remedy='Give "all" or "current"')
    versioned = "is_latest" in fields
    # A row that does not say whether it is the latest is not left out, and then refused as a defect.
    left_out = "is_latest IS FALSE" if versioned and versions == "current" else "false"
    marker = "is_delete_marker IS TRUE" if versioned else "false"
    # The usual one first.
    status = f"""CASE WHEN {left_out} THEN {_LEFT_OUT}
        WHEN {marker} THEN {_MARKER}
        WHEN replication_status = 'COMPLETED' THEN {_COMPLETED}
        WHEN replication_status = 'PENDING' THEN {_PENDING}
        WHEN replication_status = 'FAILED' THEN {_FAILED}
        WHEN replication_status = 'REPLICA' THEN {_REPLICA}
        WHEN replication_status IS NULL OR replication_status IN ('', 'NONE') THEN {_NONE}
        -- In the API model since 2015, and what some S3-compatible stores write.
        WHEN replication_status = 'COMPLETE' THEN {_COMPLETED}
        -- One name for whatever else: a million of them must not make a million rows.
        ELSE {_UNKNOWN} END"""
    one_by_one = f"status IN ({_PENDING}, {_FAILED})"
    # An empty version id is the "null version", written before versioning was turned on.
    version = "coalesce(nullif(version_id, ''), 'null')" if versioned else "NULL::VARCHAR"
    modified = "epoch_us(last_modified_date) // 1000" if "last_modified_date" in fields else "NULL::BIGINT"
    defect = f"""CASE WHEN {"bucket IS DISTINCT FROM $bucket" if "bucket" in fields else "$bucket IS NULL"} THEN 4
        WHEN key IS NULL OR key = '' THEN 3
        WHEN {"is_latest IS NULL" if versioned else "false"} THEN 1 ELSE 0 END"""
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

    :param groups: :func:`groups_sql`, or a table that holds what it returned.
    :param fields: as there.
    :param created_at: when S3 began the listing; ages count from then, and what was written later is 0 old.
    :param prefix_depth: as there.
    :param encoded: as there.
    """
    dated = "last_modified_date" in fields
    upper = [bound for _, bound in AGE_BANDS if bound is not None]
    age = f"({_milliseconds(created_at)} - modified_ms)"
    band = " ".join(f"WHEN {age} < {bound * 1000} THEN '{index}'" for index, bound in enumerate(upper))
    uri = f"concat({decoded('name', encoded)}, '?versionId=' || version)"
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
        ELSE defect END)::BIGINT AS at_ms,
    0::HUGEINT AS objects, 0::HUGEINT AS bytes, 0::HUGEINT AS noncurrent
FROM grouped
UNION ALL
SELECT 'marker', '', '', NULL, sum(objects), 0, 0 FROM grouped WHERE status = {_MARKER}
UNION ALL
SELECT 'prefix', {decoded("prefix", encoded)}, CASE status {word} END, NULL, objects, bytes, noncurrent FROM counted
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
    Return the facts of several files as those of one.

    :param facts: :func:`facts_sql`, or a table that holds what it returned.
    """
    return f"""
SELECT kind, name, status, at_ms, sum(objects) AS objects, sum(bytes) AS bytes, sum(noncurrent) AS noncurrent
FROM ({facts}) GROUP BY kind, name, status, at_ms"""


def summary_sql(facts: str, *, prefix_depth: int = 0) -> str:
    """
    Return the last layer: totals, the worst prefixes, and the rest of them together.

    :param facts: :func:`facts_sql`, or a table that holds the facts of all files.
    :param prefix_depth: 0 leaves the prefixes out: there is only one, and it is the totals.
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


def decoded(expression: str, encoded: bool) -> str:
    """
    Return the expression for a key as S3 stores it.

    S3 encodes the keys of a CSV report as HTML forms are: a space arrives as "+" and a plus as "%2B".
    """
    return f"url_decode(replace({expression}, '+', ' '))" if encoded else expression


def failed_sql() -> str:
    """Return the condition for groups that are FAILED."""
    return f"status = {_FAILED}"


def older_than_sql(created_at: datetime, age: timedelta) -> str:
    """Return the condition for groups that are PENDING for longer than the age, as the report knows it."""
    return f"status = {_PENDING} AND modified_ms < {_milliseconds(created_at - age)}"


def _prefix(key: str, depth: int, encoded: bool) -> str:
    # Whether S3 would ever encode "/" is not documented; a segment ends there either way.
    slash = "(?:/|%2[Ff])" if encoded else "/"
    return rf"regexp_extract({key}, '^(?s:.*?{slash}){{0,{depth}}}')" if depth else "''"


def _milliseconds(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)
