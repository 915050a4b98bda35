"""Reasons of the system and of the server are told in Chinese, too."""

import errno
import os
import socket

import pytest

from netechod.client.i18n.chinese_reasons import REASONS, translated
from netechod.client.i18n.translate import reason_text

ERRORS = (
    errno.EACCES,
    errno.ENOENT,
    errno.ENOSPC,
    errno.EINVAL,
    errno.EMFILE,
    errno.ENETUNREACH,
    errno.EHOSTUNREACH,
    errno.ENETDOWN,
    errno.ECONNRESET,
    errno.ECONNREFUSED,
    errno.EADDRNOTAVAIL,
    errno.EAFNOSUPPORT,
    errno.EMSGSIZE,
    errno.EPERM,
    errno.EIO,
    errno.EDQUOT,
    errno.EFBIG,
)


@pytest.mark.parametrize("number", ERRORS)
def test_errors_that_people_meet_have_a_translation(number: int) -> None:
    assert os.strerror(number) in REASONS


def test_errors_of_the_resolver_have_a_translation() -> None:
    with pytest.raises(socket.gaierror) as caught:
        socket.getaddrinfo("192.0.2", 1, socket.AF_INET6, socket.SOCK_STREAM, 0, socket.AI_NUMERICHOST)
    assert caught.value.strerror in REASONS


@pytest.mark.parametrize(
    ("english", "chinese"),
    [
        ("Network is unreachable", "网络不可达"),
        ("control character U+0007", "含有控制字符 U+0007"),
        ("message refused: control character U+0007", "消息被拒绝：含有控制字符 U+0007"),
        ("/keys: No such file or directory", "/keys：没有那个文件或目录"),
        ("/keys: has mode 0644, others can use it", "/keys：权限为 0644，别人也能使用"),
        ("no buffer space available", "没有可用的缓冲区空间"),
        ("something new", "something new"),
    ],
)
def test_a_reason_is_translated_with_the_reason_in_it(english: str, chinese: str) -> None:
    assert translated(english) == chinese


def test_reasons_are_in_the_language_of_the_person(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NETECHO_LANG", "zh")
    assert reason_text("Network is unreachable") == "网络不可达"
    monkeypatch.setenv("NETECHO_LANG", "en")
    assert reason_text("Network is unreachable") == "Network is unreachable"
