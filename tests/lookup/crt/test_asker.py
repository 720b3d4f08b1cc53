"""The state of the runtime's asker, as repr() shows it."""

from __future__ import annotations

import threading
import time

import pytest

from airflow_provider_crr.lookup.crt.asker import CrtAsker
from airflow_provider_crr.lookup.crt.connections import OPENING
from airflow_provider_crr.lookup.pace import OnePace, Pacer
from airflow_provider_crr.s3.objects import S3Object
from tests.support.s3_server import Answer, S3Server, stored

pytestmark = pytest.mark.usefixtures("crt")


def test_where_all_questions_are_can_be_printed(server: S3Server) -> None:
    """Questions wait, have connections opened, are sent, and are answered; nothing is left."""
    gate = threading.Event()
    server.default = lambda bucket, key, version: stored("COMPLETED", gate=gate)
    asker = CrtAsker(server.client(), OnePace(Pacer(None)))
    nothing = "followed=0 waiting_for_region=0"
    try:
        assert repr(asker) == (
            f"<CrtAsker waiting=0 pausing=0 opening=0 under_way=0 held=0 ready=0 {nothing} "
            "connections: opening=0 used=0 resting=0 idle=0>"
        )
        for number in range(OPENING + 8):
            asker.ask(S3Object("b", f"k{number}"))
        assert repr(asker) == (
            f"<CrtAsker waiting=8 pausing=0 opening={OPENING} under_way=0 held=0 ready=0 {nothing} "
            f"connections: opening={OPENING} used=0 resting=0 idle=0>"
        )
        until(asker, f"waiting=0 pausing=0 opening=0 under_way={OPENING + 8} ")
        gate.set()
        assert len(set(answered(asker, OPENING + 8))) == OPENING + 8
        until(asker, f"under_way=0 held=0 ready=0 {nothing} connections: opening=0 used=0 resting=0 idle={OPENING + 8}")
    finally:
        gate.set()
        asker.close()


def test_questions_that_wait_for_a_region_are_printed(server: S3Server) -> None:
    """While boto3 looks for the region of a bucket, its other questions are counted as waiting for that."""
    gate = threading.Event()

    def answer(bucket: str, key: str, version: str | None) -> Answer:
        if len(server.heads()) > 1:  # boto3's, which follows
            return stored("COMPLETED", gate=gate)
        return Answer(400, {"x-amz-bucket-region": "eu-central-1"})

    server.default = answer
    asker = CrtAsker(server.client(), OnePace(Pacer(None)))
    try:
        asker.ask(S3Object("b", "k0"))
        until(asker, "followed=1 waiting_for_region=0")
        for number in range(3):
            asker.ask(S3Object("b", f"later{number}"))
        until(asker, "waiting=0 pausing=0 opening=0 under_way=0 held=0 ready=0 followed=1 waiting_for_region=3")
        gate.set()
        assert sorted(answered(asker, 4)) == ["k0", "later0", "later1", "later2"]
        assert "followed=0 waiting_for_region=0" in repr(asker)
    finally:
        gate.set()
        asker.close()


def until(asker: CrtAsker, state: str) -> None:
    """Let the asker work until it is in this state, with no answer."""
    deadline = time.monotonic() + 60
    while state not in repr(asker):
        assert time.monotonic() < deadline, repr(asker)
        assert asker.answer(0.05) is None


def answered(asker: CrtAsker, count: int) -> list[str]:
    """Return the keys of so many answers."""
    keys: list[str] = []
    deadline = time.monotonic() + 60
    while len(keys) < count:
        assert time.monotonic() < deadline, repr(asker)
        if answer := asker.answer(0.05):
            keys.append(answer.object.key)
    return keys
