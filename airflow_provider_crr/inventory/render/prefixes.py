"""The section of the HTML report on the worst prefixes."""

from __future__ import annotations

from collections.abc import Sequence

from airflow_provider_crr.inventory.render import charts
from airflow_provider_crr.inventory.render.findings import parts
from airflow_provider_crr.inventory.render.markup import (
    Child,
    Markup,
    code,
    element,
    muted,
    section,
    table,
    together,
)
from airflow_provider_crr.inventory.summary import Statuses, Summary, Volume, total, unsettled
from airflow_provider_crr.text.humanize import count, share, size

#: Prefixes shown at once; the others are behind a fold.
UNFOLDED = 15


def prefixes(summary: Summary) -> Markup:
    """Return the worst prefixes, and all the others as one row."""
    title = "By prefix"
    named, other = summary.prefixes, summary.other_prefixes
    if not summary.prefix_depth:
        text = "The report was not divided by prefix (prefix depth 0)."
        return section(title, element("p", text, class_="empty"))
    everything = [*(prefix.statuses for prefix in named), other.statuses]
    open_volumes = [unsettled(statuses) for statuses in everything]
    if not any(volume.objects for volume in open_volumes):
        many = len(named) + other.count
        all_of_them = "the only prefix" if many == 1 else f"any of {count(many)} prefixes"
        text = f"Nothing is missing in {all_of_them}." if many else "The report lists no prefix."
        return section(title, element("p", text, class_="empty good"))
    by = "bytes" if any(volume.bytes for volume in open_volumes) else "objects"
    largest = max(charts.measured(volume, by) for volume in open_volumes[:-1]) if named else 0
    present = {part.kind for statuses in everything for part in parts(statuses)}
    kinds = [kind for kind in ("failed", "pending", "none", "other") if kind in present]
    rows = [
        _prefix_row(
            code(prefix.prefix) if prefix.prefix else muted("no prefix"),
            prefix.statuses,
            by,
            largest,
            kinds,
        )
        for prefix in named
    ]
    foot = []
    if other.count:
        name = muted(f"{count(other.count)} more prefixes")
        foot = [_prefix_row(name, other.statuses, by, None, kinds)]
    # Five or fewer are not worth a fold.
    at_once = UNFOLDED if len(rows) > UNFOLDED + 5 else len(rows)
    head = (
        "Prefix",
        "Not replicated",
        "Of its objects",
        *(kind.upper() if kind != "other" else "Other" for kind in kinds),
    )
    folded = element(
        "details",
        element("summary", f"Show {count(len(rows) - at_once)} more"),
        table("prefixes", head, rows[at_once:]),
    )
    return section(
        "Worst prefixes",
        element(
            "p",
            f"Bars: {by} neither COMPLETED nor REPLICA, ",
            element("b", "all on one scale"),
            ".",
            class_="note",
        ),
        table("prefixes", head, [*rows[:at_once], *([] if len(rows) > at_once else foot)]),
        together(folded, table("prefixes rest", head, foot) if foot else None) if len(rows) > at_once else None,
    )


def _prefix_row(
    name: Markup, statuses: Statuses, by: str, largest: int | None, kinds: Sequence[str]
) -> tuple[Child, ...]:
    volume, whole = unsettled(statuses), total(statuses)
    open_parts = [part for part in parts(statuses) if not part.settled]
    bar = None
    if largest is not None:
        length = charts.measured(volume, by)
        scale = 100 * length / largest if largest else 0
        bar = charts.stacked(open_parts, by, height=12, scale=scale) if length else None
    of_kind = {kind: Volume() for kind in kinds}
    for part in open_parts:
        of_kind[part.kind] += part.volume
    numbers = (count(of_kind[kind].objects) if of_kind[kind].objects else muted("0") for kind in kinds)
    return (
        together(element("div", name, class_="key"), bar),
        _length(volume, by) if volume.objects else muted("nothing"),
        share(volume.objects, whole.objects),
        *numbers,
    )


def _length(volume: Volume, by: str) -> str:
    return size(volume.bytes) if by == "bytes" else count(volume.objects)
