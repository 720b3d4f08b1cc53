"""What a gate waits for, in a few lines for its log: how much of what, since when, for example, and what to do next."""

from __future__ import annotations

import shlex
from functools import cached_property
from itertools import chain

from airflow_provider_crr.replication.status import ObjectState
from airflow_provider_crr.replication.targets import Targets
from airflow_provider_crr.replication.verdict import Verdict
from airflow_provider_crr.s3.patterns import literal_prefix
from airflow_provider_crr.text import humanize
from airflow_provider_crr.text.legible import legible, shortened, told

#: What S3's user guide says of most objects ("Troubleshooting replication"); large ones may take hours.
_USUAL = "most take less than 15 min"
#: Seconds after which PENDING is no longer usual, unless objects are large.
LONG = 3600.0
#: Most characters of a URI in the first line, and of one that is named for example; how many are.
_LONGEST, _BRIEF, _EXAMPLES = 100, 45, 2
#: What stands before the version in a URI.
_VERSION = "?versionId="
#: What an object in this state has in store, for those that a gate may wait for.
_MEANING = {
    ObjectState.FAILED: "to be repaired",
    ObjectState.NONE: "no replication status yet",
    ObjectState.MISSING: "not written yet",
    ObjectState.UNKNOWN: "no readable answer",
}


class WaitedFor:
    """
    What one gate waits for, in words.

    :param targets: what the gate asks for.
    :param connection: id of the Airflow connection; None for boto3's own credentials.
    """

    def __init__(self, targets: Targets, connection: str | None) -> None:
        self._targets = targets
        self._connection = connection and told(connection)

    def lines(self, verdict: Verdict) -> list[str]:
        """
        Return what is waited for after a sweep. The first line begins with "waiting for", the last one with "Next:".

        :param verdict: of the sweep; it waits.
        """
        left, total = humanize.count(verdict.total - verdict.done), humanize.count(verdict.total)
        named = [self._named(entry["uri"], entry["status"]) for entry in verdict.waited_for()]
        one = len(self._targets.objects) == verdict.total == 1
        lines = [f"waiting for {left} of {total}{':' if one else ' in'} {self._where}"]
        if verdict.done == verdict.total:
            lines = [f"waiting for {self._where}, done are {total} of {total}"]
        lines += [", ".join(counts)] if (counts := _counts(verdict)) else []
        lines += [verdict.note] if verdict.note else []
        if named and not one:
            lines.append(f"  e.g. {', '.join(map(self._brief, named[:_EXAMPLES]))}")
        if (verdict.oldest_pending_seconds or 0.0) > LONG:
            advice = verdict.store.pending
            lines.append(f"PENDING too long? {advice[:1].upper()}{advice[1:]}")
        return [*lines, f"Next: {self._next(named)}"]

    def unasked(self, answers: int) -> list[str]:
        """
        Return what is waited for while nothing is known of it yet.

        :param answers: how many answers have come; not all.
        """
        one = "1 answer" if answers == 1 else f"{humanize.count(answers)} answers"
        came = f"{one} came, but not all" if answers else "no answer came yet"
        return [f"waiting for {self._where}", came]

    @cached_property
    def _where(self) -> str:
        """The one object that is named, the one pattern, or the folder of several; and by which connection."""
        few = (*self._targets.objects[:2], *self._targets.patterns[:2])
        first, *others = self._buckets
        if len(few) == 1:
            place = shortened(str(few[0]), _LONGEST)
        elif others:
            place = f"s3://{first} and {humanize.count(len(others))} more bucket{'' if len(others) == 1 else 's'}"
        else:
            place = shortened(f"s3://{first}/{self._folder}", _LONGEST)
        return f"{place} ({f'connection {self._connection}' if self._connection else 'no connection'})"

    def _named(self, uri: str, status: str) -> str:
        """Return a URI as the author would name the object: the version only if the gate asks for versions."""
        if self._of_versions or status == ObjectState.MISSING.value:  # of which no version is known
            return uri
        return uri.rpartition(_VERSION)[0] or uri

    @cached_property
    def _of_versions(self) -> bool:
        return any(obj.version_id for obj in self._targets.objects)

    @cached_property
    def _buckets(self) -> list[str]:
        return sorted({target.bucket for target in chain(self._targets.objects, self._targets.patterns)})

    @cached_property
    def _folder(self) -> str:
        """The folder that all keys are in; "" if there is none."""
        keys = {obj.key for obj in self._targets.objects}
        keys |= {literal_prefix(pattern.key) for pattern in self._targets.patterns}
        first, last = min(keys), max(keys)  # what these two begin with, all that sort between them begin with, too
        same = next(
            (place for place, pair in enumerate(zip(first, last, strict=False)) if len({*pair}) > 1), len(first)
        )
        return first[: first.rfind("/", 0, same) + 1]

    def _brief(self, uri: str) -> str:
        """Return a URI without the folder that the first line has named."""
        beginning = f"s3://{self._buckets[0]}/{self._folder}"
        if len(self._buckets) == 1 and uri.startswith(beginning):
            uri = f".../{uri[len(beginning) :]}"
        return shortened(uri, _BRIEF)

    def _next(self, named: list[str]) -> str:
        """Return the command that says more of the object that is waited for longest, as it is typed."""
        patterns = {str(pattern) for pattern in self._targets.patterns}
        uri = named[0] if named else str((*self._targets.patterns, *self._targets.objects[:1])[0])
        connection = self._connection or "aws_default"
        option = f" --conn-id {shlex.quote(connection)}" if connection != "aws_default" else ""
        return f"airflow crr {'status' if uri in patterns else 'explain'}{option} {shlex.quote(legible(uri))}"


def _counts(verdict: Verdict) -> list[str]:
    said = []
    for state in ObjectState:
        if not (number := verdict.waiting.get(state.value)):
            continue
        text = f"{humanize.count(number)} {state.value}"
        if state is ObjectState.PENDING and verdict.oldest_pending_seconds is not None:
            usual = f" ({_USUAL})" if verdict.store.is_s3 else ""
            text += f", oldest {humanize.age(verdict.oldest_pending_seconds)}{usual}"
        elif state in _MEANING:
            text += f" ({_MEANING[state]})"
        said.append(text)
    return said
