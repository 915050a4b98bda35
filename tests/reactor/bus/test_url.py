"""The address of the bus."""

import pytest

from netechod.reactor.bus.url import Url


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("redis://a:1", Url((("a", 1),))),
        ("redis://a", Url((("a", 6379),))),
        ("rediss://me@[fd00::1]:7/3", Url((("fd00::1", 7),), user="me", tls=True, database=3)),
        ("redis://a:1,b:2/", Url((("a", 1), ("b", 2)))),
        ("unix:///run/redis/redis.sock", Url(path="/run/redis/redis.sock")),
        ("unix://me@/run/x", Url(path="/run/x", user="me")),
        ("redis+sentinel://a,b:5/my-master", Url((("a", 26379), ("b", 5)), sentinel="my-master")),
        ("rediss+sentinel://a/m", Url((("a", 26379),), sentinel="m", tls=True)),
    ],
)
def test_the_parts_of_a_url_are_read(text: str, url: Url) -> None:
    assert Url.parse(text) == url


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("localhost:6379", "must begin with one of redis://, "),
        ("http://a", "must begin with one of"),
        ("redis://:secret@a", "must have no password: bus.password_file"),
        ("redis://me:secret@a", "must have no password: bus.password_file"),
        ("redis://a?db=1", "must have no '?'"),
        ("redis://a b", "must have no '?', '#', blank"),
        ("redis://", "must have servers such as"),
        ("redis://a,,b", "must have servers such as"),
        ("redis://a:0", "must have servers such as"),
        ("redis://a:65536", "must have servers such as"),
        ("redis://a/x", "must have the number of a database"),
        ("redis+sentinel://a:1", "must end with the name of the master"),
        ("unix://redis.sock", "must name an absolute path"),
        ("unix:///", "must name an absolute path"),
    ],
)
def test_what_is_wrong_with_a_url_is_said(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason.replace("?", r"\?")) as refusal:
        Url.parse(text)
    assert "secret" not in str(refusal.value)


@pytest.mark.parametrize(
    ("text", "in_clear"),
    [
        ("redis://192.0.2.1", True),
        ("redis://127.0.0.1,redis.example", True),
        ("redis://127.0.0.2,localhost,[::1]", False),
        ("rediss://192.0.2.1", False),
        ("unix:///run/redis.sock", False),
    ],
)
def test_what_leaves_this_machine_in_clear_is_known(text: str, in_clear: bool) -> None:
    assert Url.parse(text).leaves_in_clear is in_clear
