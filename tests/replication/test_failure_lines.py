"""The message of a gate that stays shut: what a person sees of it in a log that does not wrap its lines."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_crr.replication.failure_lines import failure_lines
from airflow_provider_crr.replication.reasons import REASONS
from airflow_provider_crr.text.lines import WIDTH

FAILED = REASONS["FAILED"]  # type: ignore[index]
FORBIDDEN = REASONS["FORBIDDEN"]  # type: ignore[index]
ROLE = "arn:aws:iam::111122223333:role/service-role/s3crr_role_for_landing"
RULE = f"by rule 'orders' (prefix 'orders/') to bucket landing-dr, with the role {ROLE}"


def failed(number: int) -> dict[str, str]:
    return {"uri": f"s3://landing/orders/part-{number}?versionId=v", "status": "FAILED", "reason": FAILED, "rule": RULE}


def lines(*named: dict[str, str], **more: Any) -> list[str]:
    deciding: dict[str, int] = {}
    for entry in named:
        deciding[entry["status"]] = deciding.get(entry["status"], 0) + 1
    return failure_lines(named, **{"deciding": deciding, "progress": "replicated 1 of 9", **more})


def test_it_reads_as_designed() -> None:
    """The objects first, then once for all of them why, the rule with its role, and what to do; no line is long."""
    outside = {
        "uri": "s3://landing/other/k",
        "status": "NONE",
        "reason": "no rule of bucket landing covers this key (prefixes: 'orders/'). Extend a rule. Replicate what is"
        " already there with an S3 Batch Replication job",
    }
    found = lines(failed(1), outside, failed(2), deciding={"FAILED": 5, "NONE": 1}, waiting="3 PENDING")
    assert found == [
        "the gate stays shut: 5 FAILED, 1 NONE; replicated 1 of 9",
        "s3://landing/orders/part-1?versionId=v FAILED",
        "s3://landing/orders/part-2?versionId=v FAILED",
        "  S3 does not retry a failed replication",
        "  by rule 'orders' (prefix 'orders/') to bucket landing-dr, with the role",
        f"    {ROLE}",
        "  To do: Mend the cause (role, KMS key, destination bucket), then upload the object again or run an",
        "    S3 Batch Replication job",
        "and 3 more FAILED",
        "s3://landing/other/k NONE",
        "  no rule of bucket landing covers this key (prefixes: 'orders/')",
        "  To do: Extend a rule. Replicate what is already there with an S3 Batch Replication job",
        "still waiting: 3 PENDING",
        "more: docs/troubleshooting.rst#gate-shut",
    ]


def test_a_reason_is_said_once_for_ten_objects() -> None:
    """Ten objects that FAILED for one reason have ten lines, and one remedy."""
    found = lines(*map(failed, range(10)))
    assert "\n".join(found).count("To do:") == 1
    assert len(found) == 1 + 10 + 1 + 2 + 2 + 1


def test_what_s3_said_and_to_whom_stands_below_what_it_refused() -> None:
    """Refused objects of two buckets: one reason, the words of S3 about each bucket, who has asked, and one remedy."""
    words = "S3 answered AccessDenied: no identity-based policy allows the s3:GetObject action"
    refused = [
        {"uri": f"s3://{bucket}/k", "status": "FORBIDDEN", "reason": f"{FORBIDDEN} ({said})" if said else FORBIDDEN}
        | ({"said": said} if said else {})
        for bucket, said in [("a", words), ("a", ""), ("b", f"{words} on b")]
    ]
    found = lines(*refused, asker="by the connection 'prod', in the triggerer t-1")
    assert found[1:7] == [
        "s3://a/k FORBIDDEN",
        "s3://a/k FORBIDDEN",
        "s3://b/k FORBIDDEN",
        "  S3 answered 403",
        f"  {words}",
        f"  {words} on b",
    ]
    assert found[7] == "  asked by the connection 'prod', in the triggerer t-1"
    assert found[8].startswith("  To do: Allow s3:GetObject")


def test_who_asked_does_not_matter_where_s3_did_not_refuse() -> None:
    """A FAILED object does not depend on who asks."""
    assert not any("asked" in line for line in lines(failed(1), asker="by the connection 'prod'"))


TEXTS = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=80).filter(
    lambda text: text == text.strip()
)


@given(st.lists(st.tuples(TEXTS.filter(bool), TEXTS, TEXTS), max_size=10), TEXTS)
def test_nothing_is_lost_and_nothing_is_wide(entries: list[tuple[str, str, str]], asker: str) -> None:
    """Whatever the reasons are, all words of them are there, and no line is wider than a window but a single word."""
    named = [{"uri": f"s3://b/{uri}", "status": "FAILED", "reason": why, "rule": rule} for uri, why, rule in entries]
    found = lines(*named, asker=asker)
    text = " ".join(found)
    for entry in named:
        assert f"{entry['uri']} FAILED" in found or "[U+" in text  # a lost space is spelled out
        assert all(word.rstrip(".") in text for word in [*entry["reason"].split(), *entry["rule"].split()])
    for line in found:
        assert len(line) <= WIDTH or line.startswith("s3://") or len(line.split()) == 1
