"""What a gate leaves when it fails: who has asked, and a list of all that FAILED, for S3 Batch Operations."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping
from contextlib import ExitStack, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow_provider_crr.batch.manifest_writer import ManifestWriter
from airflow_provider_crr.batch.repair_manifest import CONTENT_TYPE, NULL_VERSION
from airflow_provider_crr.inventory.output import check_destination, check_extra_args, write
from airflow_provider_crr.inventory.workspace import workspace
from airflow_provider_crr.replication.evidence import Left
from airflow_provider_crr.replication.status import ObjectReplication, ObjectState
from airflow_provider_crr.s3.deadline import Deadline, until
from airflow_provider_crr.s3.objects import S3Object, is_arn, is_s3_uri
from airflow_provider_crr.s3.uninterruptible import waited
from airflow_provider_crr.tasks.arguments import is_known, storable
from airflow_provider_crr.tasks.who import TRIGGERER, WORKER, asked
from airflow_provider_crr.text import humanize
from airflow_provider_crr.text.legible import legible, told

if TYPE_CHECKING:
    from airflow_provider_crr.hooks.replication import S3ReplicationHook
    from airflow_provider_crr.hooks.sharing.shared_hook import SharedHook

log = logging.getLogger(__name__)

#: Seconds that may be spent on it.
SECONDS = {WORKER: 20.0, TRIGGERER: 20.0}
#: Bytes of a list for each of which a worker has another second, and its most seconds in all. Not a triggerer: there
#: Airflow's own timeout may be near, and other gates wait.
_A_SECOND, _MOST = 1_000_000, 300.0
#: States that say that S3 refused whoever asked.
_REFUSED = frozenset({ObjectState.FORBIDDEN.value, ObjectState.UNREADABLE.value})


class GateEvidence:
    """
    The :class:`~airflow_provider_crr.replication.evidence.Evidence` of a gate.

    What FAILED is noted in a temporary file, so that it takes no memory however much it is.

    :param hook: the hook by which the gate asks, and what is left is written.
    :param where: :data:`WORKER` or :data:`TRIGGERER`.
    :param failed_manifest_uri: where to list what FAILED, as :func:`.check_destination` takes it; None for nowhere.
    :param extra_args: what is sent with it, as :func:`.check_extra_args` takes it.
    """

    _file: Any = None
    _directory: ExitStack | None = None

    def __init__(
        self,
        hook: S3ReplicationHook | SharedHook,
        *,
        where: str = WORKER,
        failed_manifest_uri: str | None = None,
        extra_args: Mapping[str, Any] | None = None,
    ) -> None:
        self._hook = hook
        self._where = where
        self._uri = failed_manifest_uri
        self._extra_args = extra_args
        self._writer: ManifestWriter | None = None
        self._buckets: set[str] = set()
        self._unnoted: str = ""

    def begin(self) -> None:
        """Forget what was noted."""
        self._close()
        self._unnoted = ""

    def note(self, answer: ObjectReplication) -> None:
        """Note the version that answered. Where S3 named none, there is no versioning, so it is the null version."""
        if self._uri is None or self._unnoted:
            return
        obj = answer.object
        try:
            if self._writer is None:
                self._directory = ExitStack()
                directory, _ = self._directory.enter_context(workspace(None))  # which outlives no process for long
                self._file = (directory / "failed.csv").open("wb")
                self._writer = ManifestWriter(self._file)
            version = obj.version_id or answer.version_id or NULL_VERSION
            self._writer.add(S3Object(obj.bucket, obj.key, version))
        except Exception as error:  # the disk is full, for example: the verdict is the same
            self._unnoted = told(error)
            self._close()
        else:
            self._buckets.add(obj.bucket)

    def leave(self, deciding: Collection[str]) -> Left:
        """Write the list, and say who has asked if S3 refused."""
        try:
            with until(Deadline(self._seconds())):
                written, remarks = self._write()
                asker = asked(self._hook, self._where) if _REFUSED.intersection(deciding) else ""
            return Left(asker, remarks, written)
        except BaseException as error:  # Airflow's execution_timeout, too: the gate fails all the same
            log.warning("cannot leave all evidence of the failure: %s", told(error))
            return Left(remarks=self._not_written(told(error)))
        finally:
            self._close()

    def _seconds(self) -> float:
        if self._where == TRIGGERER or self._file is None:
            return SECONDS[self._where]
        return float(min(_MOST, SECONDS[WORKER] + self._file.tell() / _A_SECOND))

    def _write(self) -> tuple[str | None, tuple[str, ...]]:
        if self._uri is None or (self._writer is None and not self._unnoted):
            return None, ()
        if self._writer is None:
            return None, self._not_written(self._unnoted)
        try:
            self._file.flush()
            client: Any = self._hook.get_conn()
            put = partial(write, client, self._uri, Path(self._file.name), CONTENT_TYPE, self._extra_args)
            if is_s3_uri(self._uri):
                put()
            else:
                waited(put, "the list was written")  # a disk that hangs cannot be interrupted
        except Exception as error:
            return None, self._not_written(str(error))
        rows = humanize.count(self._writer.rows)
        said = f"{rows} FAILED object version{'' if self._writer.rows == 1 else 's'}, for S3 Batch Operations:"
        remarks = [f"{said} {legible(self._uri)}"]
        if len(self._buckets) > 1:
            remarks.append(
                f"they are of {len(self._buckets)} buckets, and one job takes objects of one bucket: split the list"
            )
        if any(map(is_arn, self._buckets)):
            remarks.append(
                "they are named by an access point, and a manifest names the bucket: put its name in the list"
            )
        return self._uri, tuple(remarks)

    def _not_written(self, why: str) -> tuple[str, ...]:
        return () if self._uri is None else (f"what FAILED is not listed at {legible(self._uri)}: {why}",)

    def __del__(self) -> None:
        """Remove the file of a gate that waits elsewhere now, or has opened."""
        self._close()

    def _close(self) -> None:
        if self._file is not None:
            with suppress(OSError):  # what is left in its buffer has no room on the disk
                self._file.close()
        if self._directory is not None:
            self._directory.close()
        self._file = self._directory = self._writer = None
        self._buckets = set()


def check_manifest(task: Any, client: Any = None) -> None:
    """
    Refuse what would keep the list of what FAILED from being written, before S3 is asked for anything else.

    :param task: the sensor, with ``failed_manifest_uri`` and ``extra_args``. What is not known yet is not checked.
    :param client: boto3 S3 client, by which the types of ``extra_args`` are checked; None if there is none yet.
    :raises InvalidArgument: for a place to which nothing can be written, for what an upload does not take, and for what
        a trigger cannot keep.
    """
    if is_known(task, "failed_manifest_uri"):
        check_destination(task.failed_manifest_uri, "failed_manifest_uri")
    if is_known(task, "extra_args"):
        check_extra_args(task.extra_args, client)
        storable(task.extra_args, "extra_args", task.deferrable)
