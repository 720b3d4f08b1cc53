"""What a gate of a DAG run asks, read from Airflow's database: from its trigger, or from its rendered fields."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from airflow_provider_crr.cli.objects import use_database
from airflow_provider_crr.cli.rendered_gates import DagFile, rendered_gate
from airflow_provider_crr.errors import CrrError, InvalidArgument
from airflow_provider_crr.replication.gate import GatePolicy
from airflow_provider_crr.replication.targets import Targets
from airflow_provider_crr.text.legible import told

#: Most ids that a message lists.
_LISTED = 10
_NO_GATE = "Name a task of S3ReplicationSensor, or of a subclass"


@dataclass(frozen=True, slots=True)
class StoredGate:
    """
    What a gate asks.

    :param hook: the arguments of its hook.
    :param targets: what it waits for.
    :param policy: what the answers mean.
    :param pin_versions: whether it waits for the versions that answer first.
    :param state: state of its task; None if it has none yet.
    :param origin: where this was read, in words.
    :param deadline: when it gives up, seconds since the epoch; None if that is not known.
    :param known: of a gate that pins versions, those that its worker saw first; None if they are not known.
    """

    hook: dict[str, Any]
    targets: Targets
    policy: GatePolicy
    pin_versions: bool
    state: str | None
    origin: str
    deadline: float | None = None
    known: Mapping[str, Any] | None = None


def stored_gate(dag_id: str, task_id: str, run_id: str, map_index: int | None) -> StoredGate:
    """
    Return what a gate asks.

    :param dag_id: the DAG.
    :param task_id: the task.
    :param run_id: the DAG run.
    :param map_index: which of the instances of a mapped task; None for a task that is not mapped.
    :raises InvalidArgument: if there is no such gate, or not all that it asks was kept.
    :raises CrrError: if it cannot be read here.
    """
    from airflow.models.renderedtifields import RenderedTaskInstanceFields
    from airflow.models.taskinstance import TaskInstance
    from airflow.models.trigger import Trigger

    use_database()
    with _database() as session:
        index = _map_index(session, dag_id, task_id, run_id, map_index)
        instance = {"dag_id": dag_id, "task_id": task_id, "run_id": run_id, "map_index": index}
        state, trigger_id = session.query(TaskInstance.state, TaskInstance.trigger_id).filter_by(**instance).one()
        state = None if state is None else str(getattr(state, "value", state))
        trigger = session.get(Trigger, trigger_id) if state == "deferred" and trigger_id is not None else None
        if trigger is not None:
            return _of_trigger(trigger.classpath, _decrypted(trigger), state)
        fields = session.query(RenderedTaskInstanceFields.rendered_fields).filter_by(**instance).scalar()
        file = _file(session, dag_id, run_id)
    hook, targets, policy, pin_versions = rendered_gate(file, dag_id, task_id, index, fields)
    origin = "its fields were rendered last; policy and options are those of the DAG's file"
    return StoredGate(hook, targets, policy, pin_versions, state, origin)


@contextmanager
def _database() -> Iterator[Any]:
    from airflow.utils.session import create_session

    try:
        with create_session() as session:
            yield session
    except Exception as error:
        if not type(error).__module__.startswith("sqlalchemy."):
            raise
        raise CrrError(
            f"Airflow's database cannot be asked: {told(getattr(error, 'orig', None) or error)}",
            remedy="Run this where Airflow is configured, such as in the scheduler's container",
        ) from error


def _map_index(session: Any, dag_id: str, task_id: str, run_id: str, wanted: int | None) -> int:
    from airflow.models.taskinstance import TaskInstance

    rows = session.query(TaskInstance.map_index).filter_by(dag_id=dag_id, task_id=task_id, run_id=run_id)
    found = {index for (index,) in rows}
    if not found:
        raise _not_there(session, dag_id, task_id, run_id)
    if found == {-1}:
        if wanted in (None, -1):
            return -1
        raise InvalidArgument(
            f"task {task_id!r} has no map index {wanted}: it is not mapped, or not yet expanded",
            remedy="Leave --map-index out",
        )
    known = f"Its map indexes are {min(found)} to {max(found)}"
    if wanted is None:
        raise InvalidArgument(f"task {task_id!r} is mapped", remedy=f"Give one with --map-index. {known}")
    if wanted not in found:
        raise InvalidArgument(f"task {task_id!r} has no map index {wanted} in this run", remedy=known)
    return wanted


def _not_there(session: Any, dag_id: str, task_id: str, run_id: str) -> InvalidArgument:
    """Return an error that says what is not there, and what is."""
    from airflow.models.dag import DagModel
    from airflow.models.dagrun import DagRun
    from airflow.models.taskinstance import TaskInstance

    if session.get(DagModel, dag_id) is None:
        return InvalidArgument(f"there is no DAG {dag_id!r}", remedy="List them with airflow dags list")
    runs = session.query(DagRun.run_id).filter_by(dag_id=dag_id)
    if runs.filter_by(run_id=run_id).first() is None:
        latest = [name for (name,) in runs.order_by(DagRun.id.desc()).limit(_LISTED)]
        known = f"Its latest runs are {', '.join(latest)}" if latest else "It has no run yet"
        return InvalidArgument(f"DAG {dag_id!r} has no run {run_id!r}", remedy=known)
    tasks = session.query(TaskInstance.task_id).filter_by(dag_id=dag_id, run_id=run_id).distinct()
    names = [name for (name,) in tasks.order_by(TaskInstance.task_id).limit(_LISTED)]
    return InvalidArgument(
        f"run {run_id!r} of DAG {dag_id!r} has no task {task_id!r}", remedy=f"Some that it has: {', '.join(names)}"
    )


def _file(session: Any, dag_id: str, run_id: str) -> DagFile:
    from airflow.models.dag import DagModel
    from airflow.models.dagrun import DagRun

    model = session.get(DagModel, dag_id)
    version = session.query(DagRun.bundle_version).filter_by(dag_id=dag_id, run_id=run_id).scalar()
    if model is None:
        return DagFile(None, None, None, None)
    return DagFile(model.bundle_name, version, model.relative_fileloc, model.fileloc)


def _decrypted(trigger: Any) -> dict[str, Any]:
    try:
        return dict(trigger.kwargs)
    except Exception as error:  # of cryptography, or of what was encrypted
        raise CrrError(
            f"what the gate's trigger stores cannot be read: {type(error).__name__}: {told(error)}",
            remedy="Run this with the fernet key and the packages of the triggerer",
        ) from error


def _of_trigger(path: str, kwargs: Mapping[str, Any], state: str | None) -> StoredGate:
    from airflow_provider_crr.triggers.replication import S3ReplicationTrigger

    module, _, name = path.rpartition(".")
    try:
        kind = getattr(import_module(module), name)
        is_gate = issubclass(kind, S3ReplicationTrigger)
        trigger = kind(**kwargs) if is_gate else None
    except CrrError:
        raise
    except Exception as error:  # of a module of the user's, or of kwargs that another release stored
        raise CrrError(
            f"the gate's trigger {path} cannot be made here: {type(error).__name__}: {told(error)}",
            remedy="Run this with the packages and the release of this provider that the triggerer has",
        ) from error
    if trigger is None:
        raise InvalidArgument(f"the task waits with {path}, so it is not an S3ReplicationSensor", remedy=_NO_GATE)
    question = trigger.question
    return StoredGate(
        hook=dict(trigger.hook),
        targets=Targets.from_stored(question["targets"]),
        policy=GatePolicy(**question["policy"]),
        pin_versions=bool(question["pin_versions"]),
        state=state,
        origin="its trigger stores it",
        deadline=trigger.deadline,
        known=question["known"] if question["pin_versions"] else None,
    )
