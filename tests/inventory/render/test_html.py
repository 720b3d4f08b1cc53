"""The HTML report: self-contained, harmless whatever the names are, honest about what it shows."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from airflow_provider_crr.inventory.render import render
from airflow_provider_crr.inventory.summary import OtherPrefixes, PrefixStatuses, Summary, Volume
from airflow_provider_crr.text.legible import legible
from tests.inventory.render import samples
from tests.inventory.render.pages import Page

NAMES = st.text(st.characters(), min_size=1, max_size=80) | st.sampled_from(samples.HOSTILE)


def named(name: str) -> Summary:
    """Return a summary in which every text that comes out of a report is this one."""
    plain = samples.typical(named=3)
    return replace(
        plain,
        source_bucket=name,
        manifest=name,
        format=name,
        versions=name,
        failed_manifest_uri=name,
        failed_sample=(name, name),
        oldest_pending=samples.oldest(timedelta(days=3), name),
        statuses={**plain.statuses, f"!{name}": Volume(1, 1)},
        prefixes=tuple(PrefixStatuses(name, prefix.statuses) for prefix in plain.prefixes),
    )


@settings(deadline=None, max_examples=150)
@given(NAMES)
@example(samples.HOSTILE[0])
@example("</style></svg></title><script>")
def test_no_name_becomes_markup(name: str) -> None:
    """A page has the same elements and attributes whatever the keys, prefixes and URIs are."""
    page, harmless = Page(render(named(name), "html")), Page(render(named("plain"), "html"))
    assert page.skeleton == harmless.skeleton
    assert page.unbalanced == page.comments == []


@settings(deadline=None, max_examples=100)
@given(NAMES, st.sampled_from(["text", "markdown", "html"]))
def test_no_form_of_the_report_contains_a_character_that_cannot_be_seen(name: str, format: str) -> None:
    """Controls, bidirectional overrides, zero-width characters and surrogates are spelled out, so any form is UTF-8."""
    report = render(named(name), format)  # type: ignore[arg-type]
    unseen = {c for c in report if unicodedata.category(c) in ("Cc", "Cf", "Cs", "Cn", "Co", "Zl", "Zp")}
    assert unseen <= {"\n"}
    assert report.encode()


@pytest.mark.parametrize("key", samples.HOSTILE)
def test_names_are_shown(key: str) -> None:
    """A reader of the page sees the whole key, its unseen characters by their code points."""
    page = Page(render(replace(samples.typical(), failed_sample=(key,)), "html"))
    assert legible(key).replace("[U+", "U+").replace("]", "") in page.text.replace("]", "")


@pytest.mark.parametrize("condition", samples.EVERY)
def test_a_page_is_self_contained(condition: str) -> None:
    """A page has a policy that forbids everything but its own style, and refers to nothing outside itself."""
    report = render(samples.EVERY[condition](), "html")
    page = Page(report)
    values = [value for _, _, value in page.attributes]
    assert any(value.startswith("default-src 'none'; style-src 'unsafe-inline'; img-src data:") for value in values)
    assert "script" not in page.elements
    assert not {name for _, name, _ in page.attributes if name.startswith("on") or name in ("src", "srcset", "action")}
    assert [value for _, name, value in page.attributes if name == "href"] == ["data:,"]
    style = report[report.index("<style>") : report.index("</style>")]
    assert set(re.findall(r"url\(([^)]*)", style)) <= {f"#pattern-{n}" for n in ("failed", "pending", "none", "other")}
    assert "@import" not in style


@pytest.mark.parametrize("condition", samples.EVERY)
def test_a_page_is_well_formed(condition: str) -> None:
    """Every element is closed in its turn, every row of a table has as many cells as its heading."""
    page = Page(render(samples.EVERY[condition](), "html"))
    assert page.unbalanced == []
    assert all(len(set(rows)) == 1 for rows in page.tables)


@pytest.mark.parametrize("condition", samples.EVERY)
def test_every_bar_speaks(condition: str) -> None:
    """Every bar is an image with its numbers as its label, for those who cannot see it."""
    page = Page(render(samples.EVERY[condition](), "html"))
    images = sum(value == "img" for tag, name, value in page.attributes if (tag, name) == ("svg", "role"))
    labels = [value for tag, name, value in page.attributes if (tag, name) == ("svg", "aria-label")]
    assert images == len(labels)
    assert all(re.search(r"\d", label) for label in labels)


def test_a_page_begins_with_its_verdict() -> None:
    """The share of what is replicated, and what is not, stand before everything else in one sentence."""
    text = Page(render(samples.typical(), "html")).text
    verdict = "99.19 % of 1,234,567 object versions replicated; 41 FAILED, 588 PENDING (oldest 3d2h), 9,248 NONE."
    assert verdict in text[:400]


@pytest.mark.parametrize(
    ("condition", "words"),
    [
        (
            "all_good",
            ["All 1,234,567 objects are replicated", "Nothing to do", "Nothing is missing in the only prefix"],
        ),
        ("empty", ["The report lists no object versions, only 12 delete markers", "The report is empty"]),
        ("undated", ["no LastModifiedDate", "not known", "prefix depth 0"]),
        ("moving", ["On its way", "oldest 3m12s", "nothing to do yet"]),
        ("disastrous", ["0.47 % of 10,771,121", "not a status that S3 documents", "QUEUED", "set failed_manifest_uri"]),
        ("typical", ["1,412 more prefixes", "s3://reports/landing-eu-failed.csv", "S3 never retries", "20 of 41"]),
        ("typical", ["Lifecycle rules are held back on 629 object versions, 12.0 GiB", "2026-11-20 01:00:00 UTC"]),
    ],
)
def test_a_page_says_what_there_is_and_what_there_is_not(condition: str, words: list[str]) -> None:
    """Every condition of a bucket, the empty ones too, is said in words."""
    text = Page(render(samples.EVERY[condition](), "html")).text
    assert [word for word in words if word not in text] == []


def test_the_size_of_a_page_does_not_depend_on_the_number_of_rows() -> None:
    """The report of a hundred times as many objects is as large, up to the digits of its numbers."""
    small, large = (len(render(samples.typical(scale=scale), "html")) for scale in (1, 100))
    assert abs(large - small) < 100


def test_the_largest_page_is_still_small() -> None:
    """A hundred prefixes and twenty FAILED objects of nothing but 1,024 unseen characters stay below 2 MB."""
    worst = "\x01" * 1024
    plain = samples.typical()
    full = replace(
        plain,
        prefixes=tuple(replace(prefix, prefix=worst) for prefix in plain.prefixes),
        failed_sample=(worst,) * 20,
        other_prefixes=OtherPrefixes(10**9, {"FAILED": Volume(10**12, 10**18)}),
    )
    assert len(render(full, "html")) < 2_000_000
