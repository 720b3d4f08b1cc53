"""
Doubles of S3 for those who test their DAGs: no AWS, no server to start, and no time spent waiting.

Inside of :func:`fake_s3` and :func:`fake_inventory` every S3 client of boto3 is answered within the process, whatever
connection a DAG names, whether or not that is defined. No credentials are needed. All else is what runs in production:
the sensor, its trigger, boto3 with its signatures and parsers, and what this provider makes of the answers. A request
to another service of AWS is refused, so that none leaves the process.

As pytest fixtures of the same names they last until the end of the test.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from airflow_provider_crr.testing.records import FakeInventory, FakeS3

# What the doubles are made of is imported when one begins: pytest imports this module at each of its starts.


@contextmanager
def fake_s3(
    objects: Mapping[str, str | Sequence[str]],
    *,
    rules: Mapping[str, str | Sequence[Mapping[str, Any]]] | None = None,
    last_modified: datetime | None = None,
    patient: bool = False,
) -> Iterator[FakeS3]:
    """
    Answer for S3 within the block.

    A state is one of :class:`~airflow_provider_crr.replication.status.ObjectState`, such as ``"PENDING"``. An object
    with several states has the first one at the first look, and so on; it stays in the last one. A look is a HEAD of
    the object, and, while it is MISSING or DELETED, also a listing that would show it. Every object has a version.
    A bucket that is not named here does not exist, but is made when something is written there. What a DAG writes has
    the state that is given here for its key, else NONE.

    :param objects: S3 URI -> its state, or its states in turn. With ``?versionId=`` behind the key it is that version;
        of several versions of one key the last one is current.
    :param rules: bucket -> its replication rules, as boto3 takes them; or the name of the bucket to which one rule
        replicates everything. Other buckets have no rules.
    :param last_modified: when the objects were written; None for a minute ago.
    :param patient: whether the provider's sensors and triggers really wait between two looks. If not, their time passes
        at once, and so does their timeout.
    :return: what is asked.
    :raises InvalidArgument: for what is no S3 URI, or no state.
    """
    from airflow_provider_crr.testing.objects import Layer
    from airflow_provider_crr.testing.standing_in import standing_in

    record = FakeS3.unasked()
    with standing_in(Layer.of_states(objects, rules or {}, last_modified, record), patient=patient):
        yield record


@contextmanager
def fake_inventory(
    rows: Iterable[Mapping[str, Any] | Sequence[Any]],
    *,
    inventory: str = "s3://inventory/landing/daily/",
    created_at: datetime | None = None,
    patient: bool = False,
) -> Iterator[FakeInventory]:
    """
    Have S3 deliver an S3 Inventory report, a CSV file of all versions, and answer for S3 within the block.

    :param rows: a row for each version: a mapping with ``key``, ``status``, ``size``, ``last_modified``,
        ``version_id``, ``is_latest`` and ``is_delete_marker``, or a tuple of these in this order. All but the key may
        be left out: a COMPLETED version of one byte that is an hour older than the report, and the latest.
        The status ``"NONE"`` stands for an empty one.
    :param inventory: folder of the inventory configuration, ``s3://dest/prefix/source-bucket/config-id/``.
    :param created_at: when S3 began the report, with time zone; None for an hour ago.
    :param patient: see :func:`fake_s3`.
    :return: where the report is.
    :raises InvalidArgument: for a row with other names, or a folder that is none.
    """
    from airflow_provider_crr.testing.objects import Layer
    from airflow_provider_crr.testing.report import write_report
    from airflow_provider_crr.testing.standing_in import standing_in

    report, contents = write_report(rows, inventory, created_at)
    with standing_in(Layer.of_contents(contents, FakeS3.unasked()), patient=patient):
        yield report
