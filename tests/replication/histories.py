"""Random histories of a writer and a gate: a store in memory, whose writer may act between any two requests."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import formatdate
from random import Random
from threading import Event
from typing import Any

from airflow_provider_crr.replication.checkpoint.store import Kept
from airflow_provider_crr.replication.gate import GatePolicy
from airflow_provider_crr.replication.poller import Watch
from airflow_provider_crr.replication.rules import ReplicationRule
from airflow_provider_crr.replication.status import ObjectReplication, ObjectState
from airflow_provider_crr.replication.targets import Targets
from airflow_provider_crr.s3.listing import ListedObject
from airflow_provider_crr.s3.objects import S3Object
from airflow_provider_crr.s3.patterns import literal_prefix, matches
from tests.support.polling import event_of

BEGIN = datetime(2026, 11, 20, 12, tzinfo=UTC).timestamp()
KEYS = ["w/_SUCCESS", *(f"w/part-{number}" for number in range(6)), "w/tmp/x", "w/z"]
BYTES = ("one", "two")
POLLS = 5
COMPLETED, PENDING = ObjectState.COMPLETED, ObjectState.PENDING


@dataclass(eq=False)
class Version:
    """One version of an object: what was written, and the second in which that is said to have been."""

    key: str
    id: str
    etag: str
    modified: int
    state: ObjectState = PENDING
    shown: bool = False  # by a listing
    current: bool = True


@dataclass
class World:
    """
    A store and its writer. The writer may act before each request, and time passes with each.

    :param chance: what happens next.
    :param patterns: what the gate waits for.
    :param pins: whether it waits for the version that answered first.
    :param busy: how likely the writer acts between two requests.
    """

    chance: Random
    patterns: Sequence[S3Object]
    pins: bool
    busy: float
    now: float = BEGIN
    versions: dict[str, Version] = field(default_factory=dict)
    keys: dict[str, Version] = field(default_factory=dict)
    #: After each step of the writer: whether each pattern matched something, and what of it was not COMPLETED.
    moments: list[tuple[bool, list[Version]]] = field(default_factory=list)
    #: How many moments there had been when each listing of a pattern began.
    listings: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._matched = {key: [each for each in self.patterns if matches(each.key, key)] for key in KEYS}

    def clock(self) -> datetime:
        return datetime.fromtimestamp(self.now, UTC)

    def pause(self, seconds: float, stop: Event | None) -> None:
        """Let the gate wait."""
        for _ in range(3):
            self.now += seconds / 3
            self.between()

    def between(self) -> None:
        """Let time pass, and the writer act or not."""
        self.now += self.chance.choice((0.001, 0.01, 0.1, 0.4))
        while self.chance.random() < self.busy:
            self.step()

    def step(self) -> None:
        """Let the writer do something."""
        chance, key = self.chance, self.chance.choice(KEYS)
        old = self.keys.get(key)
        actions = ("write", "multipart", "same", "delete", "rename", "finish", "time")
        (what,) = chance.choices(actions, (6, 1, 3, 2, 1, 14, 2))
        if what == "write":
            self.put(key, chance.choice(BYTES))
        elif what == "multipart":  # its time is that of its beginning; its ETag, here, is like no other
            self.put(key, f"{chance.random()}-2", before=chance.choice((0, 1, 60)))
        elif what == "same" and old:
            self.put(key, old.etag)
        elif what == "delete":
            self.delete(key)
        elif what == "rename" and old:
            self.delete(key)
            self.put(chance.choice(KEYS), old.etag)
        elif what == "finish":
            pending = [version for version in self.versions.values() if version.state is PENDING]
            if pending:
                chance.choice(pending).state = COMPLETED
        elif what == "time":
            self.now += chance.choice((0.3, 1.0, 5.0))
        self.note()

    def put(self, key: str, etag: str, *, before: int = 0, state: ObjectState = PENDING) -> None:
        self.delete(key)
        self.keys[key] = version = Version(key, f"v{len(self.versions)}", etag, int(self.now - before), state)
        self.versions[version.id] = version

    def delete(self, key: str) -> None:
        if old := self.keys.pop(key, None):
            old.current = False

    def note(self) -> None:
        """Note what is not COMPLETED; with pins, that of which no version is."""
        unseen = set(self.patterns)
        left = []
        finished = {each.key for each in self.versions.values() if each.state is COMPLETED} if self.pins else ()
        for key, version in self.keys.items():
            matched = self._matched[key]
            unseen.difference_update(matched)
            if matched and version.state is not COMPLETED and key not in finished:
                left.append(version)
        self.moments.append((not unseen, left))

    def was_whole(self) -> bool:
        """
        Return whether all was COMPLETED at some moment since the last listing of all patterns began.

        All but what was gone again before any listing could show it.
        """
        since = self.moments[self.listings[-len(self.patterns)] :]
        return any(matched and all(self.passed_unseen(each) for each in left) for matched, left in since)

    def passed_unseen(self, version: Version) -> bool:
        return not version.current and not version.shown

    # What a watch asks of S3.

    def list_matching(self, pattern: S3Object) -> Iterator[ListedObject]:
        self.listings.append(len(self.moments) - 1)
        prefix, size, after = literal_prefix(pattern.key), self.chance.randint(1, 4), ""
        while True:
            self.between()
            page = sorted(key for key in self.keys if key.startswith(prefix) and key > after)[: size + 1]
            for version in [self.keys[key] for key in page[:size]]:
                if pattern in self._matched[version.key]:
                    version.shown = True
                    modified = datetime.fromtimestamp(version.modified, UTC)
                    yield ListedObject(S3Object("b", version.key), version.etag, modified)
            if len(page) <= size:
                return
            after = page[size - 1]

    def get_replication_statuses(
        self, objects: Iterable[S3Object], *, stop: Event | None = None
    ) -> Iterator[ObjectReplication]:
        remaining, width = iter(objects), self.chance.randint(1, 4)
        under_way: list[S3Object] = []
        more = True
        while more or under_way:
            while more and len(under_way) < width:
                obj = next(remaining, None)
                more = obj is not None
                under_way += [obj] if obj else []
            if under_way:
                self.between()
                yield self.head(under_way.pop(self.chance.randrange(len(under_way))))

    def head(self, obj: S3Object) -> ObjectReplication:
        found = self.versions[obj.version_id] if obj.version_id else self.keys.get(obj.key)
        date = formatdate(self.now, usegmt=True)
        if found is None:
            return ObjectReplication(obj, ObjectState.MISSING, 404, date=date)
        modified = datetime.fromtimestamp(found.modified, UTC)
        return ObjectReplication(obj, found.state, 200, found.id, found.etag, modified, date=date)

    def get_replication_rules(self, bucket_name: str, *, brief: bool = False) -> tuple[ReplicationRule, ...]:
        raise AssertionError("asked only about a store that replicates by itself")

    def check_bucket(self, bucket_name: str) -> None:
        """There is one."""

    def why_no_status(self, answer: ObjectReplication) -> str:
        return ""

    def whereabouts(self) -> dict[str, Any]:
        return {}


class Memory:
    """A task state store."""

    def __init__(self) -> None:
        self.values: dict[str, Any] = {}

    def get(self, key: str) -> Any:
        return self.values.get(key)

    def set(self, key: str, value: Any) -> None:
        self.values[key] = value

    def delete(self, key: str) -> None:
        self.values.pop(key, None)


@dataclass
class History:
    """
    How one ended.

    :param opened: whether the gate opened while the writer wrote.
    :param whole: whether all was whole when it opened.
    :param polls: how often it asked once the writer had ended and all was COMPLETED.
    """

    opened: bool
    whole: bool = True
    polls: int = 0


def history(seed: int, patterns: Sequence[str], *, pins: bool = False) -> History:
    """
    Let a writer write and a gate wait. After some polls the writer ends.

    In a third of the histories each poll is a process of its own, which knows what the one before has kept.
    """
    chance = Random(seed)
    targets = Targets.parse([f"s3://b/{pattern}" for pattern in patterns], wildcard_match=True)
    world = World(chance, targets.patterns, pins, busy=chance.choice((0.1, 0.3, 0.5)))
    for key in chance.sample(KEYS, chance.randint(0, 5)):
        world.put(key, chance.choice(BYTES), state=chance.choice((COMPLETED, PENDING)))
    if chance.random() < 0.7:
        world.put("w/_SUCCESS", "")
    world.note()
    store, processes = Memory(), chance.random() < 0.3

    def gate() -> Watch:
        kept = Kept(store, "0/0", each_poll=True) if processes else None
        return Watch(targets, GatePolicy(), world, pin_versions=pins, kept=kept, clock=world.clock, pause=world.pause)

    def poll(watch: Watch) -> bool:
        event = event_of(watch)
        assert event is None or event["status"] == "done", event
        return event is not None

    watch = gate()
    for _ in range(POLLS):
        if poll(watch):
            return History(True, world.was_whole())
        world.now += chance.choice((0.0, 0.2, 3.0, 60.0))
        for _ in range(chance.randint(0, 6)):
            world.step()
        watch = gate() if processes else watch
    world.busy = 0
    for pattern in patterns:
        world.put(next(key for key in KEYS if matches(pattern, key)), "one")
    for version in world.versions.values():
        version.state = COMPLETED
    for number in range(1, 4):
        if poll(watch):
            return History(False, polls=number)
        watch = gate() if processes else watch
    return History(False, polls=99)
