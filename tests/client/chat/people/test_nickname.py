"""Which names people may have, and which look alike."""

import pytest

from netechod.client.chat.people.nickname import MOST_CELLS, flaw_of, normal, skeleton


@pytest.mark.parametrize(
    "nick",
    ["a", "ann", "Zoë", "小明", "ann_2", "jean-luc", "ゲーム", "小ann", "민수", "Анна", "अनु", "x" * 20],
)
def test_letters_of_any_script_make_a_name(nick: str) -> None:
    assert flaw_of(nick) is None
    assert normal(nick) == nick


@pytest.mark.parametrize(
    "nick",
    [
        *("", " ", "a b", "x" * (MOST_CELLS + 1), "明" * (MOST_CELLS // 2 + 1), "7up", "-a", "_a"),
        *("192.0.2.1--5", "fe80::1--5", "a--5", "a.b", "a:b", "a#b", "a(b)", "@ann", "a/b", "😀", "a😀"),
        *(
            "a\x1b",
            "a\n",
            "a\0",
            "a\u200b",
            "a\u202e",
            "a\u00ad",
            "a\ufe0f",
            "a\U000e0100",
            "\ud800",
            "\ue000",
        ),
        *("\u3164", "a\u3164", "\u115fa", "a\u034f", "\u01c3a", "\ua4f8a", "a\u02d0", "a\uff1a"),
        *("\u0410nn", "\u03b1nn", "ann\u0430", "a\u0301\u0301\u0301", "\u0301a", "e\u0301", "\uff41nn", "ﬁn"),
    ],
    ids=ascii,
)
def test_other_texts_are_no_names(nick: str) -> None:
    assert flaw_of(nick) is not None


def test_a_name_that_is_typed_in_another_form_is_sent_in_the_usual_one() -> None:
    assert normal(" \uff41nn ") == "ann"
    assert normal("Zoe\u0308") == "Zoë"
    assert flaw_of(normal("Zoe\u0308")) is None


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("ann", "ANN"),
        ("Bill", "BiII"),
        ("bo1", "bol"),
        ("bob0", "bobo"),
        ("ape", "\u0430\u0440\u0435"),
        ("modern", "rnodern"),
        ("\u30ed\u30ab", "\u53e3\u529b"),
    ],
)
def test_names_that_look_alike_are_recognized(one: str, other: str) -> None:
    assert skeleton(one) == skeleton(other)


@pytest.mark.parametrize(("one", "other"), [("ann", "anna"), ("小明", "小朋"), ("ann1", "ann2")])
def test_names_that_differ_stay_apart(one: str, other: str) -> None:
    assert skeleton(one) != skeleton(other)
