"""Summaries for tests, asked for in one call."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from airflow_provider_crr.inventory.engines.local import MEMORY_LIMIT, LocalSummarizer
from airflow_provider_crr.inventory.engines.summarizer import SummaryRequest
from airflow_provider_crr.inventory.manifest import Manifest
from airflow_provider_crr.inventory.summary import Summary


def summarize_local(
    s3_client: Any,
    manifest: Manifest,
    *,
    work_dir: Path | str | None = None,
    memory_limit: str = MEMORY_LIMIT,
    threads: int | None = None,
    **request: Any,
) -> Summary:
    """Return what the local engine makes of a report."""
    engine = LocalSummarizer(s3_client, work_dir=work_dir, memory_limit=memory_limit, threads=threads)
    return engine.summarize(manifest, SummaryRequest(**request))
