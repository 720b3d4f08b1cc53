"""A trigger in a process of its own, as a triggerer has it: made of what is stored, and run until its event."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

_ROOT = Path(__file__).parents[2]


def process(path: str, kwargs: dict[str, Any]) -> subprocess.Popen[str]:
    """
    Return a process that runs a trigger, and ends with its event, as JSON, in the last line of standard output.

    :param path: of the class, as it is stored.
    :param kwargs: as they are stored: plain JSON.
    """
    command = [sys.executable, "-m", __name__, json.dumps([path, kwargs])]
    return subprocess.Popen(command, cwd=_ROOT, text=True, stdout=subprocess.PIPE)


async def _event(path: str, kwargs: dict[str, Any]) -> Any:
    module, _, name = path.rpartition(".")
    trigger = getattr(import_module(module), name)(**kwargs)
    return (await anext(trigger.run())).payload


if __name__ == "__main__":
    ended = asyncio.run(_event(*json.loads(sys.argv[1])))
    print(json.dumps(ended))
