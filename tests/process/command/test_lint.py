"""What `--check` says of allow-lists that can match too much, and of those that cannot."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from netechod.process.command.lint import warnings
from netechod.process.config.load import load

SECRET = b"0123456789abcdef0123456789abcdef"


def said(text: str, tmp_path: Path, secret: bytes = SECRET) -> list[str]:
    """What is said of a configuration with the service on, without the word `warning` and the file."""
    path = tmp_path / "n.toml"
    path.write_text(f'[command]\nenabled = true\nkey_file = "keys"\n{text}\n', encoding="utf-8")
    lines = list(warnings(replace(load(path), keys={"ops": secret})))
    assert all(line.startswith(f"warning: {path}:") or ": default: " in line for line in lines)
    return [line.removeprefix(f"warning: {path}:") for line in lines]


def of_parameter(parameter: str, tmp_path: Path, argv: Sequence[str] = ("/bin/echo", "{1}")) -> str:
    lines = said(f"[command.allow.x]\nargv = {list(argv)}\nparameters = ['{parameter}']", tmp_path)
    assert len(lines) <= 1
    return lines[0].split(": ", 2)[2] if lines else ""


def of_argv(argv: Sequence[str], tmp_path: Path) -> str:
    parameters = ["[a-z]+"] * any("{1}" in word for word in argv)
    lines = said(f"[command.allow.x]\nargv = {list(argv)}\nparameters = {parameters}", tmp_path)
    assert len(lines) <= 1
    return lines[0].split(": ", 2)[2] if lines else ""


@pytest.mark.parametrize(
    "parameter",
    [
        "[a-z0-9.-]+(?<!-x)|/srv",  # a path is fine where it is spelled out
        "/(home|srv)",
        "[0-9]{1,5}",
        "web[1-9]\\.example\\.org",
        "[a-z][a-z0-9-]*",
        "[.*]+",
        "\\.+a",
        "(ab)+",
        "(a+|b)?",
        "([a-z]+)([0-9]+)",
        "\\(a+\\)+",
    ],
)
def test_a_tight_expression_is_not_doubted(parameter: str, tmp_path: Path) -> None:
    argv = ("/bin/echo", "--", "{1}")
    assert of_parameter(parameter, tmp_path, argv) == ""


@pytest.mark.parametrize("parameter", [".*", ".+", "(?s).*", "^.*$", "[^\\n]*", "\\S.*|[^ ].*"])
def test_what_matches_anything_is_doubted(parameter: str, tmp_path: Path) -> None:
    assert "matches anything: options, paths, whatever" in of_parameter(parameter, tmp_path)


@pytest.mark.parametrize(
    ("parameter", "piece"),
    [
        ("/srv/.*", "'.*'"),
        (".*\\.log", "'.*'"),
        ("web\\S+", "'\\\\S+'"),
        ("a[^/]*", "'[^/]*'"),
        ("x.{3,}", "'.{'"),
    ],
)
def test_an_expression_with_an_open_place_is_doubted(parameter: str, piece: str, tmp_path: Path) -> None:
    assert f"has {piece}, which matches any number of almost any" in of_parameter(parameter, tmp_path)


@pytest.mark.parametrize("parameter", ["(a+)+", "(a*){2,}", "x(?:[a-z]+-?)*", "((a|b)+c?)+", "(a{1,9})*"])
def test_an_expression_that_repeats_what_is_repeated_is_doubted(parameter: str, tmp_path: Path) -> None:
    argv = ("/bin/echo", "--", "{1}")
    assert of_parameter(parameter, tmp_path, argv).startswith(
        "repeats what is repeated: that can take very long"
    )


def test_an_empty_expression_is_doubted(tmp_path: Path) -> None:
    assert of_parameter("", tmp_path).startswith("is empty")


def test_an_argument_that_could_be_an_option_is_doubted(tmp_path: Path) -> None:
    loose = "[a-z-]+"
    assert of_parameter(loose, tmp_path).endswith("which may be an option: put '--' before {1} in argv")
    assert of_parameter(loose, tmp_path, ("/bin/echo", "--", "{1}")) == ""
    assert of_parameter(loose, tmp_path, ("/bin/echo", "--host={1}")) == ""


def test_a_path_that_can_leave_its_place_is_doubted(tmp_path: Path) -> None:
    assert of_parameter("/srv/[a-z./]+", tmp_path).startswith("matches '/../'")
    assert of_parameter("/srv/[a-z/]+", tmp_path) == ""


def test_an_argument_without_a_place_is_doubted(tmp_path: Path) -> None:
    assert of_parameter("[a-z]+", tmp_path, ("/bin/echo",)) == "argv has no {1}: the argument is thrown away"


@pytest.mark.parametrize(
    "argv",
    [
        ("/bin/sh", "-c", "echo {1}"),
        ("sh", "/root/script"),
        ("/usr/bin/env", "LANG=C", "bash", "-c", "id"),
        ("/usr/bin/timeout", "5", "/bin/dash", "-c", "{1}"),
    ],
)
def test_a_shell_is_doubted(argv: tuple[str, ...], tmp_path: Path) -> None:
    assert "is a shell" in of_argv(argv, tmp_path)


@pytest.mark.parametrize(
    "argv",
    [
        ("/usr/bin/python3", "{1}"),
        ("/usr/bin/python3", "-c", "{1}"),
        ("/usr/bin/perl", "-e{1}"),
        ("/usr/bin/env", "{1}"),
        ("/usr/bin/nice", "-n", "{1}"),
    ],
)
def test_an_interpreter_with_a_free_argument_is_doubted(argv: tuple[str, ...], tmp_path: Path) -> None:
    assert "takes code or the name of a program" in of_argv(argv, tmp_path)


@pytest.mark.parametrize(
    "argv",
    [
        ("/usr/bin/uptime",),
        ("/bin/echo", "sh"),
        ("/usr/bin/perl", "-e", "print @ARGV", "{1}"),
        ("/usr/bin/python3", "/usr/bin/pydoc3", "{1}"),
        ("/usr/bin/timeout", "5", "/bin/df", "-h", "{1}"),
        ("/usr/bin/perl", "-v"),
    ],
)
def test_other_programs_are_not_doubted(argv: tuple[str, ...], tmp_path: Path) -> None:
    assert of_argv(argv, tmp_path) == ""


def test_a_program_that_cannot_be_run_is_doubted(tmp_path: Path) -> None:
    assert of_argv(("/nonexistent/program",), tmp_path).startswith("there is no program /nonexistent/program")
    assert of_argv(("no-such-program",), tmp_path).startswith("there is no program no-such-program")
    open_to_all = tmp_path / "program"
    open_to_all.write_text("#!/bin/true\n")
    open_to_all.chmod(0o777)
    assert of_argv((str(open_to_all),), tmp_path) == f"everybody can change {open_to_all}"


def test_a_key_that_there_is_not_and_a_short_secret_are_doubted(tmp_path: Path) -> None:
    text = '[command.allow.x]\nargv = ["/bin/true"]\nkeys = ["ops", "opps"]'
    assert said(text, tmp_path, b"short") == [
        "3: command.key_file: the secret of ops is short and can be guessed: "
        "openssl rand -hex 32 makes a good one",
        "6: command.allow.x.keys: opps is in no line of command.key_file",
    ]


def test_a_service_with_nothing_to_run_is_doubted(tmp_path: Path) -> None:
    assert said("", tmp_path) == ["warning: default: command.allow: is empty: there is nothing to run"]


def test_a_service_that_is_off_is_not() -> None:
    assert list(warnings(load(None, ["command.allow.x.argv=['sh']"]))) == []
