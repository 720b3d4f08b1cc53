"""A summary for a browser: one HTML file that loads nothing and runs no script."""

from __future__ import annotations

from importlib import resources

from airflow_provider_crr.inventory.render import charts
from airflow_provider_crr.inventory.render.advice import steps
from airflow_provider_crr.inventory.render.findings import (
    HEADLINES,
    Level,
    as_of,
    counted,
    facts,
    level,
    parts,
    unlisted,
    verdict,
    volume_of,
)
from airflow_provider_crr.inventory.render.markup import Markup, code, element, together
from airflow_provider_crr.inventory.render.prefixes import prefixes
from airflow_provider_crr.inventory.render.sections import (
    failed_sample,
    next_steps,
    pending_ages,
    status_shares,
)
from airflow_provider_crr.inventory.summary import SETTLED, Summary
from airflow_provider_crr.text.humanize import age, count, share, size
from airflow_provider_crr.text.legible import legible

#: Nothing is loaded; the style sheet is in the page, and the icon is empty.
POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'"

_SIGNS: dict[Level, str] = {"empty": "0", "good": "✓", "moving": "→", "watch": "?", "bad": "!"}


def to_html(summary: Summary) -> str:
    """Return the summary as one HTML page."""
    judged = summary.volume.objects
    title = f"Replication of {legible(summary.source_bucket)}: {HEADLINES[level(summary)].lower()}"
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=POLICY),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="color-scheme", content="light dark"),
        element("meta", name="referrer", content="no-referrer"),
        element("link", rel="icon", href="data:,"),
        element("title", title),
        element("style", _style()),
    )
    body = element(
        "body",
        charts.patterns(),
        _top(summary),
        element(
            "main",
            _tiles(summary),
            status_shares(summary) if judged else None,
            next_steps(steps(summary)),
            (prefixes(summary), pending_ages(summary), failed_sample(summary)) if judged else None,
        ),
        _footer(summary),
    )
    return f"<!doctype html>\n{element('html', head, body, lang='en')}\n"


def _style() -> Markup:
    return Markup(resources.files(__package__).joinpath("style.css").read_text(encoding="utf-8"))


def _top(summary: Summary) -> Markup:
    attention = level(summary)
    return element(
        "header",
        element(
            "p",
            f"S3 replication · inventory scan of {summary.created_at:%Y-%m-%d %H:%M} UTC",
            class_="eyebrow",
        ),
        element("h1", code(summary.source_bucket)),
        element(
            "div",
            element("span", _SIGNS[attention], class_="sign", aria_hidden="true"),
            element(
                "p",
                element("strong", HEADLINES[attention]),
                element("span", f"{verdict(summary)}."),
                class_="verdict",
            ),
            class_=f"banner level-{attention}",
        ),
    )


def _tiles(summary: Summary) -> Markup | None:
    whole = summary.volume
    if not whole.objects:
        return None
    settled = volume_of(summary, *SETTLED)
    made = [
        _tile(
            "",
            "Objects" if summary.versions == "current" else "Object versions",
            count(whole.objects),
            unlisted(summary),
        ),
        _tile("", "Size", size(whole.bytes), "sizes in the report, added up"),
        _tile(
            "completed",
            "Replicated",
            share(settled.objects, whole.objects),
            f"{share(settled.bytes, whole.bytes)} of the bytes" if whole.bytes else "by number",
        ),
    ]
    for name, kind in (("FAILED", "failed"), ("PENDING", "pending"), ("NONE", "none")):
        volume = volume_of(summary, name)
        note = f"{size(volume.bytes)}, {share(volume.objects, whole.objects)} of them" if volume.objects else "none"
        made.append(_tile(kind if volume.objects else "", name, count(volume.objects), note))
    other = [part for part in parts(summary.statuses) if part.kind == "other"]
    if other:
        many = sum(part.volume.objects for part in other)
        made.append(_tile("other", "Unknown status", count(many), ", ".join(part.name for part in other)))
    made += [_oldest(summary), _held(summary)]
    return element("div", made, class_="tiles thirds" if len(made) == 9 else "tiles")


def _oldest(summary: Summary) -> Markup:
    oldest = summary.oldest_pending
    if oldest:
        return _tile(
            "pending",
            "Oldest PENDING",
            age(oldest.age_seconds),
            f"written {oldest.last_modified:%Y-%m-%d %H:%M} UTC",
        )
    if volume_of(summary, "PENDING").objects:
        return _tile("pending", "Oldest PENDING", "not known", "no LastModifiedDate in the report")
    return _tile("", "Oldest PENDING", "none", "nothing is waiting")


def _held(summary: Summary) -> Markup:
    held = summary.lifecycle_held
    if not held.objects:
        return _tile("", "Lifecycle held back", "0", "no rule is waiting")
    note = f"{size(held.bytes)} neither expired nor moved while PENDING or FAILED"
    return _tile("", "Lifecycle held back", count(held.objects), note)


def _tile(kind: str, name: str, value: str, note: str) -> Markup:
    mark = charts.swatch(kind) if kind else None
    return element(
        "div",
        element("p", mark, name, class_="name"),
        element("p", value, class_="value"),
        element("p", note, class_="note") if note else None,
        class_="tile",
    )


def _footer(summary: Summary) -> Markup:
    rows = [together(element("dt", name), element("dd", code(value))) for name, value in facts(summary)]
    return element(
        "footer",
        element("h2", "About this report"),
        element("p", f"{as_of(summary)}. Ask S3 itself (HEAD) before acting on a single {counted(summary, 1)[2:]}."),
        element("dl", rows),
        element(
            "p",
            "What cannot be seen in a name is spelled out, like ",
            element("code", element("span", "U+202E", class_="unseen")),
            "; the JSON form of the report has every name exactly.",
            class_="note",
        ),
    )
