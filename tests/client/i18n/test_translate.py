"""What people read is there in both languages."""

import ast
from collections.abc import Iterator
from pathlib import Path
from string import Formatter

import pytest
from support.netecho import netecho

from netechod.client.i18n.chinese import TEXTS
from netechod.client.i18n.translate import is_chinese, tr

SOURCE = Path(__file__).parents[3] / "src" / "netechod"
ENGLISH = {"operator", "netechod.py", "netechoctl.py", "config_options.py"}  # rooms and modules for operators
MODULES = [
    module
    for floor in ("client", "cli")
    for module in (SOURCE / floor).rglob("*.py")
    if ENGLISH.isdisjoint(module.parts)
]
SPEAKERS = {"ClientError", "ArgumentTypeError", "complain"}
"""What is called with a text for people; so are these arguments of the parsers:"""
SPOKEN = {"help", "description", "epilog", "title"}


def calls(module: Path) -> Iterator[tuple[str, ast.Call]]:
    """Every call in a module, with the last part of the name of what is called."""
    for node in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func).rpartition(".")[2], node


def translated() -> dict[str, str]:
    """The first argument of every `tr(...)`, and where that is."""
    return {
        ast.literal_eval(call.args[0]): f"{module.name}:{call.lineno}"
        for module in MODULES
        for name, call in calls(module)
        if name == "tr" and call.args and isinstance(call.args[0], ast.Constant)
    }


def fields(text: str) -> set[str]:
    return {field for _, field, _, _ in Formatter().parse(text) if field is not None}


def test_every_text_has_its_chinese_and_nothing_is_left_over() -> None:
    assert set(translated()) == set(TEXTS)


def test_both_languages_have_the_same_fields() -> None:
    assert {english for english, chinese in TEXTS.items() if not fields(chinese) <= fields(english)} == set()
    lacking = {english for english, chinese in TEXTS.items() if fields(english) - fields(chinese)}
    assert lacking == {"{word}: {text}"}  # the tutorials' answer repeats no word


def test_no_text_for_people_goes_past_the_table() -> None:
    found = {
        f"{module.name}:{call.lineno}"
        for module in MODULES
        for name, call in calls(module)
        for argument in spoken(name, call)
        if isinstance(argument, ast.Constant | ast.JoinedStr) and has_words(argument)
    }
    assert found == set()


def spoken(name: str, call: ast.Call) -> list[ast.expr]:
    """The arguments of a call that people read."""
    arguments = list(call.args) if name in SPEAKERS else []
    return arguments + [keyword.value for keyword in call.keywords if keyword.arg in SPOKEN]


def has_words(node: ast.AST) -> bool:
    literals = (part.value for part in ast.walk(node) if isinstance(part, ast.Constant))
    return any(isinstance(text, str) and any(map(str.isalpha, text)) for text in literals)


def test_the_chinese_prompts_are_those_of_the_tutorials() -> None:
    prompts = ("echo> ", "{text}", "word> ", "{word}: {text}", "say> ")
    assert [TEXTS[prompt] for prompt in prompts] == [
        "Please Enter#",
        "server 回显# {text}",
        "Please Enter#",
        "翻译的结果为:{text}",
        "Enter# ",
    ]


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, False),
        ({"LANG": "zh_CN.UTF-8"}, True),
        ({"LANG": "en_US.UTF-8", "LC_ALL": "zh_CN.UTF-8"}, True),
        ({"LANG": "zh_CN.UTF-8", "LC_ALL": "C"}, False),
        ({"LANG": "zh_CN.UTF-8", "LC_ALL": "", "LC_MESSAGES": ""}, True),
        ({"LC_ALL": "C", "NETECHO_LANG": "zh"}, True),
        ({"LC_ALL": "zh_CN.UTF-8", "NETECHO_LANG": "en"}, False),
    ],
)
def test_the_locale_decides(environment: dict[str, str], expected: bool) -> None:
    assert is_chinese(environment) is expected


def test_values_are_filled_in_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    for language, text in (("en", "connection refused by {0}"), ("zh", "{0} 拒绝连接")):
        monkeypatch.setenv("NETECHO_LANG", language)
        assert tr("connection refused by {where}", where="{where}") == text.format("{where}")


@pytest.mark.parametrize(
    ("arguments", "stderr"),
    [
        (
            ["dict", "h:0"],
            "netecho: 错误: 参数 HOST[:PORT]：端口须在 1 到 65535 之间：'0'\n提示：见 netecho dict --help\n",
        ),
        (["echo"], "netecho: 错误: 缺少参数：HOST[:PORT]\n提示：见 netecho echo --help\n"),
        (["dcit"], "netecho: 错误: 没有命令 'dcit'\n提示：是不是 'dict'？\n"),
        (
            ["dict", "a..b", "c"],
            "netecho: 错误: 无法解析主机名 'a..b'：不是主机名\n提示：请检查拼写，以及 -4 或 -6 选项\n",
        ),
    ],
)
def test_mistakes_are_told_in_chinese(arguments: list[str], stderr: str) -> None:
    assert netecho(*arguments, NETECHO_LANG="zh").stderr.decode() == stderr


@pytest.mark.parametrize("command", ["echo", "dict", "chat"])
def test_the_help_is_chinese_too(command: str) -> None:
    shown = netecho(command, "--help", NETECHO_LANG="zh").stdout.decode()
    assert shown.startswith(f"用法：    netecho {command} [-h] ")
    assert "\n选项:\n" in shown
    assert "显示本帮助并退出\n" in shown
