"""A summary for a ticket or a pull request: GitHub-flavoured Markdown."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from airflow_provider_crr.inventory.render.advice import steps
from airflow_provider_crr.inventory.render.findings import (
    HEADLINES,
    as_of,
    facts,
    level,
    parts,
    pending_ages_unknown,
    unlisted,
    verdict,
    volume_of,
)
from airflow_provider_crr.inventory.summary import Statuses, Summary, total, unsettled
from airflow_provider_crr.text.humanize import age, count, share, size
from airflow_provider_crr.text.legible import legible

#: Whatever could begin markup, end the cell of a table, or become a link by itself. It is written as character
#: references, because readers do not agree on what a backslash means in a table.
_ACTIVE = re.compile(
    r"[&<>`|\\*\[\]!~#$@^{}]"
    r"|(?<![^\W_])_|_(?![^\W_])"  # within a word "_" is no markup
    r"|(?<!s3):(?=//)|(?<=www)\.|^[-+=:]|^\d+[.)]",
    re.IGNORECASE,
)


def to_markdown(summary: Summary) -> str:
    """Return the summary as Markdown."""
    blocks = [
        f"# Replication of {escaped(summary.source_bucket)}",
        f"**{HEADLINES[level(summary)]}:** {escaped(verdict(summary))}.",
        *_statuses(summary),
        "## What to do next",
        _list(_step(step.title, step.text, step.uri) for step in steps(summary)),
        *_prefixes(summary),
        *_pending(summary),
        *_failed(summary),
        "## About this report",
        f"{as_of(summary)}.",
        _table(("", ""), [(escaped(name), escaped(value)) for name, value in facts(summary)], left=2),
    ]
    return "\n\n".join(blocks) + "\n"


def escaped(text: str) -> str:
    """Return any text as one line of Markdown that shows exactly this text."""
    return _ACTIVE.sub(_reference, legible(text))


def _reference(match: re.Match[str]) -> str:
    before, character = match.group()[:-1], match.group()[-1]
    named = {"<": "&lt;", ">": "&gt;", "&": "&amp;"}
    return before + named.get(character, f"&#{ord(character)};")


def _table(head: Sequence[str], rows: Iterable[Sequence[str]], *, left: int) -> str:
    rule = ["---" if column < left else "--:" for column in range(len(head))]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (head, rule, *rows))


def _list(items: Iterable[str]) -> str:
    return "\n".join(f"- {item}" for item in items)


def _step(title: str, text: str, uri: str | None) -> str:
    return f"**{escaped(title)}.** {escaped(text)}" + (f" {escaped(uri)}" if uri else "")


def _statuses(summary: Summary) -> list[str]:
    whole = summary.volume
    if not whole.objects:
        return []
    rows = [
        (
            escaped(part.name),
            count(part.volume.objects),
            share(part.volume.objects, whole.objects),
            size(part.volume.bytes),
            share(part.volume.bytes, whole.bytes),
            escaped(part.meaning),
        )
        for part in parts(summary.statuses)
    ]
    rows.append(("**Total**", count(whole.objects), "", size(whole.bytes), "", unlisted(summary)))
    head = ("Status", "Objects", "Share", "Size", "Share", "Meaning")
    lines = _table(head, rows, left=1).replace("--: |\n", "--- |\n", 1)
    return ["## By status", lines]


def _prefixes(summary: Summary) -> list[str]:
    if not summary.prefixes:
        return []
    kinds = ("FAILED", "PENDING", "NONE")
    head = ("Prefix", "Not replicated", "Share", "Size", *kinds)
    rows = [
        (escaped(prefix.prefix) or "*(no prefix)*", *_prefix_row(prefix.statuses, kinds)) for prefix in summary.prefixes
    ]
    other = summary.other_prefixes
    if other.count:
        rows.append((f"*{count(other.count)} more prefixes*", *_prefix_row(other.statuses, kinds)))
    return ["## By prefix, worst first", _table(head, rows, left=1)]


def _prefix_row(statuses: Statuses, kinds: Sequence[str]) -> tuple[str, ...]:
    volume = unsettled(statuses)
    by_kind = (count(total(statuses, only=(kind,)).objects) for kind in kinds)
    whole = total(statuses).objects
    return count(volume.objects), share(volume.objects, whole), size(volume.bytes), *by_kind


def _pending(summary: Summary) -> list[str]:
    if not volume_of(summary, "PENDING").objects:
        return []
    if pending_ages_unknown(summary):
        return ["## PENDING by age", "Not known: the report has no LastModifiedDate."]
    rows = [(escaped(band.label), count(band.volume.objects), size(band.volume.bytes)) for band in summary.pending_ages]
    blocks = ["## PENDING by age"] + ([_table(("Age", "Objects", "Size"), rows, left=1)] if rows else [])
    oldest = summary.oldest_pending
    return [*blocks, f"Oldest, {age(oldest.age_seconds)}: {escaped(oldest.uri)}"] if oldest else blocks


def _failed(summary: Summary) -> list[str]:
    sample = summary.failed_sample
    if not sample:
        return []
    failed = volume_of(summary, "FAILED").objects
    head = f"## FAILED, {count(len(sample))} of {count(failed)}"
    return [head, _list(escaped(uri) for uri in sample)]
