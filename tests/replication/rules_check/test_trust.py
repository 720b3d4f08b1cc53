"""Trust policies of replication roles."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_crr.replication.rules_check.trust import lets_s3_assume

STATEMENT = {"Effect": "Allow", "Principal": {"Service": "s3.amazonaws.com"}, "Action": "sts:AssumeRole"}


@pytest.mark.parametrize(
    ("change", "trusts"),
    [
        ({}, True),
        ({"Principal": {"Service": ["batchoperations.s3.amazonaws.com", "s3.amazonaws.com"]}}, True),
        ({"Principal": {"Service": "batchoperations.s3.amazonaws.com"}}, False),
        ({"Principal": {"AWS": "arn:aws:iam::111111111111:root"}}, False),
        ({"Principal": "*"}, True),
        ({"Action": ["sts:TagSession", "sts:AssumeRole"]}, True),
        ({"Action": "sts:*"}, True),
        ({"Action": "STS:assumerole"}, True),
        ({"Action": "sts:TagSession"}, False),
        ({"Effect": "Deny"}, False),
        ({"Condition": {"StringEquals": {"aws:SourceAccount": "111111111111"}}}, True),
    ],
)
def test_statement(change: dict[str, Any], trusts: bool) -> None:
    """S3 may assume a role if a statement allows that to its service, alone or among others."""
    assert lets_s3_assume({"Statement": [{**STATEMENT, **change}]}) is trusts
    assert lets_s3_assume({"Statement": {**STATEMENT, **change}}) is trusts  # a list of one may be left out


def test_no_statement() -> None:
    """A policy without a statement lets nobody assume the role."""
    assert not lets_s3_assume({})
    assert not lets_s3_assume({"Statement": [{"Effect": "Allow"}]})
