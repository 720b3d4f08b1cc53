"""Findings, and the report that is made of them."""

from __future__ import annotations

import json

import pytest

from airflow_provider_crr.replication.rules_check.findings import (
    FAIL_ON,
    MAX_SHOWN,
    Finding,
    RulesReport,
    Severity,
    grouped,
)
from airflow_provider_crr.replication.rules_check.look import Unseen

CHECKED = {"keys": 1, "prefixes": 0, "rules": 1, "destinations": 1}


def report(*severities: Severity) -> RulesReport:
    found = tuple(Finding(severity, "it is so", "Do this") for severity in severities)
    return RulesReport("b", found, (), CHECKED)


@pytest.mark.parametrize(
    ("severity", "fails"),
    [
        (Severity.ERROR, {"error", "warning"}),
        (Severity.WARNING, {"warning"}),
        (Severity.INFO, set()),
    ],
)
def test_what_fails(severity: Severity, fails: set[str]) -> None:
    """Errors fail a task unless it never fails; warnings fail the strict one; what is good to know fails none."""
    assert {fail_on for fail_on in FAIL_ON if report(severity).fails(fail_on)} == fails
    assert not any(report().fails(fail_on) for fail_on in FAIL_ON)


def test_what_is_true_of_many_keys_is_told_once() -> None:
    """Findings that differ by their key alone become one, with the first key and how many more; the worst is first."""
    one, other = (Finding(Severity.ERROR, "no rule", "Add one", key=key) for key in "ab")
    info = Finding(Severity.INFO, "so it is", "Nothing")
    of_bucket = Finding(Severity.ERROR, "no rule", "Add one")
    found = grouped([info, one, other, one, of_bucket, info])
    assert [(each.severity, each.key, each.more_keys) for each in found] == [
        ("error", None, 0),
        ("error", "a", 1),
        ("info", None, 0),
    ]


def test_the_plain_form_is_bounded_and_counts_all() -> None:
    """The JSON form has the worst findings and says how many are left out, of findings and of what was not seen."""
    findings = tuple(
        Finding(Severity.ERROR, f"{at} " + "x" * 10_000, "y" * 10_000, rule="z" * 999) for at in range(999)
    )
    unseen = tuple(Unseen(f"{at}", "w" * 10_000) for at in range(999))
    plain = RulesReport("b", findings, unseen, CHECKED).to_dict()
    assert len(json.dumps(plain)) < 200_000
    assert plain["severities"] == {"error": 999, "warning": 0, "info": 0}
    assert plain["left_out"] == {"findings": 999 - MAX_SHOWN, "unseen": 999 - MAX_SHOWN}
    assert list(plain["findings"][0]) == ["severity", "rule", "key", "more_keys", "what", "remedy"]
    lines = list(RulesReport("b", findings, unseen, CHECKED).lines())
    assert (len(lines), lines[-1]) == (2 * MAX_SHOWN + 2, "and 1,898 more")


def test_text_of_strangers_is_shown_and_not_obeyed() -> None:
    """Names of rules and keys that a terminal would obey are spelled out in a line."""
    line = str(Finding(Severity.ERROR, "rule '\x1b[2J\u202e'", "Mend it", key="a\x1b\u202e\n"))
    assert not {"\x1b", "\u202e", "\n"} & set(line)


def test_nothing_found_is_said() -> None:
    """A report without findings says so in words."""
    assert list(report().lines())[-1] == "nothing was found"
    assert "nothing was found" not in list(RulesReport("b", (), (Unseen("it", "no"),), CHECKED).lines())
