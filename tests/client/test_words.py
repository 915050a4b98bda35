"""The prompts in two languages."""

from string import Formatter

import pytest

from netechod.client.words import CHINESE, ENGLISH, words_for


def test_both_languages_have_every_text_with_the_same_fields() -> None:
    for name in ENGLISH._fields:
        texts = [getattr(words, name) for words in (ENGLISH, CHINESE)]
        assert all(texts)
        fields = [{field for _, field, _, _ in Formatter().parse(text) if field} for text in texts]
        assert fields[1] <= fields[0]
        assert ("text" in fields[0]) == ("text" in fields[1])


def test_the_chinese_words_are_those_of_the_tutorials() -> None:
    assert CHINESE == (
        "Please Enter#",
        "server 回显# {text}",
        "Please Enter#",
        "翻译的结果为:{text}",
        "Enter# ",
    )


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, ENGLISH),
        ({"LANG": "zh_CN.UTF-8"}, CHINESE),
        ({"LANG": "en_US.UTF-8", "LC_ALL": "zh_CN.UTF-8"}, CHINESE),
        ({"LANG": "zh_CN.UTF-8", "LC_ALL": "C"}, ENGLISH),
        ({"LANG": "zh_CN.UTF-8", "LC_ALL": "", "LC_MESSAGES": ""}, CHINESE),
        ({"LC_ALL": "C", "NETECHO_LANG": "zh"}, CHINESE),
        ({"LC_ALL": "zh_CN.UTF-8", "NETECHO_LANG": "en"}, ENGLISH),
    ],
)
def test_the_locale_decides(environment: dict[str, str], expected: object) -> None:
    assert words_for(environment) is expected
