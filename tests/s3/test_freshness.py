"""Which headers say that an answer was stored by a cache, whatever was asked."""

from __future__ import annotations

import pytest

from airflow_provider_crr.s3.freshness import cached


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("age", "1"),
        ("age", "soon"),
        ("warning", '110 - "Response is Stale"'),
        ("warning", '199 - "x", 113 - "Heuristic Expiration"'),
        ("x-cache", "HIT from squid.corp"),
        ("x-cache", "Hit from cloudfront"),
        ("x-cache", "TCP_MEM_HIT from a23"),
        ("x-cache", "MISS, HIT"),
        ("x-cache-status", "HIT"),
        ("x-cache-status", "STALE"),
        ("x-cache-remote", "TCP_HIT from a23"),
        ("x-proxy-cache", "HIT"),
        ("cf-cache-status", "HIT"),
        ("cache-status", "ExampleCache; hit; ttl=30"),
        ("cache-status", "ExampleCache; fwd=uri-miss, Other;hit"),
    ],
)
def test_stored_answer_is_told(name: str, value: str) -> None:
    """Each way in which a cache says that it answered is noticed, and named."""
    assert cached({name: value}).startswith(("Age is", f"{name} is"))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("age", "0"),
        ("warning", '199 - "Miscellaneous"'),
        ("x-cache", "MISS from hit-1.corp"),
        ("x-cache", "RefreshHit from cloudfront"),
        ("x-cache", "TCP_REFRESH_HIT from a23"),
        ("x-cache-status", "REVALIDATED"),
        ("cf-cache-status", "DYNAMIC"),
        ("cache-status", '"hit"; fwd=uri-miss'),
        ("cache-status", "ExampleCache; hit=?0"),
        ("via", "1.1 squid"),
    ],
)
def test_fresh_answer_is_fresh(name: str, value: str) -> None:
    """What came from S3, or was checked with it, is S3's word, also through a proxy whose name is odd."""
    assert cached({name: value}) == ""
