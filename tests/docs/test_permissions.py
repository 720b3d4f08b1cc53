"""Whoever reads the page on permissions grants all that the code may ask for, or tell people to allow."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import airflow_provider_crr
from tests.docs.pages import words

#: An action of IAM; what goes on with a colon is the name of an event, or of a condition.
ACTION = re.compile(r"\b(?:s3|iam|kms|sts):[A-Z][A-Za-z]+\b(?!:)")
#: The name of an event.
NO_ACTIONS = {"s3:TestEvent"}


def actions() -> set[str]:
    """Return every action that a text of the code names, comments aside."""
    return {
        action
        for path in Path(airflow_provider_crr.__file__).parent.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
        for action in ACTION.findall(node.value)
    } - NO_ACTIONS


def test_every_permission_that_the_code_names_is_on_the_page() -> None:
    """What a message tells people to allow is found among the statements of "Across accounts"."""
    named = actions()
    assert {"s3:ListJobs", "iam:PassRole", "s3:InitiateReplication", "sts:GetCallerIdentity"} <= named
    assert sorted(named - set(ACTION.findall(words("accounts")))) == []
