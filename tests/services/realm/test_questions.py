"""Questions and answers about who is there, at most once a second each."""

from collections import Counter

import pytest

from netechod.services.realm.names import Names
from netechod.services.realm.questions import INTERVAL, Questions
from netechod.services.realm.sending import Origin, Sending

ORIGIN = Origin("a", "0" * 16)


@pytest.fixture
def sending() -> Sending:
    return Sending(15.0, Counter())


@pytest.fixture
def questions(sending: Sending) -> Questions:
    names = Names()
    names.came("192.0.2.1--1")
    return Questions(sending, names)


def said(sending: Sending, now: float) -> list[bytes]:
    lines = [line.text for line in sending.next(ORIGIN, now)]
    sending.taken()
    return lines


def test_without_a_question_nothing_is_due(questions: Questions, sending: Sending) -> None:
    assert questions.next_deadline() is None
    assert not questions.put(0.0)
    assert said(sending, 0.0) == []


def test_many_reasons_to_ask_make_one_question_a_second(questions: Questions, sending: Sending) -> None:
    questions.ask()
    questions.ask()
    assert questions.put(10.0)
    questions.ask()
    assert not questions.put(10.5)
    assert said(sending, 10.5) == [b"?"]
    assert questions.next_deadline() == 10.0 + INTERVAL
    assert questions.put(11.0)
    assert said(sending, 11.0) == [b"?"]


def test_many_questions_have_one_answer_a_second(questions: Questions, sending: Sending) -> None:
    questions.answer()
    assert questions.put(10.0)
    assert said(sending, 10.0) == [b"(", b"*192.0.2.1--1", b")"]
    questions.answer()
    questions.ask()
    assert questions.put(10.5)
    assert said(sending, 10.5) == [b"?"]
    assert questions.next_deadline() == 11.0
