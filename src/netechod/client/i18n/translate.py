"""The texts that people read, in their language. The code holds the English, `chinese` the Chinese.

JSON, exit statuses and whatever goes through a pipe are the same in every language.
"""

import os
from collections.abc import Mapping


def is_chinese(environment: Mapping[str, str]) -> bool:
    """Return whether the locale is Chinese. The first variable that is not empty decides (locale(7)).

    >>> is_chinese({"LC_ALL": "", "LANG": "zh_CN.UTF-8"})
    True
    """
    for name in ("NETECHO_LANG", "LC_ALL", "LC_MESSAGES", "LANG"):
        if value := environment.get(name):
            return value.startswith("zh")
    return False


def tr(text: str, /, **values: object) -> str:
    """Return `text`, an English literal, in the language of the person, with `{fields}` filled in."""
    return Language(is_chinese=is_chinese(os.environ)).tr(text, **values)


class Language:
    """A language, whatever the locale is: a reader elsewhere may want another one."""

    def __init__(self, *, is_chinese: bool) -> None:
        self.is_chinese = is_chinese

    def tr(self, text: str, /, **values: object) -> str:
        """Return `text`, an English literal, in this language, with `{fields}` filled in."""
        if self.is_chinese:
            from netechod.client.i18n.chinese import TEXTS  # on demand: others need none of it

            text = TEXTS.get(text, text)
        return text.format(**values)


def reason_text(text: str) -> str:
    """Return a reason that the system, or the server, has told in English, in the language of the person.

    Reasons that are not known stay in English.
    """
    if is_chinese(os.environ):
        from netechod.client.i18n.chinese_reasons import translated

        return translated(text)
    return text
