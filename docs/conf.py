"""How Sphinx builds the documentation: `make docs`."""

from __future__ import annotations

import atexit
import logging
import os
import sys
from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp

# Importing the Airflow faces imports Airflow, which makes files at home: not in the developer's.
_HOME = mkdtemp(prefix="crr-docs-")
atexit.register(rmtree, _HOME, ignore_errors=True)
os.environ["AIRFLOW_HOME"] = _HOME
logging.getLogger("airflow").setLevel(logging.WARNING)
sys.path.insert(0, str(Path(__file__).parents[1]))

from airflow_provider_crr import __version__  # noqa: E402

project = "airflow-provider-crr"
copyright = "the contributors of airflow-provider-crr; Apache License 2.0"
release = version = __version__

# MyST reads CHANGELOG.md, and the part of README.md that a page includes.
extensions = ["sphinx.ext.autodoc", "myst_parser"]
source_suffix = {".rst": "restructuredtext"}
exclude_patterns = ["images"]
highlight_language = "none"

autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
autodoc_class_signature = "mixed"
autodoc_preserve_defaults = True

# What annotations and docstrings name of others, whose inventories are on servers: nothing is fetched to build this.
nitpicky = True
nitpick_ignore_regex = [
    ("py:class", r"(airflow|airflow_provider_crr\.hooks\.base|collections|datetime|threading)\..*"),
    ("py:class", "datetime|Config"),  # types that are imported for type checkers only
    ("py:exc", "AirflowSensorTimeout"),
]

html_theme = "furo"
html_title = f"{project} {release}"
html_static_path = ["_static"]
html_css_files = ["page.css"]
html_copy_source = False
html_show_sphinx = False
# Everything is read from the disk: no fonts, no scripts, no analytics from anywhere.
html_theme_options = {"top_of_page_buttons": []}
