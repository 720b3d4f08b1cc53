"""
What a gate knows, as text that fits into a store of Airflow's.

Nothing that does not fit is believed: whatever cannot be read, or is of another question, is a ValueError, and the gate
asks for all again. Text that leaves nothing to ask is refused, too: a gate opens on answers, not on memory.
"""

from __future__ import annotations

import base64
import json
import logging
import zlib
from collections.abc import Collection, Mapping
from hashlib import sha256
from itertools import islice
from typing import Any

from airflow_provider_crr.errors import InvalidArgument
from airflow_provider_crr.replication.checkpoint.value import MARK, Checkpoint
from airflow_provider_crr.replication.packed_objects import in_order, pack, unpack
from airflow_provider_crr.replication.status import ObjectState
from airflow_provider_crr.replication.targets import Targets
from airflow_provider_crr.s3.objects import S3Object
from airflow_provider_crr.s3.patterns import matches
from airflow_provider_crr.text.legible import told

log = logging.getLogger(__name__)


def to_text(
    checkpoint: Checkpoint,
    targets: Targets,
    limit: int,
    *,
    whole: bool = False,
    unfit_level: int = logging.WARNING,
) -> str:
    """
    Return the text of what fits into a number of characters; "" if that is nothing.

    :param checkpoint: what is known.
    :param targets: what the gate waits for.
    :param limit: most characters. Listed objects that do not fit are left out, and asked for again.
    :param whole: whether it must have all that is known, because versions are pinned: what is asked for again is pinned
        again. Else pinned versions are left out if they do not fit.
    :param unfit_level: the level at which the log says that more requests will be sent, because something does not fit.
    :raises InvalidArgument: if it must, and there is no room.
    """
    place = {obj: index for index, obj in enumerate(in_order(targets.objects))}
    parts: dict[str, Any] = {"done": {}, "listed": {}, "pinned": ""}
    for state, objects in checkpoint.done.items():
        bits = bytearray((len(place) + 7) // 8)
        for obj in objects:
            index = place[obj if obj in place else S3Object(obj.bucket, obj.key)]
            bits[index // 8] |= 1 << index % 8
        parts["done"][state.value] = _encoded(zlib.compress(bits))
    room = limit - len(json.dumps(parts)) - 20 * len(ObjectState)
    pinned = [obj for obj in checkpoint.pinned if obj not in place]
    packed = pack(pinned)
    if not pinned or len(packed) <= room:
        parts["pinned"] = packed
        room -= len(packed)
    elif whole:
        raise _too_many(checkpoint)
    else:
        log.warning("the versions of %s keys are too many to keep: a retry takes the current ones", len(pinned))
    if room < 0:
        log.log(unfit_level, "what is known takes more than %s characters to keep: the next process asks again", limit)
        return ""
    fit = room * 4 // 5 // MARK
    if fit < len(checkpoint.listed):
        if whole:
            raise _too_many(checkpoint)
        log.log(
            unfit_level,
            "only %s of %s objects that are done can be kept: the next process asks for the others again",
            f"{fit:,}",
            f"{len(checkpoint.listed):,}",
        )
    marks: dict[ObjectState, bytearray] = {}
    for mark, state in islice(checkpoint.listed.items(), fit):
        marks.setdefault(state, bytearray()).extend(mark)
    parts["listed"] = {state.value: _encoded(joined) for state, joined in marks.items()}
    return json.dumps(parts)


def _too_many(checkpoint: Checkpoint) -> InvalidArgument:
    count = len(checkpoint.pinned) + len(checkpoint.listed)
    return InvalidArgument(
        f"the versions of {count:,} keys are too many to be kept from one poke to the next",
        remedy="Use mode='poke' with pin_versions, name the versions in bucket_key, or map the sensor over smaller"
        " lists",
    )


def from_text(text: str, targets: Targets, done_states: Collection[ObjectState]) -> Checkpoint:
    """
    Return what :func:`to_text` wrote for the same targets.

    :param done_states: the states that the gate's policy calls done.
    :raises ValueError: if this is no such text, or leaves nothing to ask.
    """
    try:
        return _checked(json.loads(text), targets, frozenset(done_states))
    except Exception as error:  # malformed in whichever way: base 85, zlib, LZMA, JSON, keys, types
        raise ValueError(str(error) or type(error).__name__) from error


def _checked(parts: dict[str, Any], targets: Targets, done_states: frozenset[ObjectState]) -> Checkpoint:
    if set(parts) != {"done", "listed", "pinned"}:
        raise ValueError(f"fields {sorted(parts)}")
    checkpoint = Checkpoint()
    ordered = in_order(targets.objects)
    rest = set(ordered)
    for name, encoded in parts["done"].items():
        bits = zlib.decompress(base64.b85decode(encoded))
        if len(bits) != (len(ordered) + 7) // 8 or int.from_bytes(bits, "little") >> len(ordered):
            raise ValueError(f"{len(bits)} bytes for {len(ordered)} objects")
        objects = [obj for index, obj in enumerate(ordered) if bits[index // 8] >> index % 8 & 1]
        if not rest.issuperset(objects):
            raise ValueError("an object in two states")
        rest.difference_update(objects)
        checkpoint.done[_done(name, done_states)] = objects
    for name, encoded in parts["listed"].items():
        joined = base64.b85decode(encoded)
        marks = [joined[start : start + MARK] for start in range(0, len(joined), MARK)]
        if not targets.patterns or len(joined) % MARK or not checkpoint.listed.keys().isdisjoint(marks):
            raise ValueError("fingerprints that cannot be")
        checkpoint.listed.update(dict.fromkeys(marks, _done(name, done_states)))
    checkpoint.pinned = list(unpack(parts["pinned"]))
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


def _encoded(data: bytes | bytearray) -> str:
    return base64.b85encode(data).decode()


#: The text of a gate of which nothing is known.
NOTHING = to_text(Checkpoint(), Targets(), 1000)


def digest(about: Mapping[str, Any], text: str) -> str:
    """
    Return what shows whether a text is whole, and the one that was stored with some other values.

    :param about: the other values, plain JSON.
    :param text: the text.
    """
    return sha256(json.dumps([about, text], sort_keys=True).encode()).hexdigest()[:32]


def short(error: BaseException) -> str:
    """Return in a few words why something stored cannot be used, or not be stored."""
    return f"{type(error).__name__}: {told(error)[:200]}"
