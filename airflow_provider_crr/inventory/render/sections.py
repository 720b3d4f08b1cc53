"""Sections of the HTML report. Most have a picture, and its numbers as a table."""

from __future__ import annotations

from collections.abc import Sequence

from airflow_provider_crr.inventory.render import charts
from airflow_provider_crr.inventory.render.advice import Step
from airflow_provider_crr.inventory.render.findings import Part, counted, parts, pending_ages_unknown, volume_of
from airflow_provider_crr.inventory.render.markup import Child, Markup, code, element, muted, section, table
from airflow_provider_crr.inventory.summary import Summary
from airflow_provider_crr.text.humanize import age, count, share, size


def status_shares(summary: Summary) -> Markup:
    """Return the shares of the statuses, by count and by bytes."""
    shown, whole = parts(summary.statuses), summary.volume
    rows = [
        (
            element("span", charts.swatch(part.kind), element("b", part.name), class_="status"),
            count(part.volume.objects),
            share(part.volume.objects, whole.objects),
            size(part.volume.bytes),
            share(part.volume.bytes, whole.bytes),
            part.meaning,
        )
        for part in shown
    ]
    return section(
        "By status",
        _bar("Objects", shown, "objects"),
        _bar("Bytes", shown, "bytes") if whole.bytes else element("p", "Every object is empty: no bytes to compare."),
        element(
            "div",
            table("statuses", ("Status", "Objects", "Share", "Size", "Share", "Meaning"), rows),
            class_="scroll",
        ),
        _widened(summary),
    )


def _widened(summary: Summary) -> Markup | None:
    whole = summary.volume
    tiny = [
        part
        for part in parts(summary.statuses)
        for of_it, of_all in ((part.volume.objects, whole.objects), (part.volume.bytes, whole.bytes))
        if 0 < of_it * 100 < charts.LEAST * of_all
    ]
    if not tiny:
        return None
    text = f"A share below {charts.LEAST} % is drawn wider than it is, so that it can be seen."
    return element("p", text, class_="note")


def _bar(name: str, shown: Sequence[Part], by: str) -> Markup:
    bar = charts.stacked(shown, by, height=44, labelled=True)
    return element("figure", element("figcaption", name), bar)


def next_steps(needed: Sequence[Step]) -> Markup:
    """Return what to do next."""
    items = (
        element(
            "li",
            element("h3", charts.swatch(step.status) if step.status else None, step.title),
            element("p", step.text),
            element("p", code(step.uri), class_="copy") if step.uri else None,
            class_=f"step step-{step.status or 'neutral'}",
        )
        for step in needed
    )
    return section("What to do next", element("ol", items, class_="steps"))


def pending_ages(summary: Summary) -> Markup:
    """Return how long PENDING versions have been waiting, and which one has been waiting longest."""
    title = "Age of PENDING"
    pending = volume_of(summary, "PENDING").objects
    if not pending:
        return section(title, element("p", "Nothing was PENDING when the scan began.", class_="empty good"))
    if pending_ages_unknown(summary):
        text = "Not known: the report has no LastModifiedDate. Add the field to the inventory configuration."
        return section(title, element("p", text, class_="empty"))
    largest = max((band.volume.objects for band in summary.pending_ages), default=0)
    rows = []
    for band in summary.pending_ages:
        words = f"{count(band.volume.objects)} PENDING, {band.label}, {size(band.volume.bytes)}"
        bar = charts.single("pending", band.volume.objects, largest, height=18, label=words)
        empty = not band.volume.objects
        number: Child = muted("0") if empty else count(band.volume.objects)
        rows.append((band.label, bar, number, share(band.volume.objects, pending), size(band.volume.bytes)))
    oldest = summary.oldest_pending
    longest = element("p", f"Longest, {age(oldest.age_seconds)}: ", code(oldest.uri), class_="copy") if oldest else None
    return section(title, table("ages", ("Age at the scan", "", "Objects", "Share", "Size"), rows), longest)


def failed_sample(summary: Summary) -> Markup | None:
    """Return some FAILED objects by name."""
    failed = volume_of(summary, "FAILED").objects
    sample = summary.failed_sample
    if not failed:
        return None
    if not sample:
        return section("FAILED by name", element("p", "The report names none of them.", class_="empty"))
    more = f"{count(len(sample))} of {counted(summary, failed)}." if failed > len(sample) else "All of them."
    items = (element("li", code(uri)) for uri in sample)
    return section(
        "FAILED by name",
        element("p", f"{more} A click selects a whole URI.", class_="note"),
        element("ul", items, class_="copy sample"),
    )
