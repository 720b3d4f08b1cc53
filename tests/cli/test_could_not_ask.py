"""Where S3 could not be asked, a command ends with 1, never with what an object would make of it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.cli.conftest import Ended
from tests.support.credential_sources import Connect, Container, Process, Source, Sts, WebIdentity
from tests.support.s3_server import Answer, S3Server, stored

COMMANDS = (
    ("status", "s3://b/k"),
    ("status", "s3://b/k", "s3://b/l"),
    ("explain", "s3://b/k"),
    ("summarize", "s3://inventory/b/daily/"),
)
#: Who refuses, how, and after how many times of giving credentials.
REFUSALS = [
    (Sts, "denied", 0),
    (Sts, "throttled", 1),
    (Sts, "region", 1),
    (WebIdentity, "identity", 0),
    (Container, "403", 1),
    (Process, "exit", 0),
]


@pytest.mark.parametrize("command", COMMANDS, ids=[" ".join(words[:1]) + str(len(words)) for words in COMMANDS])
@pytest.mark.parametrize(("kind", "refusal", "given"), REFUSALS)
def test_refused_credentials(
    crr: Callable[..., Ended],
    s3: S3Server,
    connect: Connect,
    command: tuple[str, ...],
    kind: type[Source],
    refusal: str,
    given: int,
) -> None:
    """Whoever refuses credentials, at first or later, is named in one line, and nothing is said of objects."""
    source = connect(kind)
    s3.default = lambda bucket, key, version: stored("FAILED")
    source.refuse(refusal)
    if given:
        source.script = [""] * given + [refusal]
    run = crr(*command)
    assert run.code == 1
    assert source.who in run.err.splitlines()[-1]
    assert "'aws_default'" in run.err
    assert "s3:ListBucket" not in run.err
    assert "FAILED" not in run.out


@pytest.mark.parametrize("code", ["InvalidAccessKeyId", "SignatureDoesNotMatch", "NotSignedUp"])
def test_a_caller_that_s3_refuses(crr: Callable[..., Ended], s3: S3Server, code: str) -> None:
    """A key that S3 does not know is no verdict about the object."""
    s3.default = lambda bucket, key, version: Answer(403, code=code)
    for command in COMMANDS[:3]:
        run = crr(*command)
        assert run.code == 1
        assert "S3 refused the" in run.err
        assert code in run.err


def test_a_refusal_without_a_reason_waits(crr: Callable[..., Ended], s3: S3Server) -> None:
    """A 403 whose GET says nothing is UNKNOWN, with the exit code for waiting."""
    s3.answers["b", "k"] = [Answer(403), Answer(206)]
    run = crr("status", "s3://b/k")
    assert run.code == 3
    assert "UNKNOWN" in run.out
    assert "a GET does not say why" in run.out
