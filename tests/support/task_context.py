"""What an operator's ``execute`` is given, where nothing else of Airflow is needed."""

from __future__ import annotations

from typing import Any


class Context(dict[str, Any]):
    """Where a task pushes its XComs."""

    def __init__(self) -> None:
        super().__init__(ti=self)
        self.pushed: dict[str, Any] = {}

    def xcom_push(self, key: str, value: Any) -> None:
        self.pushed[key] = value
