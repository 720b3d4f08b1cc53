"""Where the documentation says more: a URL once the package names one, until then the file of the page."""

from __future__ import annotations

from functools import lru_cache
from importlib.metadata import PackageNotFoundError, metadata

_PACKAGE = "airflow-provider-crr"
#: The link of the package's metadata (``[project.urls]`` of pyproject.toml) that leads to its documentation.
_LINK = "documentation"


def documented(page: str, section: str) -> str:
    """
    Return where a person reads on.

    :param page: the page, without its extension, such as ``troubleshooting``.
    :param section: the label of its section, such as ``gate-shut``.
    """
    base = _base()
    return f"{base.rstrip('/')}/{page}.html#{section}" if base else f"docs/{page}.rst#{section}"


@lru_cache(maxsize=1)
def _base() -> str:
    try:
        links = metadata(_PACKAGE).get_all("Project-URL") or []
    except PackageNotFoundError:  # run from its source
        return ""
    named = (link.partition(",") for link in links)
    return next((url.strip() for name, _, url in named if name.strip().lower() == _LINK), "")
