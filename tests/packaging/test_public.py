"""The public names, written once, and held to by the reference, the provider's information and the package."""

from __future__ import annotations

import inspect
import re
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest

import airflow_provider_crr
from airflow_provider_crr.provider_info import get_provider_info

PACKAGE = airflow_provider_crr.__name__
REFERENCE = Path(__file__).parents[2] / "docs" / "reference"

#: Module -> its public names: semantic versioning holds for them. "classes, functions" are all that it defines.
ALL = "classes, functions"
PUBLIC: dict[str, set[str]] = {
    "errors": {ALL},
    "failures": {
        *("ReplicationFailed", "InventoryLimitExceeded", "ObjectsNotDeleted", "ReplicationStatusMissing"),
        *("BatchReplicationFailed", "ReplicationRulesBroken"),
    },
    "batch.completion_report": {"CompletionReport", "Results", "TaskResult"},
    "batch.job": {"Job"},
    "batch.job_request": {"JobRequest"},
    "batch.repair_terms": {"RepairPolicy"},
    "batch.selection": {"Listed", "Found"},
    "hooks.batch_operations": {"S3BatchOperationsHook"},
    "hooks.replication": {"S3ReplicationHook"},
    "inventory.delivery": {"report_event"},
    "inventory.summary": {
        *("Summary", "Volume", "PrefixStatuses", "OtherPrefixes", "OldestPending", "AgeBand"),
        *("MAX_PREFIXES", "MAX_FAILED_SAMPLE", "AGE_BANDS"),
    },
    "notifications.replication": {"ReplicationNotifier"},
    "operators.batch_replication": {"S3BatchReplicationOperator"},
    "operators.deletion": {"S3DeleteReplicatedObjectsOperator"},
    "operators.inventory": {"S3InventorySummaryOperator"},
    "operators.rules": {"S3ReplicationRulesCheckOperator"},
    "replication.events": {ALL},
    "replication.gate": {"GatePolicy"},
    "replication.rules": {"ReplicationRule"},
    "replication.status": {"ObjectReplication", "ReplicationStatus", "ObjectState"},
    "replication.targets": {"Targets", "MAX_STORED"},
    "s3.listing": {"ListedObject"},
    "s3.objects": {"S3Object"},
    "sensors.base": {"PollingSensor"},
    "sensors.inventory": {"S3InventorySensor"},
    "sensors.replication": {"S3ReplicationSensor"},
    "tasks.asset_events": {"gate_event", "Rules", "summary_event", "repair_event"},
    "tasks.connection": {"HookOperator"},
    "tasks.endings": set(),  # what triggers send, described as a whole
    "testing": {"fake_s3", "fake_inventory"},
    "testing.records": {"FakeS3", "FakeInventory"},
    "triggers.base": {"PollingTrigger"},
    "triggers.batch_replication": {"S3BatchReplicationTrigger"},
    "triggers.inventory": {"S3InventoryTrigger"},
    "triggers.inventory_report": {"S3InventoryReportTrigger"},
    "triggers.replication": {"S3ReplicationTrigger"},
}

#: A directive of autodoc: its kind, what it documents, and its options.
_DIRECTIVE = re.compile(rf"^\.\. auto(\w+):: {PACKAGE}\.(\S+)\n((?:   .*\n)*)", re.MULTILINE)
_MEMBERS = re.compile(r":members:(.*(?:\n {4,}.*)*)")


def defined(module: ModuleType) -> set[str]:
    """Return the classes and functions that a module defines, but for private ones."""
    return {
        name
        for name, found in vars(module).items()
        if not name.startswith("_")
        and (inspect.isclass(found) or inspect.isfunction(found))
        and found.__module__ == module.__name__
    }


def names(module: str) -> set[str]:
    public = PUBLIC[module]
    return defined(import_module(f"{PACKAGE}.{module}")) if ALL in public else public


def in_reference() -> dict[str, set[str]]:
    """Return the names that the pages of the reference document, by module."""
    documented: dict[str, set[str]] = {}
    for page in sorted(REFERENCE.glob("*.rst")):
        for kind, path, options in _DIRECTIVE.findall(page.read_text()):
            if kind == "module":
                members = _MEMBERS.search(options)
                listed = set(members[1].replace(",", " ").split()) if members else set()
                every = defined(import_module(f"{PACKAGE}.{path}")) if members and not listed else set()
                documented.setdefault(path, set()).update(listed | every)
            else:
                module, _, name = path.rpartition(".")
                documented.setdefault(module, set()).add(name)
    return documented


@pytest.mark.parametrize("module", PUBLIC)
def test_public_names_are_where_they_are_said_to_be(module: str) -> None:
    """Each name is an attribute of its module, which defines it."""
    found = import_module(f"{PACKAGE}.{module}")
    assert names(module) <= vars(found).keys()
    assert {getattr(vars(found)[name], "__module__", found.__name__) for name in names(module)} <= {found.__name__}


def test_reference_documents_what_is_public() -> None:
    """The pages of the reference have every public name, and no other."""
    assert in_reference() == {module: names(module) for module in PUBLIC}


def test_package_names_its_public_modules() -> None:
    """The docstring of the package lists the modules of the public names."""
    assert sorted(re.findall(r":mod:`\.([\w.]+)`", str(airflow_provider_crr.__doc__))) == sorted(PUBLIC)


def test_provider_info_names_the_public_modules_of_airflows_kinds() -> None:
    """Airflow lists the modules of public hooks, sensors, triggers and operators, but for base classes."""
    kinds = ("hooks", "sensors", "triggers", "operators")
    info = get_provider_info()
    listed = {module for kind in kinds for integration in info[kind] for module in integration["python-modules"]}
    public = {module for module in PUBLIC if module.startswith(kinds) and not module.endswith(".base")}
    assert listed == {f"{PACKAGE}.{module}" for module in public}
