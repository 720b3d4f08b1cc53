"""A delete that is killed at any moment, and tried again: nothing older goes, nothing is refused for being done."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest

from airflow_provider_crr.errors import LookupFailed
from airflow_provider_crr.lookup.choice import head_one
from airflow_provider_crr.replication.checkpoint.store import MAX_PART
from airflow_provider_crr.replication.deletion import run
from airflow_provider_crr.replication.deletion.batches import Deletion
from airflow_provider_crr.replication.deletion.plan import DeletePlan
from airflow_provider_crr.replication.deletion.progress import KEY, DeleteProgress, VersionsUnknown
from airflow_provider_crr.replication.targets import Targets
from tests.support.versioned_s3 import Version, VersionedS3


class Killed(BaseException):
    """The process is gone."""


class Memory(dict[str, Any]):
    """A store that outlives its process; values are copied, as they are on their way to Airflow's database."""

    def __init__(self) -> None:
        super().__init__()
        self.before_set: Callable[[], None] = lambda: None
        self.after_set: Callable[[], None] = lambda: None

    def set(self, key: str, value: Any) -> None:
        self.before_set()
        self[key] = json.loads(json.dumps(value))
        assert self[key] == value  # Airflow takes plain JSON only
        self.after_set()

    def delete(self, key: str) -> None:
        self.pop(key, None)


class Process:
    """One try of a task, which is killed at the ``end``-th moment at which it asks, is answered, or keeps something."""

    def __init__(self, client: Any, memory: Memory | None, end: int | None = None) -> None:
        self._client = client
        self._memory = memory
        self._end = end
        self._moment = 0

    def _tick(self, **_: Any) -> None:
        self._moment += 1
        if self._moment == self._end:
            raise Killed

    def run(self, targets: Targets, versions: str, *, round: str = "0", retried: bool = False) -> dict[str, Any]:
        events = self._client.meta.events
        for name in ("before-send.s3", "response-received.s3"):
            events.register(name, self._tick, unique_id=name)
        if self._memory is not None:
            self._memory.before_set = self._memory.after_set = self._tick
        try:
            progress = DeleteProgress(self._memory, round, targets, versions, {"aws_conn_id": "x"})
            deletion = Deletion(self._client, partial(map, partial(head_one, self._client)), dry_run=False)
            deletion.intend = partial(progress.intend, counts=deletion.counts)
            deletion.sent_before = progress.sent_before
            progress.load(deletion.counts, retried=retried)
            run.run(DeletePlan(self._client, targets), progress, deletion)
        finally:
            for name in ("before-send.s3", "response-received.s3"):
                events.unregister(name, unique_id=name)
            if self._memory is not None:
                self._memory.before_set = self._memory.after_set = lambda: None
        return deletion.to_dict()


@pytest.fixture(scope="module")
def server() -> Iterator[tuple[VersionedS3, Any]]:
    with VersionedS3() as s3:
        yield s3, s3.client()


@pytest.fixture
def s3(server: tuple[VersionedS3, Any], monkeypatch: pytest.MonkeyPatch) -> VersionedS3:
    monkeypatch.setattr("airflow_provider_crr.replication.deletion.batches.BATCH", 2)
    found, _ = server
    fill(found)
    found.backwards = False
    return found


@pytest.fixture
def client(server: tuple[VersionedS3, Any]) -> Any:
    return server[1]


def fill(s3: VersionedS3) -> None:
    """Keep keys with an older version, one without, and one that is not replicated yet."""
    s3.objects.clear()
    for key in ("a", "b", "d", "e"):
        s3.put("b", key, f"{key}1", f"{key}2")
    s3.put("b", "c", "c1", Version("c2", "PENDING"))
    s3.put("b", "f", "f1")
    s3.put("other", "a", "o1", "o2")


TARGETS: dict[str, Targets] = {
    "keys": Targets.parse(["s3://b/f", *(f"s3://b/{key}" for key in "abcde"), "s3://other/a"]),
    "patterns": Targets.parse(["s3://b/*", "s3://b/a*", "s3://other/*", "s3://b/f"], wildcard_match=True),
    "versions": Targets.parse(
        [{"bucket": "b", "key": key, "version_id": f"{key}2"} for key in "abcde"]
        + [{"bucket": "b", "key": "f", "version_id": "f1"}, {"bucket": "other", "key": "a", "version_id": "o2"}]
    ),
}
LEFT = {
    "current": {"a": ["a1"], "b": ["b1"], "c": ["c2", "c1"], "d": ["d1"], "e": ["e1"]},
    "all": {"c": ["c2"]},
}


#: Between the moments at which it is killed; the others, where less can go wrong, are done in larger steps.
STEPS = {("keys", "current"): 1, ("patterns", "current"): 2}


@pytest.mark.parametrize("kind", TARGETS)
@pytest.mark.parametrize("versions", LEFT)
def test_delete_that_is_killed_at_any_moment_ends_as_if_it_was_not(
    s3: VersionedS3, client: Any, kind: str, versions: str
) -> None:
    """Killed at whichever moment, twice, and tried again, a delete removes what it would have, and refuses no more."""
    targets = TARGETS[kind]
    whole = Process(client, Memory()).run(targets, versions)
    expected = LEFT["current" if kind == "versions" else versions]
    assert s3.left() == expected
    end, step = 0, STEPS.get((kind, versions), 5)
    while True:
        end += step
        fill(s3)
        memory = Memory()
        try:
            Process(client, memory, end).run(targets, versions)
        except Killed:
            pass
        else:
            break  # it lives longer than it has to do
        try:
            Process(client, memory, end // 2 + 1).run(targets, versions, retried=True)
        except Killed:
            last = Process(client, memory).run(targets, versions, retried=True)
            assert last["refused_statuses"] == whole["refused_statuses"] == {"PENDING": 1}, end
            if versions == "current" or kind == "versions":
                assert last["deleted"] + last["already_gone"] == whole["deleted"], end
        assert s3.left() == expected, end
        # Killed after its end, before anybody took note of it.
        Process(client, memory).run(targets, versions, retried=True)
        assert s3.left() == expected, end
    assert end > 20


@pytest.mark.parametrize("kind", ["keys", "patterns"])
def test_older_version_is_not_taken_for_the_current_one(s3: VersionedS3, client: Any, kind: str) -> None:
    """A second try deletes no older version of a key whose current one the first try has deleted."""
    memory = Memory()
    with pytest.raises(Killed):
        Process(client, memory, _moment_after_first_delete(s3, client, TARGETS[kind])).run(TARGETS[kind], "current")
    assert s3.left() != LEFT["current"]
    Process(client, memory).run(TARGETS[kind], "current", retried=True)
    assert s3.left() == LEFT["current"]


def _moment_after_first_delete(s3: VersionedS3, client: Any, targets: Targets) -> int:
    for end in range(1, 100):
        fill(s3)
        try:
            Process(client, Memory(), end).run(targets, "current")
        except Killed:
            if len(s3.left()["a"]) == 1:
                fill(s3)
                return end
    raise AssertionError("nothing was deleted")


def test_version_that_somebody_writes_between_two_tries_stays(s3: VersionedS3, client: Any) -> None:
    """What became current after the first try had chosen a version stays: the chosen one goes."""
    memory = Memory()
    with pytest.raises(Killed):
        Process(client, memory, _moment_after_first_delete(s3, client, TARGETS["keys"])).run(TARGETS["keys"], "current")
    s3.put("b", "a", "a3")
    Process(client, memory).run(TARGETS["keys"], "current", retried=True)
    assert s3.left() == {**LEFT["current"], "a": ["a3", "a1"]}


@pytest.mark.parametrize("kind", ["keys", "patterns"])
def test_without_a_store_a_second_try_for_what_is_current_deletes_nothing(
    s3: VersionedS3, client: Any, kind: str
) -> None:
    """Where nothing is kept between tries, a retry cannot know which versions were meant, and says so."""
    before = s3.left()
    with pytest.raises(VersionsUnknown):
        Process(client, None).run(TARGETS[kind], "current", retried=True)
    assert s3.left() == before
    Process(client, None).run(TARGETS["versions"], "current", retried=True)  # no doubt which these are
    assert s3.left() == LEFT["current"]


def test_cleared_task_deletes_anew(s3: VersionedS3, client: Any) -> None:
    """A task that was cleared is a new asking: it takes what is current then."""
    memory = Memory()
    with pytest.raises(Killed):
        Process(client, memory, _moment_after_first_delete(s3, client, TARGETS["keys"])).run(TARGETS["keys"], "current")
    Process(client, memory).run(TARGETS["keys"], "current", round="1")
    assert "a" not in s3.left()


class Down(Memory):
    def get(self, key: str, default: Any = None) -> Any:
        raise RuntimeError("the state store is down")

    def set(self, key: str, value: Any) -> None:
        raise RuntimeError("the state store is down")


def test_store_that_fails_stops_only_what_needs_it(s3: VersionedS3, client: Any) -> None:
    """Without its store a delete of what is current fails before it deletes; one of all versions goes on."""
    before = s3.left()
    with pytest.raises(LookupFailed, match="state store is down") as caught:
        Process(client, Down()).run(TARGETS["keys"], "current")
    assert (caught.value.passing, s3.left()) == (True, before)
    Process(client, Down()).run(TARGETS["keys"], "all")
    assert s3.left() == LEFT["all"]


def test_store_that_cannot_be_written_stops_before_the_delete(s3: VersionedS3, client: Any) -> None:
    """Nothing is deleted of which is not kept which versions are meant."""

    class ReadOnly(Memory):
        set = Down.set

    before = s3.left()
    with pytest.raises(LookupFailed, match="0 object versions are deleted"):
        Process(client, ReadOnly()).run(TARGETS["patterns"], "current")
    assert s3.left() == before


@pytest.mark.parametrize(
    "spoil",
    [
        lambda record: record.update(schema=0),
        lambda record: record.update(question="another"),
        lambda record: record.update(chosen="no pack"),
        lambda record: record.update(sent="!"),
        lambda record: record.update(after=["b"]),
        lambda record: record.update(counts={"deleted": "many"}),
        lambda record: record.pop("counts"),
    ],
)
def test_record_that_cannot_be_used_stops_what_needs_it(s3: VersionedS3, client: Any, spoil: Any) -> None:
    """With a record that cannot be used, a delete of what is current deletes nothing; one of all versions goes on."""
    memory = Memory()
    with pytest.raises(Killed):
        Process(client, memory, _moment_after_first_delete(s3, client, TARGETS["keys"])).run(TARGETS["keys"], "current")
    before = s3.left()
    spoil(memory[KEY])
    with pytest.raises(VersionsUnknown):
        Process(client, memory).run(TARGETS["keys"], "current", retried=True)
    assert s3.left() == before
    Process(client, memory).run(TARGETS["keys"], "all", retried=True)
    assert s3.left() == LEFT["all"]


def test_changed_arguments_stop_a_second_try_for_what_is_current(s3: VersionedS3, client: Any) -> None:
    """A list that rendered to other keys in the second try is no reason to take older versions for current ones."""
    memory = Memory()
    with pytest.raises(Killed):
        Process(client, memory, _moment_after_first_delete(s3, client, TARGETS["keys"])).run(TARGETS["keys"], "current")
    before = s3.left()
    with pytest.raises(VersionsUnknown):
        Process(client, memory).run(TARGETS["patterns"], "current", retried=True)
    assert s3.left() == before


def test_record_stays_within_one_value(s3: VersionedS3, client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """What does not fit into one value is deleted in smaller portions, and each value stays below the limit."""
    monkeypatch.setattr("airflow_provider_crr.replication.deletion.batches.BATCH", 100)
    s3.objects.clear()
    keys = [
        f"{number:03}" + "".join(chr(0x4E00 + (number * 7919 + n * n * 31) % 20000) for n in range(330))
        for number in range(100)
    ]
    for key in keys:
        s3.put("b", key, f"{key[:3]}-old", f"{key[:3]}-new")
    sizes: list[int] = []

    class Measured(Memory):
        def set(self, key: str, value: Any) -> None:
            sizes.append(len(json.dumps(value)))
            super().set(key, value)

    found = Process(client, Measured()).run(Targets.parse([f"s3://b/{key}" for key in keys]), "current")
    assert (found["deleted"], max(sizes) <= MAX_PART, len(sizes) > 1) == (100, True, True)
    assert s3.left() == {key: [f"{key[:3]}-old"] for key in keys}


def test_pattern_whose_matches_another_has_deleted_is_no_refusal(s3: VersionedS3, client: Any) -> None:
    """A pattern that matches nothing any more, since another pattern of the same task had it deleted, is done."""
    targets = Targets.parse(["s3://b/*", "s3://b/a*", "s3://b/e*"], wildcard_match=True)
    found = Process(client, None).run(targets, "all")
    assert found["refused_statuses"] == {"PENDING": 1}


def test_named_version_that_is_gone_is_no_refusal(s3: VersionedS3, client: Any) -> None:
    """A version that is named and not there is already gone: counted so, and not as deleted or refused."""
    named = [{"bucket": "b", "key": "a", "version_id": version} for version in ("a2", "a9")]
    found = Process(client, None).run(Targets.parse(named), "all")
    assert (found["deleted"], found["already_gone"], found["refused"]) == (1, 1, 0)


def test_marker_that_is_named_stays(s3: VersionedS3, client: Any) -> None:
    """A named version that is a delete marker is refused, and stays."""
    s3.put("b", "a", Version("m", marker=True))
    found = Process(client, None).run(Targets.parse({"bucket": "b", "key": "a", "version_id": "m"}), "all")
    assert (found["refused_statuses"], s3.left()["a"][0]) == ({"DELETED": 1}, "m")


def test_listing_out_of_order_is_refused_where_order_counts(s3: VersionedS3, client: Any) -> None:
    """A store that lists keys in no order is not asked for what is current: a place would not tell what is done."""
    s3.backwards = True
    with pytest.raises(LookupFailed, match="not listed in the order"):
        Process(client, Memory()).run(TARGETS["patterns"], "current")
