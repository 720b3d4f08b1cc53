"""What a gate asks, and what it knows of its objects: which are done, so that the next process asks for the rest."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any, Protocol

from airflow_provider_crr.replication.gate import GatePolicy, Outcome
from airflow_provider_crr.replication.packed_objects import in_order
from airflow_provider_crr.replication.status import ObjectReplication, ObjectState
from airflow_provider_crr.replication.targets import Targets
from airflow_provider_crr.s3.objects import S3Object

#: Bytes of a listed object's fingerprint.
MARK = 16
#: Increased when other answers than before make an object done, so that nothing kept before is used.
_JUDGED = 2


@dataclass(frozen=True, slots=True)
class Question:
    """
    What a gate asks. What is kept of one question is never used for another.

    :param targets: what it waits for.
    :param policy: what the answers mean.
    :param pin_versions: whether the version that answers first is waited for.
    :param whereabouts: which endpoint, Region, connection and bucket owner it names, as plain JSON.
    """

    targets: Targets
    policy: GatePolicy
    pin_versions: bool
    whereabouts: Mapping[str, Any]

    def fingerprint(self) -> str:
        """Return a digest that differs from that of any other question."""
        about = [_JUDGED, asdict(self.policy), self.pin_versions, dict(self.whereabouts)]
        digest = sha256(json.dumps(about, sort_keys=True).encode())
        for kind, objects in (("object", self.targets.objects), ("pattern", self.targets.patterns)):
            for obj in in_order(objects):
                digest.update(json.dumps([kind, obj.bucket, obj.key, obj.version_id]).encode())
        return digest.hexdigest()[: 2 * MARK]

    def done_states(self) -> frozenset[ObjectState]:
        """Return the states that the policy calls done."""
        some, now, listed = S3Object("bucket", "key"), datetime.now(UTC), bool(self.targets.patterns)
        judged = {state: self.policy.judge(ObjectReplication(some, state), now, listed=listed) for state in ObjectState}
        return frozenset(state for state, outcome in judged.items() if outcome is Outcome.DONE)


@dataclass(slots=True)
class Checkpoint:
    """
    What is known of a gate's objects.

    Its text (:mod:`.packed`) has the first three only.

    :param done: state -> explicit targets that are done, or the versions that were pinned for them. The text always
        has the targets as the user named them.
    :param listed: fingerprints of listed objects that are done -> their state.
    :param pinned: unfinished objects with the version that is waited for. The text leaves out targets among them.
    :param head_requests: answers to HEADs so far.
    :param started_at: when it was first asked, UTC; None for now.
    :param unanswered: HEADs that were sent, too, or may have been, and whose answer did not come.
    :param hours_told: after how many hours of the wait the log last said what it has cost; None if that is not known.
    :param seen: what is shown to people, as :mod:`.seen` has it; no verdict depends on it. None if nothing is known.
    """

    done: dict[ObjectState, list[S3Object]] = field(default_factory=dict)
    listed: dict[bytes, ObjectState] = field(default_factory=dict)
    pinned: list[S3Object] = field(default_factory=list)
    head_requests: int = 0
    started_at: datetime | None = None
    unanswered: int = 0
    hours_told: int | None = None
    seen: Mapping[str, Any] | None = None

    def lasting(self, *, pin_versions: bool) -> Checkpoint:
        """
        Return what also holds when the question is asked again, as after a user cleared the task.

        A key without version means whatever is current then, and so does a version that was pinned for it. A named
        version stays what it is, and a listed object is recognized by its ETag and time.
        """
        named = {state: [obj for obj in objects if obj.version_id] for state, objects in self.done.items()}
        return Checkpoint(named, {} if pin_versions else dict(self.listed))


class Record(Protocol):
    """Where a gate's next process finds what this one knows."""

    def load(self, question: Question) -> Checkpoint | None:
        """
        Return what is known of a question; :meth:`save` is for the same question from then on.

        :return: None if nothing is known, or it cannot be read.
        """

    def save(self, known: Checkpoint, *, waits: bool = True, failed: bool = False) -> None:
        """
        Keep what is known.

        :param known: what is known.
        :param waits: whether the gate waits for another poll.
        :param failed: whether the gate has failed: then nothing is raised.
        """

    def forget(self) -> None:
        """Drop what is kept: the gate is open."""
