"""Where the questions of a lookup are, without anything being sent."""

from __future__ import annotations

from queue import SimpleQueue
from typing import Any

from airflow_provider_crr.lookup.crt.questions import Question
from airflow_provider_crr.lookup.crt.queues import Queues
from airflow_provider_crr.replication.status import without_answer
from airflow_provider_crr.s3.objects import S3Object

EMPTY = "waiting=0 pausing=0 opening=0 under_way=0 held=0 ready=0"


def questions(count: int) -> list[Question]:
    return [Question(S3Object("b", f"k{number}"), SimpleQueue()) for number in range(count)]


def test_one_question_goes_through_all_queues() -> None:
    """Each move takes a question out of one queue and into the next, and repr() shows it."""
    queues, connection = Queues(), object()
    (question,) = questions(1)
    assert repr(queues) == EMPTY
    seen = []

    def move(how: Any, *args: Any) -> None:
        how(*args)
        seen.append(repr(queues).split("=1")[0].split()[-1])

    move(queues.add, question)
    queues.take_first("b")
    move(queues.open, question)
    queues.opened(question)
    move(queues.send, question, connection)
    assert queues.end(question) is connection
    move(queues.hold, connection, question)
    assert queues.release(connection) is question  # type: ignore[arg-type]
    move(queues.pause, question, 7.0)
    move(queues.end_pauses, 7.0)
    queues.take_first("b")
    move(queues.conclude, without_answer(question.obj, "no answer"))
    assert seen == ["waiting", "opening", "under_way", "held", "pausing", "waiting", "ready"]


def test_pauses_end_in_time() -> None:
    """Only questions whose pause is over wait to be sent, before those that wait already."""
    queues = Queues()
    first, later, new = questions(3)
    queues.pause(later, 9.0)
    queues.pause(first, 5.0)
    queues.add(new)
    queues.end_pauses(6.0)
    assert [*queues.waiting["b"]] == [first, new]
    assert [each[2] for each in queues.pausing] == [later]


def test_overdue_questions_are_the_first_ones() -> None:
    """What was sent until a moment is found without looking at the rest."""
    queues = Queues()
    assert queues.oldest() is None
    for sent_at, question in enumerate(questions(3)):
        question.sent_at = float(sent_at)
        queues.send(question, object())  # type: ignore[arg-type]
    assert queues.oldest() == 0.0
    assert [question.obj.key for question, _ in queues.sent_until(1.0)] == ["k0", "k1"]
    assert queues.sent_until(-1.0) == []


def test_an_abandoned_lookup_forgets_its_questions() -> None:
    """What no event will come for is forgotten at once, the rest with its event."""
    queues = Queues()
    waiting, pausing, opening, sent, held = questions(5)
    queues.add(waiting)
    queues.pause(pausing, 1.0)
    queues.open(opening)
    queues.send(sent, object())  # type: ignore[arg-type]
    queues.hold(object(), held)  # type: ignore[arg-type]
    queues.abandon()
    assert repr(queues) == "waiting=0 pausing=0 opening=1 under_way=1 held=0 ready=0"
    queues.forget(opening)
    queues.forget(sent)
    assert repr(queues) == EMPTY
