"""A summary for the task log: a few aligned lines without markup."""

from __future__ import annotations

from collections.abc import Sequence

from airflow_provider_crr.inventory.render.advice import steps
from airflow_provider_crr.inventory.render.findings import (
    as_of,
    parts,
    pending_ages_unknown,
    unlisted,
    verdict,
    volume_of,
)
from airflow_provider_crr.inventory.summary import Statuses, Summary, total, unsettled
from airflow_provider_crr.text.humanize import age, count, share, size
from airflow_provider_crr.text.legible import legible, shortened

#: How many prefixes and FAILED objects a log names; the report names more.
MAX_NAMED_IN_LOG = 10


def to_text(summary: Summary) -> str:
    """Return the summary as the lines of a log."""
    blocks = [
        [f"Replication of s3://{legible(summary.source_bucket)}", f"{verdict(summary)}."],
        _statuses(summary),
        _prefixes(summary),
        _pending(summary),
        _failed(summary),
        ["Next", *(f"  {step.title}: {_with_uri(step.brief, step.uri)}" for step in steps(summary))],
        [f"{as_of(summary)}.", *_where(summary)],
    ]
    return "\n\n".join("\n".join(block) for block in blocks if block) + "\n"


def _statuses(summary: Summary) -> list[str]:
    whole = summary.volume
    if not whole.objects:
        return []
    rows: list[tuple[str, ...]] = [("Status", "objects", "", "size", "")]
    rows += [
        _status_row(part.name, part.volume.objects, part.volume.bytes, summary) for part in parts(summary.statuses)
    ]
    rows.append(_status_row("total", whole.objects, whole.bytes, summary))
    also = unlisted(summary)
    return [*_aligned(rows, left=1), *([f"  ({also})"] if also else [])]


def _status_row(name: str, objects: int, bytes_: int, summary: Summary) -> tuple[str, ...]:
    whole = summary.volume
    return name, count(objects), share(objects, whole.objects), size(bytes_), share(bytes_, whole.bytes)


def _prefixes(summary: Summary) -> list[str]:
    worst = [prefix for prefix in summary.prefixes if unsettled(prefix.statuses).objects]
    if not worst:
        return []
    rows: list[tuple[str, ...]] = [("Not replicated", "of objects", "objects", "of which", "prefix, worst first")]
    for prefix in worst[:MAX_NAMED_IN_LOG]:
        rows.append((*_prefix_row(prefix.statuses), shortened(prefix.prefix) or "(no prefix)"))
    lines = _aligned(rows, left=0, last=2)
    named_later = len(summary.prefixes) - min(len(worst), MAX_NAMED_IN_LOG)
    more = named_later + summary.other_prefixes.count
    return [*lines, *([f"  and {count(more)} more prefixes"] if more else [])]


def _prefix_row(statuses: Statuses) -> tuple[str, str, str, str]:
    volume, whole = unsettled(statuses), total(statuses)
    by_status = ", ".join(f"{count(part.volume.objects)} {part.name}" for part in parts(statuses) if not part.settled)
    return size(volume.bytes), share(volume.objects, whole.objects), count(volume.objects), by_status


def _pending(summary: Summary) -> list[str]:
    if not volume_of(summary, "PENDING").objects:
        return []
    if pending_ages_unknown(summary):
        return ["PENDING by age: not known, the report has no LastModifiedDate"]
    rows = [("PENDING by age", "objects", "size")]
    rows += [
        (band.label, count(band.volume.objects), size(band.volume.bytes))
        for band in summary.pending_ages
        if band.volume.objects
    ]
    oldest = summary.oldest_pending
    last = [f"  oldest: {age(oldest.age_seconds)}  {legible(oldest.uri)}"] if oldest else []
    return [*_aligned(rows, left=1), *last]


def _failed(summary: Summary) -> list[str]:
    sample = summary.failed_sample[:MAX_NAMED_IN_LOG]
    if not sample:
        return []
    failed = volume_of(summary, "FAILED").objects
    head = f"FAILED, {count(len(sample))} of {count(failed)}" if failed > len(sample) else "FAILED"
    return [head, *(f"  {legible(uri)}" for uri in sample)]


def _where(summary: Summary) -> list[str]:
    rows = [
        ("manifest", summary.manifest),
        ("report", summary.report_uri),
        ("manifest of FAILED", summary.failed_manifest_uri),
    ]
    return [f"  {name}: {legible(uri)}" for name, uri in rows if uri]


def _with_uri(text: str, uri: str | None) -> str:
    return f"{text} {legible(uri)}" if uri else text


def _aligned(rows: Sequence[tuple[str, ...]], *, left: int, last: int = 0) -> list[str]:
    """
    Return rows as lines with aligned columns.

    :param rows: the rows, all with the same number of cells; the first is the heading.
    :param left: how many columns at the beginning are aligned left; the others are aligned right.
    :param last: how many columns at the end are aligned left, too.
    """
    columns = len(rows[0])
    widths = [max(len(row[column]) for row in rows) for column in range(columns)]
    lines = []
    for row in rows:
        cells = [
            cell.ljust(width) if column < left or column >= columns - last else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append(f"  {'  '.join(cells)}".rstrip())
    return lines
