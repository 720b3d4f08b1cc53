"""Rows of reports: any that S3 could list, and plain ones."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import strategies as st

from local_aws.inventory import Row

SOURCE = "landing"
CREATED_AT = datetime(2026, 11, 20, 1, 0, tzinfo=UTC)

_SEGMENTS = st.one_of(
    st.sampled_from(
        ["", "a", "b", "dt=2026-11-20", "+", " ", "%", "%2F", "%2f", "a%20b", '"', '","', "\n", "\r\n", "ü", "🪣"]
    ),
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=6),
)
keys = (
    st.lists(_SEGMENTS, min_size=1, max_size=6)
    .map("/".join)
    .filter(lambda key: bool(key) and len(key.encode()) <= 1024)
)
statuses = st.sampled_from(
    [None, "PENDING", "COMPLETED", "COMPLETE", "FAILED", "REPLICA", "completed", "LOST", "NONE", "UNKNOWN"]
)
_moments = st.one_of(
    st.integers(-3600, 40 * 86400).map(lambda age: CREATED_AT - timedelta(seconds=age)),
    st.sampled_from([900, 3600, 21600, 86400, 604800]).map(lambda age: CREATED_AT - timedelta(seconds=age)),
)
_version_ids = st.one_of(st.none(), st.text("abcXYZ019._-", min_size=1, max_size=8))

objects = st.builds(
    Row,
    bucket=st.just(SOURCE),
    key=keys,
    version_id=_version_ids,
    is_latest=st.booleans(),
    is_delete_marker=st.just(False),
    size=st.one_of(st.none(), st.integers(0, 5 * 1024**4)),
    last_modified_date=_moments,
    e_tag=st.just("9b2cf535f27731c974343645a3985328"),
    storage_class=st.sampled_from(["STANDARD", 'odd "class",\nreally', None]),
    is_multipart_uploaded=st.sampled_from([None, True, False]),
    replication_status=statuses,
)
delete_markers = st.builds(
    Row,
    bucket=st.just(SOURCE),
    key=keys,
    version_id=_version_ids,
    is_latest=st.booleans(),
    is_delete_marker=st.just(True),
    size=st.none(),
    last_modified_date=_moments,
    replication_status=statuses,
)
reports = st.lists(st.one_of(objects, objects, objects, delete_markers), max_size=25)


def row(key: str, status: str | None = "COMPLETED", **more: object) -> Row:
    """Return a row of one byte that is an hour old."""
    values: dict[str, object] = {
        "bucket": SOURCE,
        "key": key,
        "version_id": "v1",
        "size": 1,
        "last_modified_date": CREATED_AT - timedelta(hours=1),
        "replication_status": status,
        **more,
    }
    return Row(**values)  # type: ignore[arg-type]
