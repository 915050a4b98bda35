"""The session table: numbers by session, restarts, and what happens when it is full."""

import tracemalloc

from netechod.services.stamp.sessions import RESTART_AFTER, SessionTable

SSID = b"\x12\x34"


def table(limit: int = 3, timeout: float = 900.0) -> SessionTable:
    made = SessionTable()
    made.configure(limit, timeout)
    return made


def take(sessions: SessionTable, peer: str, number: int, now: float) -> int | None:
    """Return the number of the answer; None if there is no session."""
    session = sessions.find((peer, SSID), number, now)
    return None if session is None else session.take(number, now)


def test_each_session_is_numbered_from_0() -> None:
    sessions = table()
    assert [take(sessions, "ann", number, 1.0) for number in (0, 1, 5)] == [0, 1, 2]
    assert take(sessions, "bob", 7, 1.0) == 0
    assert [(key, it.last_number, it.received) for key, it in sessions.items()] == [
        (("ann", SSID), 5, 3),
        (("bob", SSID), 7, 1),
    ]


def test_a_number_0_begins_anew_unless_the_session_has_just_begun() -> None:
    sessions = table()
    assert [take(sessions, "ann", 0, 1.0), take(sessions, "ann", 0, 1.9)] == [0, 1]
    assert take(sessions, "ann", 0, 1.0 + RESTART_AFTER) == 0


def test_silence_for_the_timeout_ends_a_session() -> None:
    sessions = table(timeout=10.0)
    take(sessions, "ann", 0, 1.0)
    assert take(sessions, "ann", 1, 10.0) == 1
    assert take(sessions, "ann", 2, 20.0) == 0


def test_a_full_table_takes_no_newcomer_until_somebody_has_been_silent_long_enough() -> None:
    sessions = table(limit=2, timeout=10.0)
    take(sessions, "ann", 0, 0.0)
    take(sessions, "bob", 0, 1.0)
    take(sessions, "ann", 1, 2.0)
    assert take(sessions, "eve", 0, 10.9) is None
    assert take(sessions, "eve", 0, 11.0) == 0
    assert ("bob", SSID) not in sessions
    assert ("ann", SSID) in sessions


def test_a_smaller_table_forgets_those_heard_least_recently() -> None:
    sessions = table()
    for number, key in enumerate(("ann", "bob", "eve")):
        take(sessions, key, 0, float(number))
    sessions.configure(1, 900.0)
    assert [key for key, _ in sessions.items()] == [("eve", SSID)]
    assert len(sessions) == 1


def test_numbers_have_32_bits() -> None:
    sessions = table()
    session = sessions.find(("ann", SSID), 0, 0.0)
    assert session is not None
    session.sent = 2**32 - 1
    assert [session.take(1, 0.0), session.take(2, 0.0)] == [2**32 - 1, 0]


def test_a_full_table_takes_no_more_than_2_megabytes() -> None:
    sessions = table(limit=4096)
    tracemalloc.start()
    for number in range(1, 4097):
        peer = number.to_bytes(72, "big")  # as large as that of a wildcard socket (sockaddr_in6, in6_pktinfo)
        ssid = (number & 0xFFFF).to_bytes(2, "big")
        for packet in range(2):
            now = number / 7 + packet / 70
            session = sessions.find((peer, ssid), 100_000 * number + packet, now)
            assert session is not None
            session.take(100_000 * number + packet, now)
    taken, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(sessions) == 4096
    assert taken <= 2_000_000
