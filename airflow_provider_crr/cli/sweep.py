"""One sweep of a gate for a person, who sees each answer as it comes, and then what the gate makes of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from airflow_provider_crr.replication.checkpoint.handover import Handover
from airflow_provider_crr.replication.gate import GatePolicy, Outcome
from airflow_provider_crr.replication.poller import Watch
from airflow_provider_crr.replication.status import ObjectReplication, ObjectState
from airflow_provider_crr.replication.targets import Targets
from airflow_provider_crr.replication.verdict import Verdict

if TYPE_CHECKING:
    from airflow_provider_crr.hooks.replication import S3ReplicationHook


def sweep(
    hook: S3ReplicationHook,
    targets: Targets,
    policy: GatePolicy,
    show: Callable[[ObjectReplication, Outcome], None],
    *,
    pin_versions: bool = False,
    known: Mapping[str, Any] | None = None,
) -> Verdict:
    """
    Ask once for all that a gate waits for, as the gate does in its first sweep.

    :param hook: where to ask.
    :param targets: what the gate waits for.
    :param policy: what the answers mean.
    :param show: called with each answer and what it means for the gate; for a state of an object once.
    :param pin_versions: whether the gate waits for the versions that answer first.
    :param known: what the worker handed over to the triggerer, and what is not asked for again; None for nothing.
    :raises LookupFailed: if S3 cannot be asked.
    """
    seen: set[int] = set()

    def told(answer: ObjectReplication, outcome: Outcome) -> None:
        # What patterns match is listed up to three times, and some of it is asked about more than once.
        mark = hash((answer.object, answer.state))
        if mark not in seen:
            seen.add(mark)
            show(answer, outcome)

    kept = Handover(known) if known else None
    watch = Watch(targets, policy, hook, pin_versions=pin_versions, kept=kept, told=told)
    watch.poll()
    assert watch.verdict is not None
    return watch.verdict


def together(verdicts: Sequence[Verdict]) -> Verdict:
    """Return one verdict about all objects of several; all must be done for it to be."""
    if len(verdicts) == 1:
        return verdicts[0]
    outcomes = {verdict.outcome for verdict in verdicts}
    ages = [verdict.oldest_pending_seconds for verdict in verdicts if verdict.oldest_pending_seconds is not None]
    return Verdict(
        outcome=next((o for o in (Outcome.FAIL, Outcome.WAIT) if o in outcomes), Outcome.DONE),
        total=sum(verdict.total for verdict in verdicts),
        done=sum(verdict.done for verdict in verdicts),
        statuses=_summed([verdict.statuses for verdict in verdicts]),
        deciding=_summed([verdict.deciding for verdict in verdicts]),
        oldest_pending_seconds=max(ages, default=None),
        sample=(),
        note=next((verdict.note for verdict in verdicts if verdict.note), ""),
    )


def _summed(counts: Sequence[dict[str, int]]) -> dict[str, int]:
    names = [state.value for state in ObjectState]
    return {name: total for name in names if (total := sum(count.get(name, 0) for count in counts))}
