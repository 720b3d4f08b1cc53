"""
The rooms of the package, which of them may import which, and how large a file may be.

Every import statement counts: those in functions and those under ``TYPE_CHECKING``, too. That a module's package is
loaded before the module itself does not count, nor do names of modules in strings.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import airflow_provider_crr

ROOT = Path(airflow_provider_crr.__file__).parent
MAX_LINES = 250

#: Room -> the rooms below it, from which it may import.
BELOW: dict[str, set[str]] = {"text": set()}
BELOW["errors"] = {"text"}
BELOW["s3"] = {"errors", "text"}
BELOW["batch"] = BELOW["replication"] = BELOW["inventory"] = {"s3", *BELOW["s3"]}
BELOW["lookup"] = {"replication", *BELOW["replication"]}
BELOW["hooks"] = {"lookup", "batch", *BELOW["lookup"]}
BELOW["tasks"] = {"failures", "hooks", "inventory", *BELOW["hooks"]}
BELOW["failures"] = {"errors"}
BELOW["provider_info"] = set()
#: The rooms of Airflow's faces: each may import whatever is below them, and the other faces.
FACES = ("sensors", "triggers", "operators", "notifications", "cli", "links", "plugins")
BELOW |= {face: {"tasks", *BELOW["tasks"], *FACES} for face in FACES}
#: Nothing of the package imports what is for the tests of others.
BELOW["testing"] = {"tasks", *BELOW["tasks"], *FACES}

#: Modules that rooms beside theirs may import; these themselves know nothing but text. Module -> who may import it.
LEAVES = {
    "batch.failure_reasons": "replication",
    "batch.repair_manifest": "inventory.engines",
    "tasks.compat": "failures",  # the names of Airflow, wherever its release has them
}
#: Rooms below the hooks and the tasks: they know nothing of Airflow.
WITHOUT_AIRFLOW = ("text", "errors", "s3", "batch", "replication", "inventory", "lookup")
#: All that may stand beside the rooms.
LOOSE = {"__init__.py", "errors.py", "failures.py", "provider_info.py", "py.typed"}


def name_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {name_of(path): path for path in sorted(ROOT.rglob("*.py"))}


def imported(path: Path) -> Iterator[str]:
    """Yield the full name of every module that a file imports, and of whatever else it imports from one."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path} has a relative import, which is not read here"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def own(name: str) -> str:
    """Return the module of this package that is, or holds, what is imported; "" for anybody else's."""
    name = name.removeprefix(f"{airflow_provider_crr.__name__}.")
    while name not in MODULES:
        name = name.rpartition(".")[0]
    return name


IMPORTS = {name: set(map(own, imported(path))) - {name, ""} for name, path in MODULES.items()}


def room(module: str) -> str:
    return module.partition(".")[0]


def is_in(module: str, place: str) -> bool:
    return f"{module}.".startswith(f"{place}.")


def is_allowed(module: str, other: str) -> bool:
    if room(module) == room(other) or (other in LEAVES and is_in(module, LEAVES[other])):
        return True
    return room(other) in ({"text"} if module in LEAVES else BELOW[room(module)])


def test_every_room_has_its_place() -> None:
    """No room is left out of the arrows, and nothing loose stands beside the rooms."""
    rooms = {path.name for path in ROOT.iterdir() if path.is_dir() and path.name != "__pycache__"}
    assert rooms <= BELOW.keys()
    assert {path.name for path in ROOT.iterdir() if path.is_file()} <= LOOSE
    assert LEAVES.keys() <= MODULES.keys()


def test_imports_go_downward_only() -> None:
    """No module imports from a room that is not below its own."""
    upward = [
        f"{module} -> {other}"
        for module, others in IMPORTS.items()
        if module
        for other in sorted(others)
        if not is_allowed(module, other)
    ]
    assert not upward, "\n".join(upward)


def test_no_modules_import_each_other_in_a_circle() -> None:
    """From no module the imports lead back to it."""

    def reached(start: str) -> set[str]:
        known: set[str] = set()
        rest = list(IMPORTS[start])
        while rest:
            module = rest.pop()
            if module not in known:
                known.add(module)
                rest += IMPORTS[module]
        return known

    circular = [module for module in IMPORTS if module in reached(module)]
    assert not circular, "\n".join(circular)


def test_only_tasks_and_faces_import_the_failures() -> None:
    """What ends a task for good is raised where the task is known."""
    importing = {module for module, others in IMPORTS.items() if "failures" in others}
    assert {room(module) for module in importing} <= {"tasks", *FACES}


def test_below_hooks_and_tasks_nothing_knows_airflow() -> None:
    """No import of Airflow, not even in a function, stands below the hooks and the tasks."""
    knowing = [
        module
        for module, path in MODULES.items()
        if room(module) in WITHOUT_AIRFLOW and any(is_in(name, "airflow") for name in imported(path))
    ]
    assert knowing == []


def test_no_file_is_long() -> None:
    """A file that grows beyond this has several subjects."""
    files = [path for path in ROOT.rglob("*") if path.suffix in (".py", ".css", ".html", ".js")]
    lines = {str(path.relative_to(ROOT)): len(path.read_text().splitlines()) for path in files}
    assert not (long := {name: count for name, count in lines.items() if count > MAX_LINES}), long
