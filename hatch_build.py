"""
README.md as a package index shows it, where no other file of the project is.

Links and pictures that name a file of the project lead to that file in the repository, at the tag of this version.
While ``[project.urls]`` names no ``Repository`` there is nowhere to lead to: then a link is its text, and a picture is
left out.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface

#: A picture or a link in Markdown, and the line break after a picture.
_LINK = re.compile(r"(?P<picture>!?)\[(?P<text>[^\]]+)\]\((?!https:)(?P<path>[^)\s]+)\)(?P<end>\n*)")


def for_an_index(text: str, repository: str | None, version: str) -> str:
    """Return README.md with links that do not depend on where it is shown."""

    def link(found: re.Match[str]) -> str:
        picture, words, path, end = found["picture"], found["text"], found["path"], found["end"]
        if repository:
            place = f"{repository}/{'raw' if picture else 'blob'}/v{version}/{path}"
            return f"{picture}[{words}]({place}){end}"
        return "" if picture else f"{words}{end}"

    return _LINK.sub(link, text)


class ReadmeHook(MetadataHookInterface):
    """What hatchling calls for the fields that are dynamic."""

    def update(self, metadata: dict[str, Any]) -> None:
        """Fill in the long description."""
        text = Path(self.root, "README.md").read_text(encoding="utf-8")
        repository = metadata.get("urls", {}).get("Repository")
        version = re.search(r'^__version__ = "(.+)"$', self._of_package("__init__.py"), re.MULTILINE)
        assert version
        text = for_an_index(text, repository, version[1])
        metadata["readme"] = {"content-type": "text/markdown", "text": text}

    def _of_package(self, name: str) -> str:
        return Path(self.root, "airflow_provider_crr", name).read_text(encoding="utf-8")
