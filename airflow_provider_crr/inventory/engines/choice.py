"""The engines by name."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow_provider_crr.inventory.engines.summarizer import Summarizer


def _local(s3_client: Any, work_dir: Path | str | None) -> Summarizer:
    # Imported here, because a DAG needs the names only.
    from airflow_provider_crr.inventory.engines.local import LocalSummarizer

    return LocalSummarizer(s3_client, work_dir=work_dir)


_MAKERS = {"local": _local}
#: The names of all engines.
ENGINES = tuple(_MAKERS)


def choose_summarizer(name: str, s3_client: Any, *, work_dir: Path | str | None = None) -> Summarizer:
    """
    Return the engine of a name.

    :param name: one of :data:`ENGINES`.
    :param s3_client: boto3 client for S3.
    :param work_dir: directory for temporary files; None for the system's.
    """
    return _MAKERS[name](s3_client, work_dir)
