"""
What a gate knows, as text: which of its objects are finished, so that the next process asks only for the rest.

Nothing here is believed that does not fit: whatever cannot be read, or is of another question, is a ValueError, and
the gate asks anew. Text that leaves nothing to ask is refused, too: a gate opens on answers, not on memory.
"""

from __future__ import annotations

import base64
import json
import logging
import zlib
from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from hashlib import blake2b
from itertools import islice
from typing import Any

from airflow_provider_crr.errors import InvalidArgument
from airflow_provider_crr.replication.gate import GatePolicy, Outcome
from airflow_provider_crr.replication.packed_objects import pack, unpack
from airflow_provider_crr.replication.status import ObjectReplication, ObjectState
from airflow_provider_crr.replication.targets import Targets
from airflow_provider_crr.s3.objects import S3Object
from airflow_provider_crr.s3.patterns import matches

log = logging.getLogger(__name__)

#: Bytes of a listed object's fingerprint.
MARK = 16
#: Increased when other answers make an object done: what was kept before was not asked for in that way.
_JUDGED = 2


@dataclass(frozen=True, slots=True)
class Question:
    """
    What a gate asks: what answers one question answers no other.

    :param targets: what it waits for.
    :param policy: what the answers mean.
    :param pin_versions: whether the version that answers first is waited for.
    :param whereabouts: whom it asks, as plain JSON.
    """

    targets: Targets
    policy: GatePolicy
    pin_versions: bool
    whereabouts: Mapping[str, Any]

    def fingerprint(self) -> str:
        """Return what tells this question from another."""
        about = [_JUDGED, asdict(self.policy), self.pin_versions, dict(self.whereabouts)]
        digest = blake2b(json.dumps(about, sort_keys=True).encode(), digest_size=MARK)
        for kind, objects in (("object", self.targets.objects), ("pattern", self.targets.patterns)):
            for obj in _sorted(objects):
                digest.update(json.dumps([kind, obj.bucket, obj.key, obj.version_id]).encode())
        return digest.hexdigest()

    def done_states(self) -> frozenset[ObjectState]:
        """Return the states that the policy calls done."""
        some, now, listed = S3Object("bucket", "key"), datetime.now(UTC), bool(self.targets.patterns)
        judged = {state: self.policy.judge(ObjectReplication(some, state), now, listed=listed) for state in ObjectState}
        return frozenset(state for state, outcome in judged.items() if outcome is Outcome.DONE)


@dataclass(slots=True)
class Checkpoint:
    """
    What is known of a gate's objects.

    :param done: state -> explicit targets that are done, or the versions that were pinned for them; of text always
        the targets, as the user named them.
    :param listed: fingerprints of listed objects that are done -> their state.
    :param pinned: unfinished objects with the version that is waited for; targets among them are not in the text.
    :param head_requests: HEADs sent so far; not in the text.
    :param started_at: when it was first asked, UTC, None for now; not in the text.
    """

    done: dict[ObjectState, list[S3Object]] = field(default_factory=dict)
    listed: dict[bytes, ObjectState] = field(default_factory=dict)
    pinned: list[S3Object] = field(default_factory=list)
    head_requests: int = 0
    started_at: datetime | None = None

    def lasting(self, *, pin_versions: bool) -> Checkpoint:
        """
        Return what also holds when the question is asked again, as after a user cleared the task.

        A key without version means whatever is current then, and so does a version that was pinned for it. A named
        version stays what it is, and a listed object is recognised by its ETag and time.
        """
        named = {state: [obj for obj in objects if obj.version_id] for state, objects in self.done.items()}
        return Checkpoint(named, {} if pin_versions else dict(self.listed))

    def to_text(self, targets: Targets, limit: int, *, all_pinned: bool = False) -> str:
        """
        Return the text of what fits into a number of characters; "" if that is nothing.

        :param targets: what the gate waits for.
        :param limit: most characters. Listed objects that do not fit are left out, and asked for again.
        :param all_pinned: whether the pinned versions must be in it; else they are left out if they do not fit.
        :raises InvalidArgument: if they must, and do not fit.
        """
        place = {obj: index for index, obj in enumerate(_sorted(targets.objects))}
        found: dict[str, Any] = {"done": {}, "listed": {}, "pinned": ""}
        for state, objects in self.done.items():
            bits = bytearray((len(place) + 7) // 8)
            for obj in objects:
                index = place[obj if obj in place else S3Object(obj.bucket, obj.key)]
                bits[index // 8] |= 1 << index % 8
            found["done"][state.value] = _encoded(zlib.compress(bits))
        room = limit - len(json.dumps(found)) - 20 * len(ObjectState)
        pinned = [obj for obj in self.pinned if obj not in place]
        packed = pack(pinned)
        if not pinned or len(packed) <= room:
            found["pinned"] = packed
            room -= len(packed)
        elif all_pinned:
            raise InvalidArgument(
                f"the versions of {len(pinned):,} keys are too many to be kept from one poke to the next",
                remedy="Use mode='poke' or deferrable=True with pin_versions, name the versions in bucket_key, or map"
                " the sensor over smaller lists",
            )
        else:
            log.warning("the versions of %s keys are too many to keep: a retry takes the current ones", len(pinned))
        if room < 0:
            log.warning("what is known takes more than %s characters to keep: the next process asks anew", limit)
            return ""
        fit = room * 4 // 5 // MARK
        if fit < len(self.listed):
            log.warning(
                "only %s of %s objects that are done can be kept: the next process asks for the others again",
                f"{fit:,}",
                f"{len(self.listed):,}",
            )
        marks: dict[ObjectState, bytearray] = {}
        for mark, state in islice(self.listed.items(), fit):
            marks.setdefault(state, bytearray()).extend(mark)
        found["listed"] = {state.value: _encoded(joined) for state, joined in marks.items()}
        return json.dumps(found)

    @classmethod
    def from_text(cls, text: str, targets: Targets, done_states: Collection[ObjectState]) -> Checkpoint:
        """
        Return what :meth:`to_text` wrote for the same targets.

        :param done_states: the states that the gate's policy calls done.
        :raises ValueError: if this is no such text, or leaves nothing to ask.
        """
        try:
            return _checked(json.loads(text), targets, frozenset(done_states))
        except Exception as error:  # malformed in whichever way: base 85, zlib, LZMA, JSON, keys, types
            raise ValueError(str(error) or type(error).__name__) from error


def _checked(found: dict[str, Any], targets: Targets, done_states: frozenset[ObjectState]) -> Checkpoint:
    if set(found) != {"done", "listed", "pinned"}:
        raise ValueError(f"fields {sorted(found)}")
    checkpoint = Checkpoint()
    ordered = _sorted(targets.objects)
    rest = set(ordered)
    for name, encoded in found["done"].items():
        bits = zlib.decompress(base64.b85decode(encoded))
        if len(bits) != (len(ordered) + 7) // 8 or int.from_bytes(bits, "little") >> len(ordered):
            raise ValueError(f"{len(bits)} bytes for {len(ordered)} objects")
        objects = [obj for index, obj in enumerate(ordered) if bits[index // 8] >> index % 8 & 1]
        if not rest.issuperset(objects):
            raise ValueError("an object in two states")
        rest.difference_update(objects)
        checkpoint.done[_done(name, done_states)] = objects
    for name, encoded in found["listed"].items():
        joined = base64.b85decode(encoded)
        marks = [joined[start : start + MARK] for start in range(0, len(joined), MARK)]
        if not targets.patterns or len(joined) % MARK or not checkpoint.listed.keys().isdisjoint(marks):
            raise ValueError("fingerprints that cannot be")
        checkpoint.listed.update(dict.fromkeys(marks, _done(name, done_states)))
    checkpoint.pinned = list(unpack(found["pinned"]))
    for obj in checkpoint.pinned:
        named = S3Object(obj.bucket, obj.key)
        listed = any(named.bucket == each.bucket and matches(each.key, named.key) for each in targets.patterns)
        if obj.version_id is None or not (named in rest or listed):
            raise ValueError(f"{obj} is not waited for")
    if not rest and not targets.patterns:
        raise ValueError("nothing is left to ask")
    return checkpoint


def _done(name: str, done_states: frozenset[ObjectState]) -> ObjectState:
    state = ObjectState(name)
    if state not in done_states:
        raise ValueError(f"{name} is not done")
    return state


def _sorted(objects: Iterable[S3Object]) -> list[S3Object]:
    return sorted(objects, key=lambda obj: (obj.bucket, obj.key, obj.version_id or ""))


def _encoded(data: bytes | bytearray) -> str:
    return base64.b85encode(data).decode()
