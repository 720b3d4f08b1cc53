"""The plugin with the Replication tab and the page of waiting gates, as Airflow loads and serves it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_crr.plugins import replication_tab

SCRIPT = """
import json, sys
from airflow_provider_crr.tasks.compat import AirflowPlugin
before = set(sys.modules)
import airflow_provider_crr.plugins.replication_tab
print(json.dumps(sorted(set(sys.modules) - before)))
"""


def test_loading_the_plugin_imports_no_web_framework() -> None:
    """Where Airflow loads plugins, in every task's process too, this one costs nothing but its own module."""
    run = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True)
    loaded = {name.partition(".")[0] for name in json.loads(run.stdout.splitlines()[-1])}
    assert loaded - set(sys.stdlib_module_names) == {"airflow_provider_crr"}


def test_airflow_finds_the_plugin_by_its_entry_point() -> None:
    """Airflow's plugin manager loads the plugin, without an error."""
    from airflow import plugins_manager

    (found,) = [one for one in plugins_manager.get_plugin_info() if one["name"] == "airflow_provider_crr"]
    assert "ReplicationTabPlugin" in str(found["source"])
    errors = getattr(plugins_manager, "import_errors", None)  # Airflow 3.0 and 3.1
    if hasattr(plugins_manager, "get_import_errors"):
        errors = plugins_manager.get_import_errors()
    assert not errors


@pytest.fixture(scope="module")
def client() -> Iterator[Any]:
    """Airflow's own API server, in this process; nobody is signed in."""
    from airflow.api_fastapi.app import create_app
    from airflow.utils.db import initdb
    from fastapi.testclient import TestClient

    initdb()
    with pytest.MonkeyPatch.context() as patch:
        # Without one, Airflow 3.0 asks PyJWT 2.10 and later for a token that they refuse to make.
        patch.setenv("AIRFLOW__API_AUTH__JWT_ISSUER", "airflow")
        yield TestClient(create_app(apps="core"), raise_server_exceptions=False)


@pytest.mark.parametrize("path", sorted(replication_tab.FILES.iterdir()), ids=lambda path: path.name)
def test_files_are_served_and_may_load_nothing_else(client: Any, path: Path) -> None:
    """Airflow's API server serves each file as it is, as what it is, and forbids it all but its own origin."""
    answer = client.get(f"/{replication_tab.PATH}/{path.name}")
    assert answer.status_code == 200
    assert answer.content == path.read_bytes()
    expected = {".html": "text/html", ".js": "javascript", ".css": "text/css", ".svg": "image/svg+xml"}
    assert expected[path.suffix] in answer.headers["content-type"]
    policy = answer.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; ")
    assert "unsafe" not in policy
    assert "http" not in policy
    assert answer.headers["x-content-type-options"] == "nosniff"
    again = client.get(f"/{replication_tab.PATH}/{path.name}", headers={"if-none-match": answer.headers["etag"]})
    assert again.status_code == 304


@pytest.mark.parametrize(("number", "file"), [(0, "index.html"), (1, "gates.html")])
def test_pages_are_served_at_the_addresses_that_airflow_frames(client: Any, number: int, file: str) -> None:
    """The address of a page, without its parameters, is the page; it is the same whoever and whatever is asked for."""
    view = replication_tab.ReplicationTabPlugin.external_views[number]
    assert not view["href"].startswith("/")
    page = (replication_tab.FILES / file).read_bytes()
    for href in (view["href"], view["href"].partition("?")[0], view["href"].replace("{DAG_ID}", "<script>")):
        assert client.get(f"/{href}").content == page


@pytest.mark.parametrize("path", ["nothing", "../__init__.py", "..%2f__init__.py", "%2e%2e/replication_tab.py"])
def test_nothing_but_the_files_is_served(client: Any, path: str) -> None:
    """What is not in the folder is not found, and nothing can be sent."""
    answer = client.get(f"/{replication_tab.PATH}/{path}")
    assert b"StaticPages" not in answer.content
    assert answer.status_code == 404 or b"<title>Airflow</title>" in answer.content  # Airflow's own page, for "/"
    assert client.post(f"/{replication_tab.PATH}/", content=b"x").status_code == 405


def test_data_is_for_those_whom_airflow_lets_read_it(client: Any) -> None:
    """Who is not signed in gets the page, which has no data, and is refused the data by Airflow."""
    task = "/api/v2/dags/d/dagRuns/r/taskInstances/t"
    asked = [task, f"{task}/xcomEntries/return_value", f"{task}/xcomEntries/crr_progress", f"{task}/logs/1"]
    asked += ["/api/v2/dags/~/dagRuns/~/taskInstances", "/api/v2/dags/~/dagRuns/~/taskInstances/~/xcomEntries"]
    assert [client.get(path).status_code for path in asked] == [401] * len(asked)


def test_files_name_no_other_host_and_no_inline_code() -> None:
    """The page needs nothing from outside, and has no code or style that its policy would refuse."""
    for path in replication_tab.FILES.iterdir():
        text = path.read_text().replace("http://www.w3.org/2000/svg", "")
        assert "://" not in text, path
        for refused in (
            "innerHTML",
            "outerHTML",
            "insertAdjacent",
            "document.write",
            "eval(",
            " onclick",
            " onload",
            "<style",
        ):
            assert refused not in text, (path, refused)


def test_airflow_lists_both_pages_from_3_1_on(client: Any) -> None:
    """Airflow's interface learns of both by its plugins endpoint; Airflow 3.0 says nothing of them, and no error."""
    from airflow.api_fastapi.app import get_auth_manager
    from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser

    token = get_auth_manager().generate_jwt(SimpleAuthManagerUser(username="viewer", role="VIEWER"))
    answer = client.get("/api/v2/plugins?limit=100", headers={"authorization": f"Bearer {token}"})
    assert answer.status_code == 200, answer.text
    (found,) = [one for one in answer.json()["plugins"] if one["name"] == "airflow_provider_crr"]
    has_tabs = tuple(map(int, version("apache-airflow").split(".")[:2])) >= (3, 1)
    listed = [(view["destination"], view["name"]) for view in found.get("external_views", [])]
    assert listed == [("task_instance", "Replication"), ("nav", "Gates waiting now")][: 2 * has_tabs]
