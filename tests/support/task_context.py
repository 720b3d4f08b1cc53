"""The context for an operator's ``execute``, in tests that need nothing else of Airflow."""

from __future__ import annotations

from typing import Any


class TaskContext(dict[str, Any]):
    """A context whose task instance keeps the XComs that are pushed."""

    def __init__(self) -> None:
        super().__init__(ti=self)
        self.pushed: dict[str, Any] = {}

    def xcom_push(self, key: str, value: Any) -> None:
        self.pushed[key] = value


#: Any: ``execute`` is typed for Airflow's own context, which no class may extend.
Context: Any = TaskContext
