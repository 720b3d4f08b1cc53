"""Notifiers of a test's own, which write down what they are told."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from airflow.sdk import BaseNotifier


class Told(BaseNotifier):
    """Writes what its templates render to, as a line of JSON."""

    template_fields: Sequence[str] = ("title", "text")

    def __init__(self, path: str, title: str = "{{ crr_title }}", text: str = "{{ crr_text }}") -> None:
        super().__init__()
        self.path = path
        self.title = title
        self.text = text

    def notify(self, context: Any) -> None:
        with Path(self.path).open("a") as file:
            file.write(json.dumps({"by": type(self).__name__, "title": self.title, "text": self.text}) + "\n")


class ToldInTriggerer(Told):
    """Does the same in an event loop."""

    def notify(self, context: Any) -> None:
        raise AssertionError("it was to be awaited")

    async def async_notify(self, context: Any) -> None:
        super().notify(context)


class Broken(BaseNotifier):
    """Fails."""

    def notify(self, context: Any) -> None:
        raise RuntimeError("no such channel")


def all_told(path: Path) -> list[dict[str, str]]:
    """Return what was written down."""
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
