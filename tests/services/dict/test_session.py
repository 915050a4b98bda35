"""Sessions of DICT: dialogues, byte by byte."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.dictionaries import BANNER, WORDS, edition_of, edition_with, pieces, say, server_of, session_of

from netechod.services.dict.commands import MAX_DEFINITIONS, MAX_SCANS
from netechod.services.dict.server import Terms
from netechod.services.dict.session import COMMANDS, MAX_COMMAND, MAX_REFUSED, PIECE, DictSession
from netechod.services.dictionary.service import Dictionary

EDITION = edition_of(WORDS)
OTHER = edition_of("apple:manzana\nprefix:x\n")
APPLE = '151 "apple" main "The \'main\' words"\r\napple\r\n  苹果\r\n.\r\n'.encode()
OK = b"250 ok\r\n"


def heard(line: str, *editions: Dictionary) -> str:
    """The answer to one line."""
    return say(session_of(*(editions or (EDITION, OTHER))), line.encode() + b"\r\n").decode()


def listed(line: str, *editions: Dictionary) -> list[str]:
    """The matches that a line brings."""
    answer = heard(line, *editions).split("\r\n")
    if answer == ["552 no match", ""]:
        return []
    assert answer[0] == f"152 {len(answer) - 4} matches found"
    assert answer[-3:] == [".", "250 ok", ""]
    return answer[1:-3]


def test_the_server_speaks_first() -> None:
    session = session_of(EDITION)
    assert session.opened() == BANNER
    assert session.more() is None
    assert (session.ended, session.waiting, session.eof_received()) == (False, False, b"")


def test_a_definition_is_the_word_and_its_meaning_behind_two_spaces() -> None:
    assert heard('DEFINE main "apple"') == "150 1 definitions retrieved\r\n" + APPLE.decode() + "250 ok\r\n"


@pytest.mark.parametrize(
    ("line", "word"),
    [
        ('define * "say "hi""', 'say "hi"'),
        (r"DEFINE main say\ \"hi\"", 'say "hi"'),
        ('DEFINE "main" "back\\slash"', "back\\slash"),
        ("DEFINE * 'don'\\''t'", "don't"),
        ("define ! 苹果", "苹果"),
        ('DEFINE main "工業|工业"', "工業|工业"),
        ('define * "  empty   line "', "empty line"),
        ("Define\tmain\tAPPLE", "apple"),
        ("define main “apple”.", None),
        ("define main ａｐｐｌｅ.", "apple"),
        ("define main don’t", "don't"),
    ],
)
def test_a_word_is_found_as_clients_send_it(line: str, word: str | None) -> None:
    answer = heard(line, EDITION)
    if word is None:
        assert answer == "552 no match\r\n"
    else:
        assert answer.startswith("150 1 definitions retrieved\r\n151 ")
        assert answer.split("\r\n")[2] == word


def test_the_exact_spelling_comes_first_then_the_folded_then_the_order_of_the_file() -> None:
    edition = edition_of("ESSEN:3\nEssen:2\nessen:1\n")

    def order(word: str) -> list[str]:
        return [
            line.split('"')[1]
            for line in heard(f"define main {word}", edition).split("\r\n")
            if "151 " in line
        ]

    assert order("Essen") == ["Essen", "essen", "ESSEN"]
    assert order("essen") == ["essen", "ESSEN", "Essen"]
    assert order("eSSen") == ["essen", "ESSEN", "Essen"]


def test_databases_are_asked_in_order_all_or_up_to_the_first_with_a_match() -> None:
    assert heard("define * apple").count("151 ") == 2
    assert heard("define ! apple").count("151 ") == 1
    assert "manzana" in heard("define two apple")
    assert listed("match * exact apple") == ['main "apple"', 'two "apple"']
    assert listed("match ! exact prefix") == ['two "prefix"']
    assert listed("match ! exact apple") == ['main "apple"']


@pytest.mark.parametrize(
    ("line", "matches"),
    [
        ("match main exact ESSEN", ["essen", "Essen"]),
        ("match main PREFIX e", ["empty line", "essen", "Essen"]),
        ("match main suffix e", ["apple", "empty line"]),
        ("match main substring ss", ["essen", "Essen"]),
        ("match main word line", ["empty line"]),
        ("match main word lin", []),
        ("match main first back", [r"back\\slash"]),
        ("match main last slash", [r"back\\slash"]),
        ("match main lev aple", ["apple"]),
        ("match main . appel", ["apple"]),
        ('match main exact "say "hi""', [r"say \"hi\""]),
        ("match main substring zzz", []),
    ],
)
def test_matches_are_listed_by_their_spellings(line: str, matches: list[str]) -> None:
    assert listed(line, EDITION) == [f'main "{word}"' for word in matches]


@pytest.mark.parametrize(
    ("line", "answer"),
    [
        ("define main nothing", "552 no match"),
        ("match main prefix nothing", "552 no match"),
        ("define nosuch x", '550 invalid database, use "SHOW DB" for list of databases'),
        ("match nosuch prefix x", '550 invalid database, use "SHOW DB" for list of databases'),
        ("match main nosuch x", '551 invalid strategy, use "SHOW STRAT" for a list of strategies'),
        ("define Main apple", '550 invalid database, use "SHOW DB" for list of databases'),
        ("show info nosuch", '550 invalid database, use "SHOW DB" for list of databases'),
        ("show info *", '550 invalid database, use "SHOW DB" for list of databases'),
        ("define main", "501 syntax error, illegal parameters"),
        ('define main ""', "501 syntax error, illegal parameters"),
        ('match main prefix " "', "501 syntax error, illegal parameters"),
        ('define main "open', "501 syntax error, illegal parameters"),
        ("show", "501 syntax error, illegal parameters"),
        ("show db x", "501 syntax error, illegal parameters"),
        ("show nothing", "501 syntax error, illegal parameters"),
        ('show "', "501 syntax error, illegal parameters"),
        ("option", "501 syntax error, illegal parameters"),
        ("option html", "501 syntax error, illegal parameters"),
        ("d main apple", "500 unknown command"),
        ("GET / HTTP/1.1", "500 unknown command"),
        ("\x0b", "500 unknown command"),
        ("auth joe 71d7fa8f", "502 command not implemented"),
        ("SASLAUTH", "502 command not implemented"),
        ("client 'MATE Dictionary", "250 ok"),
        ("CLIENT", "250 ok"),
        ("status", "210 status: 0 defined, 0 matched"),
        ("quit", "221 bye"),
    ],
)
def test_short_answers(line: str, answer: str) -> None:
    assert heard(line) == f"{answer}\r\n"


def test_what_is_not_utf8_is_refused_except_as_a_name_of_a_client() -> None:
    assert say(session_of(EDITION), b"define main \xff\r\n") == b"501 syntax error, illegal parameters\r\n"
    assert say(session_of(EDITION), b'define main "\xff"\r\n') == b"501 syntax error, illegal parameters\r\n"
    assert say(session_of(EDITION), b"client \xff\r\n") == OK


def test_what_there_is_is_shown() -> None:
    assert heard("show db") == (
        "110 2 databases present\r\nmain \"The 'main' words\"\r\ntwo \"The 'two' words\"\r\n.\r\n250 ok\r\n"
    )
    assert heard("show databases") == heard("SHOW DB")
    assert heard("show strat").startswith('111 8 strategies present\r\nexact "')
    assert heard("show strategies") == heard("show strat")
    assert heard("show info two") == "112 information for two\r\nThe 'two' words, 2 words\r\n.\r\n250 ok\r\n"
    server = heard("show server").split("\r\n")
    assert server[:2] == ["114 server information", "netechod 1.2.3"]
    assert server[3] == f"two 2 words, sha256 {OTHER.sha256[:12]}"
    assert heard("help").startswith("113 help text follows\r\nDEFINE ")


def test_with_mime_every_text_begins_with_an_empty_line() -> None:
    session = session_of(EDITION)
    assert say(session, b"option mime\r\nOPTION MIME\r\n") == 2 * b"250 ok, using MIME headers\r\n"
    apple = APPLE.replace(b'words"\r\n', b'words"\r\n\r\n')
    assert say(session, b"define main apple\r\n") == b"150 1 definitions retrieved\r\n" + apple + OK
    for line in (
        b"match main prefix e",
        b"show db",
        b"show strat",
        b"show info main",
        b"show server",
        b"help",
    ):
        assert b"\r\n\r\n" in say(session, line + b"\r\n")


def test_the_status_counts_what_this_client_got() -> None:
    session = session_of(EDITION)
    say(session, b"define main apple\r\nmatch main prefix e\r\n")
    assert say(session, b"status\r\n") == b"210 status: 1 defined, 3 matched\r\n"


def test_the_server_counts_for_all_clients() -> None:
    server = server_of(EDITION)
    for _ in range(2):
        session = DictSession(server, BANNER)
        say(
            session,
            b"define main apple\r\nmatch main suffix e\r\ndefine main x\r\nmatch main exact x\r\nx\r\n",
        )
    assert server.counters == {"defined": 2, "matched": 4, "missed": 4, "refused": 2, "busy": 0, "scans": 2}


def test_blank_lines_and_nuls_are_silence() -> None:
    assert say(session_of(EDITION), b'\r\n\n\0\n  \t\r\ndefine * "apple"\n\n\0') == b"".join(
        (b"150 1 definitions retrieved\r\n", APPLE, OK)
    )


def test_nothing_is_answered_behind_quit() -> None:
    session = session_of(EDITION)
    assert say(session, b"status\r\nquit\r\nstatus\r\n").endswith(b"\r\n221 bye\r\n")
    assert session.ended
    assert session.more() is None


def test_half_a_command_at_the_end_gets_no_answer() -> None:
    session = session_of(EDITION)
    assert say(session, b"define main apple") == b""
    assert session.eof_received() == b""
    assert session.more() is None


@pytest.mark.parametrize("length", [MAX_COMMAND + 1, 3 * MAX_COMMAND, 100_000])
def test_a_line_that_is_too_long_is_skipped(length: int) -> None:
    session = session_of(EDITION)
    line = b"x" * length
    said = b"".join(say(session, line[start : start + 4096]) for start in range(0, length, 4096))
    assert said == b""
    assert len(session._begun) <= MAX_COMMAND + 4096
    assert say(session, b"\r\nstatus\r\n") == b"500 line too long\r\n210 status: 0 defined, 0 matched\r\n"


def test_the_longest_line_is_read() -> None:
    line = b'define main "' + b"x" * (MAX_COMMAND - 14) + b'"'
    assert say(session_of(EDITION), line + b"\n") == b"552 no match\r\n"
    assert say(session_of(EDITION), line + b"x\n") == b"500 line too long\r\n"


def test_too_many_errors_in_a_row_end_the_connection() -> None:
    session = session_of(EDITION)
    assert say(session, b"x\r\n" * MAX_REFUSED).count(b"500 ") == MAX_REFUSED
    assert say(session, b"status\r\n") == b"210 status: 0 defined, 0 matched\r\n"
    assert say(session, b"x\r\n" * MAX_REFUSED).count(b"500 ") == MAX_REFUSED
    assert not session.ended
    assert say(session, b"show x\r\nstatus\r\n") == (
        b"501 syntax error, illegal parameters\r\n421 too many errors\r\n"
    )
    assert session.ended


def test_lists_are_cut_at_their_limits_and_say_so() -> None:
    numbers = edition_of("".join(f"a{number:03}:x\n" for number in range(10)))
    session = session_of(numbers, OTHER, terms=Terms(max_matches=4))
    assert say(session, b"match * prefix a\r\n").decode().split("\r\n") == [
        "152 4 matches found",
        *(f'main "a{number:03}"' for number in range(4)),
        ".",
        "250 ok, only the first 4",
        "",
    ]
    session = session_of(numbers, terms=Terms(max_matches=10, default_strategy="prefix"))
    assert say(session, b"match * . a\r\n").endswith(OK)


def test_of_very_many_spellings_so_many_are_defined() -> None:
    spellings = [f"{number:09b}".replace("0", "a").replace("1", "A") for number in range(1, 512)]
    edition = edition_of("".join(f"{word}:x\n" for word in spellings))
    answer = heard("define main aaaaaaaaa", edition)
    assert answer.count("\r\n151 ") == MAX_DEFINITIONS
    assert heard("define * AAAAAAAAA", edition, edition).endswith(
        f"250 ok, only the first {MAX_DEFINITIONS}\r\n"
    )
    assert '151 "AAAAAAAAA" ' in heard("define main AAAAAAAAA", edition)


def test_too_many_searches_at_a_time_are_refused() -> None:
    server = server_of(EDITION)
    server.scans = MAX_SCANS
    session = DictSession(server, BANNER)
    assert say(session, b"match main suffix e\r\n") == b"420 busy, try again\r\n"
    assert say(session, b"match main prefix e\r\n").startswith(b"152 ")
    assert server.counters["busy"] == 1


def test_a_search_is_counted_until_it_ends_or_its_connection_is_gone() -> None:
    edition = edition_of("".join(f"{number:06}:x\n" for number in range(40_000)))
    server = server_of(edition)
    session = DictSession(server, BANNER)
    assert session.data_received(memoryview(b"match main suffix x\r\n")) == b""
    assert server.scans == 1
    del session
    assert server.scans == 0
    assert say(DictSession(server, BANNER), b"match main suffix x\r\n") == b"552 no match\r\n"
    assert server.scans == 0


def test_a_search_through_all_words_is_made_in_many_pieces() -> None:
    edition = edition_of("".join(f"{number:06}:x\n" for number in range(40_000)))
    assert len(pieces(session_of(edition), b"match main suffix x\r\n")) > 100  # the words are sorted first
    assert len(pieces(session_of(edition), b"match main suffix x\r\n")) > 1


def test_pipelined_commands_are_answered_some_a_piece() -> None:
    said = pieces(session_of(EDITION), b"define main nothing\r\n" * 100)
    assert b"".join(said) == b"552 no match\r\n" * 100
    assert max(map(len, said)) == COMMANDS * len(b"552 no match\r\n")


def test_no_piece_is_much_longer_than_the_limit() -> None:
    edition = edition_with([("long", "苹果 " * 40_000), ("lines", "one\n" * 50_000), ("a", "x")])
    edition_many = edition_of("".join(f"{'苹' * 200}{number}:x\n" for number in range(1000)))
    session = session_of(edition, edition_many)
    for line in (b"define * long\r\n", b"define * lines\r\n", "match * prefix 苹\r\n".encode()):
        said = pieces(session, line)
        assert len(b"".join(said)) > 10 * PIECE
        assert max(map(len, said)) < 4 * PIECE


def test_an_answer_that_fits_is_one_piece() -> None:
    session = session_of(EDITION)
    assert pieces(session, b"define main apple\r\n") == [b"150 1 definitions retrieved\r\n" + APPLE + OK]
    assert len(pieces(session_of(EDITION), b"client x\r\ndefine main apple\r\nquit\r\n")) == 1


COMMAND_LINES = [
    b"define * apple\r\n",
    b'match * . "aple"\n',
    b'define * "say "hi""\r\n',
    b"show db\r\n",
    b"option mime\r\n",
    b"bad\r\n",
    b"\n\0",
    b"help\r\n",
    b"x" * (MAX_COMMAND + 5) + b"\r\n",
]


@given(st.lists(st.sampled_from(COMMAND_LINES), max_size=6), st.lists(st.integers(0, 15_000)))
def test_it_does_not_matter_how_commands_are_cut(lines: list[bytes], cuts: list[int]) -> None:
    whole = b"".join(lines)
    places = sorted({0, len(whole), *(cut for cut in cuts if cut < len(whole))})
    session = session_of(EDITION)
    said = b"".join(say(session, whole[start:end]) for start, end in pairwise(places))
    assert said == say(session_of(EDITION), whole)


def test_a_command_sees_the_databases_of_its_moment() -> None:
    server = server_of(EDITION)
    session = DictSession(server, BANNER)
    assert say(session, b"define main apple\r\n").startswith(b"150")
    server.databases = server_of(edition_of("pear:x\n")).databases
    assert say(session, b"define main apple\r\n") == b"552 no match\r\n"
