"""Text, Markdown and JSON, and the choice between them."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_crr.errors import InvalidArgument
from airflow_provider_crr.inventory.render import CONTENT_TYPES, Format, format_for, render
from airflow_provider_crr.inventory.render.findings import level, parts, verdict
from airflow_provider_crr.inventory.render.markdown import escaped
from airflow_provider_crr.inventory.summary import Summary, Volume
from airflow_provider_crr.text.legible import legible, shortened
from tests.inventory.render import samples


@pytest.mark.parametrize(
    ("uri", "format"),
    [("s3://b/a.html", "html"), ("s3://b/x.y/a.MD", "markdown"), ("file:///tmp/r.json", "json")],
)
def test_the_extension_says_the_format(uri: str, format: str) -> None:
    """A report is written in the format of its extension, in either case of letters."""
    assert format_for(uri) == format


@pytest.mark.parametrize("uri", ["s3://b/a.pdf", "s3://b/a", "s3://b.html/a", "s3://b/.html", "s3://b/a.html/", ""])
def test_another_extension_is_refused_with_a_remedy(uri: str) -> None:
    """A URI that names no format is an error that names those there are."""
    with pytest.raises(InvalidArgument, match=r"End the URI in \.html, \.md or \.json"):
        format_for(uri)


def test_another_format_is_refused_with_a_remedy() -> None:
    """A format that does not exist is an error that names those that do."""
    with pytest.raises(InvalidArgument, match="text, markdown, html or json"):
        render(samples.empty(), "pdf")  # type: ignore[arg-type]


@pytest.mark.parametrize("condition", samples.EVERY)
@pytest.mark.parametrize("format", CONTENT_TYPES)
def test_every_condition_has_every_form(condition: str, format: Format) -> None:
    """Every summary can be shown in every format, as text that ends its last line."""
    assert render(samples.EVERY[condition](), format).endswith("\n")


@pytest.mark.parametrize("condition", samples.EVERY)
def test_json_is_the_xcom(condition: str) -> None:
    """The JSON form is exactly what the operator pushes, hostile names included."""
    summary = samples.EVERY[condition]()
    assert json.loads(render(summary, "json")) == summary.to_dict()


def test_a_log_is_compact_and_aligned() -> None:
    """The log of a large report has few lines, and its columns stand below each other."""
    lines = render(samples.typical(), "text").splitlines()
    assert len(lines) < 60
    statuses = lines[lines.index("") + 1 :][:7]
    assert statuses[0].split() == ["Status", "objects", "size"]
    assert len({line.index(" GiB") if " GiB" in line else line.index(" TiB") for line in statuses[1:]}) == 1


def test_no_name_breaks_a_line_of_the_log() -> None:
    """Hostile names add no line, and the longest are cut in the middle where only their place matters."""
    hostile = render(samples.hostile(), "text")
    tame = replace(
        samples.hostile(),
        prefixes=tuple(replace(prefix, prefix="p/") for prefix in samples.hostile().prefixes),
        failed_sample=("s3://b/k",) * len(samples.HOSTILE),
    )
    assert hostile.count("\n") == render(tame, "text").count("\n")


@settings(max_examples=300)
@given(st.text(st.characters(), max_size=60) | st.sampled_from(samples.HOSTILE))
def test_markdown_has_no_active_character_left(name: str) -> None:
    """Pipes, backticks, brackets, asterisks, HTML and backslashes of a name are character references."""
    shown = escaped(name)
    assert not set(shown) & set("|`*<>[]\\\n\r!~$@^{}")
    assert "www." not in shown.lower()
    assert "://" not in shown.lower().replace("s3://", "")


@settings(max_examples=200, deadline=None)
@given(st.text(st.characters(), min_size=1, max_size=60) | st.sampled_from(samples.HOSTILE))
def test_a_markdown_reader_shows_the_name_and_nothing_else(name: str) -> None:
    """In a table cell and in a list, a Markdown reader finds exactly the text of the name."""
    reader = pytest.importorskip("markdown_it").MarkdownIt("commonmark").enable(["table", "strikethrough"])
    for text in (f"| a | b |\n| --- | --- |\n| {escaped(name)} | 1 |", f"- {escaped(name)}"):
        inline = [token for token in reader.parse(text) if token.type == "inline"]
        shown = inline[-2 if text.startswith("|") else 0].children
        assert {token.type for token in shown} <= {"text", "text_special"}
        assert "".join(token.content for token in shown) == legible(name)


def test_hostile_names_add_no_row_and_no_cell() -> None:
    """Every row of a Markdown table has as many cells as its heading, whatever the prefixes are."""
    rows = [line for line in render(samples.hostile(), "markdown").splitlines() if line.startswith("|")]
    prefix_rows = rows[rows.index("| Prefix | Not replicated | Share | Size | FAILED | PENDING | NONE |") :]
    table = [row for row in prefix_rows if row.count("|") == 8]
    assert len(table) == 2 + len(samples.HOSTILE) + 1


def test_ordinary_keys_stay_readable_in_markdown() -> None:
    """The usual characters of a key need no escape, so that its URI can be copied from the source too."""
    uri = "s3://b/raw_zone/dt=2026-11-20/part-0001_a.parquet?versionId=3sL4kqtJlcpXroDTDmJ.rmSpXd3dIbrHY"
    assert escaped(uri) == uri


def test_what_cannot_be_seen_is_spelled_out() -> None:
    """Controls, overrides, lost spaces and towers of marks become code points; ordinary writing stays."""
    assert legible("a\u202eb\n c") == "a[U+202E]b[U+000A] c"
    assert legible(" a  b ") == "[U+0020]a[U+0020 U+0020]b[U+0020]"
    assert legible("日本語 é שלום a b") == "日本語 é שלום a b"
    assert legible("a\u0301\u0301\u0301\u0301") == "a\u0301\u0301\u0301[U+0301]"


@given(st.text(), st.integers(10, 200))
def test_shortened_text_fits(text: str, longest: int) -> None:
    """A shortened text is never longer than asked for, and the whole text if that fits."""
    shown = shortened(text, longest)
    assert len(shown) <= longest
    assert shown == legible(text) or len(legible(text)) > longest


@pytest.mark.parametrize(
    ("condition", "found"),
    [
        ("typical", "bad"),
        ("disastrous", "bad"),
        ("all_good", "good"),
        ("moving", "moving"),
        ("undated", "watch"),
        ("empty", "empty"),
    ],
)
def test_a_report_asks_for_as_much_attention_as_it_needs(condition: str, found: str) -> None:
    """FAILED is bad, fresh PENDING is on its way, PENDING of unknown age is to be looked into."""
    assert level(samples.EVERY[condition]()) == found


def test_one_object_is_one_object() -> None:
    """A single object is not spoken of in the plural."""
    one = Summary("b", samples.MANIFEST, "CSV", samples.SCAN, {"COMPLETED": Volume(1, 1)}, "current")
    assert verdict(one) == "The only object is replicated"
    assert verdict(replace(one, statuses={"FAILED": Volume(1, 1)})) == "0 % of 1 object replicated; 1 FAILED"


def test_many_unknown_statuses_are_few_parts() -> None:
    """However many statuses nobody knows a report has, they are a bounded number of parts that lose nothing."""
    unknown = {f"S{n}": Volume(n, n) for n in range(1, 1000)}
    shown = parts({"COMPLETED": Volume(1, 1), **unknown})
    assert len(shown) == 5
    assert sum(part.volume.objects for part in shown) == 1 + sum(range(1, 1000))
