"""Summaries of buckets in every condition, for the tests of the report and for looking at it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from airflow_provider_crr.inventory.summary import (
    AGE_BANDS,
    AgeBand,
    OldestPending,
    OtherPrefixes,
    PrefixStatuses,
    Summary,
    Volume,
)

SCAN = datetime(2026, 11, 20, 1, 0, tzinfo=UTC)
MANIFEST = "s3://inventory-reports/eu/landing-eu/daily/2026-11-20T01-00Z/manifest.json"

HOSTILE = (
    "<script>alert(1)</script>",
    "\"><img src=x onerror=alert(1)>'",
    "]]><!--</style></title></svg><script>",
    "invoice\u202egnp.exe\u2066\u200b",
    "line one\nline two\r\n| a | b |\n# title",
    "a`b``c|d\\|e\\\\|f * _g_ [x](javascript:alert(1)) &lt; https://e.example www.e.example a@e.example",
    "\x00\x07\x1b[31mred\x1b[0m\x7f\x85\u2028",
    "  spaces   kept  ",
    "Z" + "\u0301" * 40,
    "\u05e9\u05dc\u05d5\u05dd/\u0645\u0631\u062d\u0628\u0627/2026/",
    "\u65e5\u672c\u8a9e/\U0001f600/",
    "x" * 1024,
    "é" * 512,
    "\ud800",
    "- [ ] item",
    "1. item",
    "=cmd|'/c calc'!A1",
    "${jndi:ldap://x}{{ 7*7 }}",
)


def bands(*objects: int, each: int = 4 << 20) -> tuple[AgeBand, ...]:
    """Return an age histogram of PENDING versions that all have one size."""
    return tuple(
        AgeBand(label, upper, Volume(n, n * each)) for (label, upper), n in zip(AGE_BANDS, objects, strict=True)
    )


def oldest(age: timedelta, uri: str = "s3://landing-eu/TaxDocs/2026/11/17/a.parquet") -> OldestPending:
    """Return a PENDING version of some age."""
    return OldestPending(uri, SCAN - age, age.total_seconds())


def typical(*, named: int = 100, scale: int = 1) -> Summary:
    """Return a bucket that works, with some trouble in a few places."""
    failed, pending, none = Volume(41, 3 << 30), Volume(588, 9 << 30), Volume(9_248, 130 << 30)
    done, replica = Volume(1_200_690 * scale, (40 << 40) * scale), Volume(24_000, 1 << 40)
    rows = [
        PrefixStatuses(
            f"TaxDocs/2026/{1 + index % 12:02d}/{index:03d}/",
            {
                "FAILED": Volume(max(0, 12 - index), max(0, 12 - index) * (70 << 20)),
                "PENDING": Volume(240 // (index + 1), 240 // (index + 1) * (15 << 20)),
                "NONE": Volume(5000 // (index + 1) ** 2, 5000 // (index + 1) ** 2 * (14 << 20)),
                "COMPLETED": Volume(9_000 + 700 * index, (300 + index) << 30),
            },
        )
        for index in range(named)
    ]
    return Summary(
        source_bucket="landing-eu",
        manifest=MANIFEST,
        format="Parquet",
        created_at=SCAN,
        statuses={"COMPLETED": done, "FAILED": failed, "NONE": none, "PENDING": pending, "REPLICA": replica},
        prefix_depth=3,
        prefixes=tuple(rows),
        other_prefixes=OtherPrefixes(1_412, {"COMPLETED": Volume(310_000, 4 << 40), "NONE": Volume(60, 9 << 20)}),
        oldest_pending=oldest(timedelta(days=3, hours=2)),
        pending_ages=bands(402, 120, 41, 14, 11, 0, each=16 << 20),
        failed_sample=tuple(
            f"s3://landing-eu/TaxDocs/2026/11/{n:03d}/p-{n}.parquet?versionId=v{n}x" for n in range(20)
        ),
        delete_markers=311,
        noncurrent_versions=20_114,
        report_uri="s3://reports/landing-eu.html",
        failed_manifest_uri="s3://reports/landing-eu-failed.csv",
    )


def all_good() -> Summary:
    """Return a bucket in which everything is replicated."""
    whole = {"COMPLETED": Volume(1_234_567, 12 << 40)}
    prefix = PrefixStatuses("raw/", whole)
    return Summary(
        "landing-eu", MANIFEST, "CSV", SCAN, whole, "current", 1, (prefix,), pending_ages=bands(0, 0, 0, 0, 0, 0)
    )


def moving() -> Summary:
    """Return a bucket in which only fresh objects are not replicated yet."""
    return Summary(
        "landing-eu",
        MANIFEST,
        "ORC",
        SCAN,
        {"COMPLETED": Volume(98_000, 1 << 40), "PENDING": Volume(7, 70 << 20)},
        "current",
        1,
        (PrefixStatuses("", {"PENDING": Volume(7, 70 << 20), "COMPLETED": Volume(98_000, 1 << 40)}),),
        oldest_pending=oldest(timedelta(minutes=3, seconds=12)),
        pending_ages=bands(7, 0, 0, 0, 0, 0, each=10 << 20),
    )


def disastrous() -> Summary:
    """Return a bucket in which nearly nothing is replicated and S3 has given up on most of it."""
    statuses = {
        "FAILED": Volume(8_400_112, 61 << 40),
        "PENDING": Volume(1_900_004, 22 << 40),
        "NONE": Volume(420_000, 2 << 40),
        "QUEUED": Volume(3, 999),
        "COMPLETED": Volume(51_002, 300 << 30),
    }
    rows = tuple(
        PrefixStatuses(
            f"warehouse/events/dt=2026-11-{day:02d}/",
            {name: Volume(v.objects // (32 - day), v.bytes // (32 - day)) for name, v in statuses.items()},
        )
        for day in range(18, 0, -1)
    )
    return Summary(
        "prod-lake-eu-central-1",
        MANIFEST,
        "CSV",
        SCAN,
        statuses,
        prefix_depth=3,
        prefixes=rows,
        oldest_pending=oldest(timedelta(days=412), "s3://prod-lake-eu-central-1/warehouse/old.parquet"),
        pending_ages=bands(900, 4_000, 60_104, 235_000, 600_000, 1_000_000, each=12 << 20),
        failed_sample=tuple(f"s3://prod-lake-eu-central-1/warehouse/events/{n}.parquet" for n in range(20)),
    )


def empty() -> Summary:
    """Return a bucket without a single object version."""
    return Summary("empty-bucket", MANIFEST, "CSV", SCAN, {}, "all", 0, delete_markers=12)


def undated() -> Summary:
    """Return a report without LastModifiedDate and without prefixes."""
    statuses = {"COMPLETED": Volume(99_990, 1 << 40), "PENDING": Volume(10, 5 << 30)}
    return Summary("landing-eu", MANIFEST, "CSV", SCAN, statuses)


def hostile() -> Summary:
    """Return a bucket whose every name tries to get out of its place."""
    statuses = {"FAILED": Volume(18, 0), "COMPLETED": Volume(2, 0), "<b onclick=x>|NEW\u202e`": Volume(1, 0)}
    return Summary(
        source_bucket="<h1>b|u`cket",
        manifest="s3://m/<script>\nalert(1)</script>/manifest.json",
        format='CSV"><script>',
        created_at=SCAN,
        statuses=statuses,
        prefix_depth=2,
        prefixes=tuple(PrefixStatuses(key, {"FAILED": Volume(1, 0), "COMPLETED": Volume(9, 0)}) for key in HOSTILE),
        other_prefixes=OtherPrefixes(3, {"FAILED": Volume(1, 0)}),
        oldest_pending=oldest(timedelta(days=9), f"s3://b/{HOSTILE[0]}\u202e"),
        failed_sample=tuple(f"s3://b/{key}?versionId=<v>" for key in HOSTILE),
        failed_manifest_uri='s3://r/"><script>x</script>.csv',
    )


EVERY = {
    "typical": typical,
    "all_good": all_good,
    "moving": moving,
    "disastrous": disastrous,
    "empty": empty,
    "undated": undated,
    "hostile": hostile,
}
