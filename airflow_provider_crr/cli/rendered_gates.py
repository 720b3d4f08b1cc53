"""A gate that is not deferred: its task as the DAG's file has it, with the fields that Airflow rendered last."""

from __future__ import annotations

import inspect
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, NamedTuple

from airflow_provider_crr.errors import CrrError, InvalidArgument
from airflow_provider_crr.tasks.arguments import TARGET_FIELDS
from airflow_provider_crr.tasks.rendered_values import BY_DATA
from airflow_provider_crr.tasks.templated import given_by_data
from airflow_provider_crr.text.legible import told

if TYPE_CHECKING:
    from airflow_provider_crr.replication.gate import GatePolicy
    from airflow_provider_crr.replication.targets import Targets

#: How Airflow begins the text of a field that it has cut (``[core] max_templated_field_length``).
_CUT = "Truncated. You can change this behaviour in [core]max_templated_field_length."
#: What Airflow puts in the place of what it takes for a secret.
_MASK = "***"
_ELSEWHERE = "Run this where the DAG's file is, with what it imports, such as on a worker"


class DagFile(NamedTuple):
    """
    Where a DAG is read from.

    :param bundle_name: its bundle.
    :param bundle_version: the bundle's version in a DAG run; None for the latest.
    :param relative: its path in the bundle.
    :param own: the path that it had where it was parsed.
    """

    bundle_name: str | None
    bundle_version: str | None
    relative: str | None
    own: str | None


def rendered_gate(
    file: DagFile, dag_id: str, task_id: str, map_index: int, fields: Mapping[str, Any] | None
) -> tuple[dict[str, Any], Targets, GatePolicy, bool]:
    """
    Return what a gate asks: the arguments of its hook, what it waits for, its policy, and whether it pins versions.

    :param file: the DAG's file.
    :param dag_id: the DAG.
    :param task_id: the task.
    :param map_index: which of the instances of a mapped task; -1 if it is not mapped.
    :param fields: the rendered fields of the task's instance; None if there are none.
    :raises InvalidArgument: if the task is no gate, or not all that it asks was kept.
    :raises CrrError: if the DAG's file cannot be read here.
    """
    from airflow_provider_crr.sensors.replication import S3ReplicationSensor
    from airflow_provider_crr.tasks.connection import HOOK_FIELDS, hook_arguments

    task = _task(_path(file), dag_id, task_id)
    kind = task.operator_class if task.is_mapped else type(task)
    if not issubclass(kind, S3ReplicationSensor):
        raise InvalidArgument(
            f"task {task_id!r} is a {kind.__name__}, not an S3ReplicationSensor",
            remedy="Name a task of S3ReplicationSensor, or of a subclass",
        )
    if not fields:
        raise InvalidArgument(
            f"Airflow has no rendered fields of task {task_id!r} in this run",
            remedy="It has them once the task has run, and for its latest runs only"
            " ([core] max_num_rendered_ti_fields_per_task, or num_dag_runs_to_retain_rendered_fields)",
        )
    names = [name for name in (*TARGET_FIELDS, *HOOK_FIELDS) if name in fields]
    _refuse_what_was_cut({name: fields[name] for name in names}, task_id)
    if task.is_mapped:
        task = _unmapped(task, map_index, fields)
    for name in names:
        setattr(task, name, fields[name])
    return hook_arguments(task), task._targets(), task._policy(), task.pin_versions


def _path(file: DagFile) -> tuple[Path, Path | None]:
    """Return the DAG's file, and the folder of its bundle, as a worker finds them."""
    try:
        if file.bundle_name and file.relative:
            from airflow.dag_processing.bundles.manager import DagBundlesManager

            manager: Any = DagBundlesManager
            bundle = manager().get_bundle(name=file.bundle_name, version=file.bundle_version)
            bundle.initialize()
            path = Path(bundle.path, file.relative)
            if path.exists():
                return path, Path(bundle.path)
    except Exception as error:  # of whatever a bundle is fetched with
        if not (file.own and Path(file.own).exists()):
            raise CrrError(
                f"the DAG bundle {file.bundle_name!r} cannot be read here: {type(error).__name__}: {told(error)}",
                remedy=_ELSEWHERE,
            ) from error
    if file.own and Path(file.own).exists():
        return Path(file.own), None
    named = file.own or file.relative or "its path is not known"
    raise CrrError(f"the DAG's file is not here: {named}", remedy=_ELSEWHERE)


def _task(where: tuple[Path, Path | None], dag_id: str, task_id: str) -> Any:
    from airflow_provider_crr.tasks.compat import DagBag

    file, bundle_path = where
    if bundle_path is not None and os.fspath(bundle_path) not in sys.path:  # what the file imports may be there
        sys.path.append(os.fspath(bundle_path))
    bag_of: Any = DagBag
    known = inspect.signature(bag_of.__init__).parameters
    options = {"include_examples": False, "safe_mode": False, "load_op_links": False}
    bag = bag_of(dag_folder=os.fspath(file), **{name: value for name, value in options.items() if name in known})
    dag = bag.dags.get(dag_id)
    if dag is None:
        why = next(iter(bag.import_errors.values()), "").strip().rpartition("\n")[2]
        raise CrrError(
            f"the file {file} gives no DAG {dag_id!r} here{f': {told(why)}' if why else ''}", remedy=_ELSEWHERE
        )
    if task_id not in dag.task_dict:
        raise InvalidArgument(
            f"DAG {dag_id!r} has no task {task_id!r} in its file any more", remedy="Ask by airflow crr status instead"
        )
    return dag.task_dict[task_id]


def _refuse_what_was_cut(fields: Mapping[str, Any], task_id: str) -> None:
    cut = [name for name, value in fields.items() if isinstance(value, str) and value.startswith(_CUT)]
    if cut:
        raise InvalidArgument(
            f"Airflow has cut what it keeps of {', '.join(cut)} of task {task_id!r}: what the gate asks is not known",
            remedy="Raise [core] max_templated_field_length, 4096 by default, before the next run, or ask by"
            " airflow crr status; of a deferred gate all is kept",
        )
    masked = [name for name, value in fields.items() if _MASK in str(value)]
    if masked:
        raise InvalidArgument(
            f"Airflow has masked a part of {', '.join(masked)} of task {task_id!r} as a secret: what the gate asks is"
            " not known",
            remedy="Ask by airflow crr status",
        )


def _unmapped(task: Any, map_index: int, fields: Mapping[str, Any]) -> Any:
    """Return one instance of a mapped task. Arguments that are not templated are in the DAG's file, or nowhere."""
    expanded = task.expand_input
    try:
        mapped, _ = expanded.resolve({"ti": SimpleNamespace(map_index=map_index)})
    except Exception as error:  # it needs what another task returned
        names = set(expanded.value) if isinstance(expanded.value, Mapping) else None
        unkept = ["the arguments of expand_kwargs"] if names is None else sorted(names - set(fields))
        if unkept:
            raise InvalidArgument(
                f"what another task gave for {', '.join(unkept)} is not kept: what the gate asks is not known",
                remedy="Ask by airflow crr status; of a deferred gate all is kept",
            ) from error
        mapped = {name: fields[name] for name in names or ()}
    one = task.unmap({name: fields.get(name, value) for name, value in mapped.items()})
    one._written = {**one._written, **dict.fromkeys(given_by_data(one), BY_DATA)}
    return one
