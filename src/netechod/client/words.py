"""The words that people read at a prompt, in English and in Chinese.

The Chinese ones are those of the tutorials' clients, to the byte. Errors are English everywhere, so that
whoever meets one finds others who did.
"""

from collections.abc import Mapping
from typing import NamedTuple


class Words(NamedTuple):
    """One language; `{word}` and `{text}` stand for what was asked and what came back."""

    echo_prompt: str
    echo_answer: str
    dictionary_prompt: str
    dictionary_answer: str
    chat_prompt: str


ENGLISH = Words(
    echo_prompt="echo> ",
    echo_answer="{text}",
    dictionary_prompt="word> ",
    dictionary_answer="{word}: {text}",
    chat_prompt="say> ",
)

CHINESE = Words(
    echo_prompt="Please Enter#",
    echo_answer="server 回显# {text}",
    dictionary_prompt="Please Enter#",
    dictionary_answer="翻译的结果为:{text}",
    chat_prompt="Enter# ",
)


def words_for(environment: Mapping[str, str]) -> Words:
    """The words of the locale: the first of these that is not empty decides (locale(7)), ours before all.

    >>> words_for({"LC_ALL": "", "LANG": "zh_CN.UTF-8"}) is CHINESE
    True
    """
    for name in ("NETECHO_LANG", "LC_ALL", "LC_MESSAGES", "LANG"):
        if value := environment.get(name):
            return CHINESE if value.startswith("zh") else ENGLISH
    return ENGLISH
