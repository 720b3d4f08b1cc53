"""A StatsD server, as what tasks measure is sent to one."""

from __future__ import annotations

import re
import socket
from dataclasses import dataclass
from threading import Thread

LINE = re.compile(r"airflow\.crr\.(?P<name>[\w.]+)(?P<tags>(?:,\w+=[^,:|]*)*):(?P<value>[-+.\d]+)\|(?P<kind>\w+)")


@dataclass(frozen=True)
class Metric:
    """One datagram."""

    name: str
    kind: str
    value: float
    tags: dict[str, str]


class StatsD:
    """A StatsD server that notes what it is sent, until it is left."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self._socket.settimeout(0.1)
        self._over = False
        self._found: list[Metric] = []
        self._thread = Thread(target=self._receive)
        self.settings = {
            "METRICS__STATSD_ON": "True",
            "METRICS__STATSD_HOST": "127.0.0.1",
            "METRICS__STATSD_PORT": str(self._socket.getsockname()[1]),
            # Tags are part of the name, in the way of InfluxDB.
            "METRICS__STATSD_INFLUXDB_ENABLED": "True",
        }
        self.environment = {f"AIRFLOW__{name}": value for name, value in self.settings.items()}

    def __enter__(self) -> StatsD:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over = True
        self._thread.join()
        self._socket.close()

    def of(self, task_id: str | None = None) -> list[Metric]:
        """Return what a task has sent; what came without tags if no task is named."""
        return [metric for metric in self._found if metric.tags.get("task_id") == task_id]

    def _receive(self) -> None:
        while True:
            try:
                text = self._socket.recv(65536).decode()
            except TimeoutError:
                if self._over:  # and everything that was sent before is read
                    return
                continue
            for line in text.splitlines():
                if found := LINE.fullmatch(line):
                    tags = dict(tag.split("=") for tag in found["tags"].split(",") if tag)
                    self._found.append(Metric(found["name"], found["kind"], float(found["value"]), tags))


def values(found: list[Metric], name: str) -> list[float]:
    return [metric.value for metric in found if metric.name == name]
