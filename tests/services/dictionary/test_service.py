"""The dictionary as a dialogue: a file goes in once, then words come in and translations go out."""

from collections.abc import Sequence
from hashlib import sha256
from time import process_time
from typing import Literal
from unicodedata import normalize

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from support.cutting import cut_at
from support.recorder import Recorder
from support.worst_texts import WORST_TEXTS

from netechod.errors import DictionaryError, DictionaryFormatError
from netechod.services.dictionary.memory_parser import DictionaryParser
from netechod.services.dictionary.parser import MAX_LINE, MAX_SHOWN, MAX_WARNINGS, Rules
from netechod.services.dictionary.service import (
    MAX_FOLDED,
    MAX_NON_STARTERS,
    MAX_STRETCH,
    DictionaryService,
    MemoryDictionary,
    fold,
)
from netechod.services.wire import MAX_DATAGRAM, text_of

FRUIT = "apple:苹果\nbanana:香蕉\nStraße:街\nCafé:咖啡馆\n"

files = st.text(st.sampled_from("abAB::##\n\n\r \t：苹é\u3000\ufeff\x85\x1c\u2028")).map(str.encode)
"""Small files in which everything that matters to the parser is frequent."""


def parse(blocks: Sequence[bytes], *, strict: bool = False) -> MemoryDictionary:
    """The edition that comes of a file read in these blocks."""
    parser = DictionaryParser("dict.txt", Rules(strict=strict, max_skipped=1))
    for block in blocks:
        parser.feed(block)
    return parser.finish()


def edition(text: str) -> MemoryDictionary:
    """The edition of a file with this text."""
    return parse([text.encode()])


def words(dictionary: MemoryDictionary) -> dict[str, str]:
    """The entries, readable."""
    return {key.decode(): value.decode() for key, value in dictionary.entries.items()}


def facts(dictionary: MemoryDictionary) -> tuple[object, ...]:
    """Everything there is to know about an edition."""
    return (
        dict(dictionary.entries),
        {key: dictionary.folded(fold(key.decode()).encode()) for key in dictionary.entries},
        dictionary.sha256,
        dictionary.skipped,
        dictionary.warnings,
    )


def answers(service: DictionaryService, *payloads: bytes) -> list[bytes]:
    """Return the answers to "ann", who sends these datagrams in one batch."""
    out = Recorder()
    service.datagrams_received([(payload, "ann") for payload in payloads], 0.0, out)
    assert all(verb == "send" and peer == "ann" for verb, _, peer in out)
    return [payload for _, payload, _ in out]


@pytest.fixture
def service() -> DictionaryService:
    return DictionaryService(edition(FRUIT))


# The file.


@pytest.mark.parametrize(
    ("text", "entries"),
    [
        ("apple:苹果", {"apple": "苹果"}),
        ("apple:苹果\nbanana:香蕉\n", {"apple": "苹果", "banana": "香蕉"}),
        ("apple:苹果\r\nbanana:香蕉\r\n", {"apple": "苹果", "banana": "香蕉"}),
        ("\ufeffapple:苹果\n", {"apple": "苹果"}),
        ("\ufeff# fruit\napple:苹果\n", {"apple": "苹果"}),
        ("\ufeff\ufeffapple:苹果\n", {"\ufeffapple": "苹果"}),
        ("http://x:网址\n", {"http": "//x:网址"}),
        (" \t apple\u3000:  苹 果\t\n", {"apple": "苹 果"}),
        ("# comment\n\n   \n\t# another: comment\napple:苹果\n\n", {"apple": "苹果"}),
        ("C#:升C\n", {"C#": "升C"}),
        ("apple:苹果\napple:蘋果\n", {"apple": "苹果"}),
        ("apple:苹果\nApple:公司\n", {"apple": "苹果", "Apple": "公司"}),
        ("ice cream:冰淇淋\n", {"ice cream": "冰淇淋"}),
        ("a\u2028b:c\x85d\n", {"a\u2028b": "c\x85d"}),
    ],
)
def test_a_line_is_key_colon_value(text: str, entries: dict[str, str]) -> None:
    dictionary = edition(text)
    assert words(dictionary) == entries
    assert len(dictionary) == len(entries)
    assert dictionary.skipped == 0


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("apple", "no ':'; write it as key:value"),
        ("apple：苹果", "no ':' (found a full-width '：'); write it as key:value"),
        ("apple:", "nothing behind the ':'"),
        ("  apple : \r", "nothing behind the ':'"),
        (":苹果", "nothing before the ':'"),
        ("  : 苹果", "nothing before the ':'"),
        (":", "nothing before the ':'"),
    ],
)
def test_a_bad_line_is_named_and_counted_and_fails_a_strict_load(line: str, problem: str) -> None:
    text = f"# one\ngood:好\n{line}\nbad:坏\n"
    dictionary = edition(text)
    assert words(dictionary) == {"good": "好", "bad": "坏"}
    assert dictionary.skipped == 1
    assert dictionary.warnings == (f"dict.txt:3: {problem}; the line is skipped",)
    with pytest.raises(DictionaryError) as caught:
        parse([text.encode()], strict=True)
    assert str(caught.value) == f"dict.txt:3: {problem}"
    assert caught.value.exit_code == 5


@pytest.mark.parametrize("values", [("苹果", "蘋果"), ("苹果", "苹果"), ("x", "x")])
def test_the_first_of_duplicate_keys_wins_with_a_warning(values: tuple[str, str]) -> None:
    text = f"apple:{values[0]}\n\napple:{values[1]}\n"
    for strict in (False, True):
        dictionary = parse([text.encode()], strict=strict)
        assert words(dictionary) == {"apple": values[0]}
        assert dictionary.warnings == ("dict.txt:3: duplicate key 'apple'; the first one stays",)
        assert dictionary.skipped == 0


def test_the_last_line_needs_no_line_end_to_be_judged() -> None:
    assert edition("a:b\nc").warnings == ("dict.txt:2: no ':'; write it as key:value; the line is skipped",)


def test_the_warnings_are_capped_and_the_rest_is_counted() -> None:
    bad = "no colon\n" * MAX_WARNINGS
    assert len(edition("a:b\n" + bad).warnings) == MAX_WARNINGS
    dictionary = edition("a:b\n" + bad + "none\n" * 3 + "a:b\n")
    assert dictionary.warnings[MAX_WARNINGS:] == ("dict.txt: 4 more warnings are not shown",)
    assert dictionary.warnings[MAX_WARNINGS - 1].startswith(f"dict.txt:{MAX_WARNINGS + 1}: ")
    assert dictionary.skipped == MAX_WARNINGS + 3


def test_warnings_are_told_by_line_in_whatever_order_they_are_found_out() -> None:
    class Late(DictionaryParser):
        """Finds duplicates when all is read."""

        def end(self) -> None:
            super().end()
            for number in (9, 2):
                self.warn_of_duplicate(number, b"a")

    parser = Late("dict.txt")
    parser.feed(b"a:b\n\nno colon\n")
    assert [warning.partition(" ")[0] for warning in parser.finish().warnings] == [
        "dict.txt:2:",
        "dict.txt:3:",
        "dict.txt:9:",
    ]


@pytest.mark.parametrize("data", [b"", b"\n\n", b"\xef\xbb\xbf", b"# a:b\n", b"no colon\n:\n"])
def test_a_file_without_an_entry_is_refused(data: bytes) -> None:
    with pytest.raises(DictionaryError, match=r"^dict\.txt: holds no entry at all"):
        parse([data])


@pytest.mark.parametrize("flaw", [b"\xff", b"\xe8\x8b", b"\xc3(", b"\xed\xa0\x80", "苹果".encode("gbk")])
@pytest.mark.parametrize("lines_before", [0, 1, 5])
@pytest.mark.parametrize("rest", [b"", b":x", b"\nbad: \xff\n"])
@pytest.mark.parametrize("size", [1, 2, 3, 7, 4096])
def test_bytes_that_are_no_utf_8_are_found_in_their_line_wherever_a_block_ends(
    flaw: bytes, lines_before: int, rest: bytes, size: int
) -> None:
    data = "apple:苹果\n".encode() * lines_before + b"key" + flaw + rest
    with pytest.raises(DictionaryError) as caught:
        parse([data[at : at + size] for at in range(0, len(data), size)])
    assert str(caught.value) == f"dict.txt:{lines_before + 1}: not UTF-8"


@pytest.mark.parametrize("size", [1, 5, 4096])
@pytest.mark.parametrize("line", [b"a\0:b", b"\0", b"a:b\0"])
def test_a_nul_byte_is_refused_with_its_line(line: bytes, size: int) -> None:
    data = "apple:苹果\n\n".encode() + line + b"\n\0:\0\n"
    with pytest.raises(DictionaryError, match=r"^dict\.txt:3: a NUL byte; this is not a text file$"):
        parse([data[at : at + size] for at in range(0, len(data), size)])


def test_a_line_that_never_ends_is_refused_before_it_fills_the_memory() -> None:
    parser = DictionaryParser("dict.txt")
    parser.feed("苹:果\n".encode() + b"a:" + b"b" * (MAX_LINE - 2))
    with pytest.raises(DictionaryError, match=rf"^dict\.txt:2: longer than {MAX_LINE} characters$"):
        parser.feed(b"b")


def test_a_line_is_no_shorter_for_ending_in_the_block_that_it_begins_in() -> None:
    line = "a:" + "b" * (MAX_LINE - 1)
    with pytest.raises(DictionaryError, match=rf"^dict\.txt:2: longer than {MAX_LINE} characters$"):
        edition(f"苹:果\n{line}\nc:d\n")


def test_the_longest_line_is_an_entry_like_any_other() -> None:
    line = "a:" + "苹" * (MAX_LINE - 2)
    assert len(edition(line).entries[b"a"]) == 3 * (MAX_LINE - 2)


def naive(data: bytes) -> tuple[dict[str, str], int]:
    """The entries and the number of bad lines, by the shortest way to say what a file means."""
    entries: dict[str, str] = {}
    bad = 0
    for line in data.decode().removeprefix("\ufeff").split("\n"):
        key, _, value = (side.strip() for side in line.partition(":"))
        if key and value and "：" not in key and not key.startswith("#"):
            entries.setdefault(key, value)
        elif line.strip() and not key.startswith("#"):
            bad += 1
    return entries, bad


@settings(deadline=None, max_examples=200)
@given(files)
def test_a_file_means_what_the_naive_parser_says(data: bytes) -> None:
    data += b"\nlast:one\n"
    dictionary = parse([data])
    assert (words(dictionary), dictionary.skipped) == naive(data)
    assert dictionary.sha256 == sha256(data).hexdigest()


@settings(deadline=None, max_examples=200)
@given(files, st.lists(st.integers(min_value=0), max_size=8))
@example(b"\xef\xbb\xbf\xef\xbb\xbfa:b", [3])
def test_the_blocks_of_a_file_do_not_matter(data: bytes, places: list[int]) -> None:
    data += b"\nlast:one"
    assert facts(parse(cut_at(data, places))) == facts(parse([data]))


@settings(deadline=None)
@given(files, st.binary(max_size=12), files, st.lists(st.integers(min_value=0), max_size=8), st.booleans())
def test_a_file_that_fails_fails_in_any_blocks(
    before: bytes, junk: bytes, after: bytes, places: list[int], strict: bool
) -> None:
    data = before + junk + after

    def outcome(blocks: Sequence[bytes]) -> object:
        try:
            return facts(parse(blocks, strict=strict))
        except DictionaryError:
            return "refused"

    assert outcome(cut_at(data, places)) == outcome([data])


# The answers.


@pytest.mark.parametrize(
    ("query", "answer"),
    [
        ("apple", "苹果"),
        ("Apple", "苹果"),
        ("APPLE", "苹果"),
        ("Straße", "街"),
        ("straße", "街"),
        ("STRASSE", "街"),
        ("strasse", "街"),
        ("Café", "咖啡馆"),
        ("CAFÉ", "咖啡馆"),
        (normalize("NFD", "café"), "咖啡馆"),
        ("pear", "unknown"),
        ("apples", "unknown"),
        ("苹果", "unknown"),
        (" apple", "苹果"),
        ("apple.", "苹果"),
        ("apple,", "苹果"),
        ("ａｐｐｌｅ", "苹果"),
        ("Ａｐｐｌｅ。", "苹果"),
        (".", "unknown"),
    ],
)
def test_a_word_is_found_whatever_its_case_and_composition(
    service: DictionaryService, query: str, answer: str
) -> None:
    assert answers(service, query.encode()) == [answer.encode()]


def test_dictionaries_are_asked_in_their_order() -> None:
    service = DictionaryService(edition("Pear:a\n"), edition("pear:b\nplum:c\n"), edition("Plum:d\nfig:e\n"))
    asked = (b"pear", b"plum", b"PLUM.", b"Plum", b"fig", b"kiwi")
    assert answers(service, *asked) == [b"a", b"c", b"c", b"c", b"e", b"unknown"]
    service.configure(unknown="unknown", match="exact", max_reply=1200)
    assert answers(service, *asked) == [b"b", b"c", b"unknown", b"d", b"e", b"unknown"]
    service.replace(edition("fig:f\n"))
    assert answers(service, *asked) == [b"unknown"] * 4 + [b"f", b"unknown"]


def test_each_answer_goes_to_the_peer_that_asked(service: DictionaryService) -> None:
    out = Recorder()
    service.datagrams_received(
        [(b"apple", "ann"), (b"pear", "bob"), (b"", "cat"), (b"BANANA", "ann")], 0.0, out
    )
    assert out == [
        ("send", "苹果".encode(), "ann"),
        ("send", b"unknown", "bob"),
        ("send", "香蕉".encode(), "ann"),
    ]


def test_the_exact_spelling_comes_first_and_then_the_first_of_equals() -> None:
    service = DictionaryService(edition("Polish:波兰的\npolish:擦亮\nMARCH:行军\nMarch:三月\n"))
    queries = (b"Polish", b"polish", b"POLISH", b"March", b"march")
    assert [answer.decode() for answer in answers(service, *queries)] == [
        "波兰的",
        "擦亮",
        "擦亮",
        "三月",
        "行军",
    ]


def test_exact_matching_knows_one_spelling_only() -> None:
    service = DictionaryService(edition(FRUIT), match="exact")
    assert answers(service, b"Apple", b"apple\r\n", "straße".encode()) == [
        b"unknown",
        "苹果".encode(),
        b"unknown",
    ]


@settings(deadline=None)
@given(st.text())
def test_spellings_that_are_canonically_equivalent_fold_alike(word: str) -> None:
    assert fold(normalize("NFC", word)) == fold(normalize("NFD", word)) == fold(word)


def test_a_spelling_may_be_much_longer_than_the_word() -> None:
    service = DictionaryService(edition("\u0390:x\n"))  # 2 bytes; the spelling has 7
    assert answers(service, "\u1fbe\u0308\u0301".encode()) == [b"x"]


def test_no_spelling_has_four_times_the_bytes_of_its_folded_form() -> None:
    characters = [chr(code) for code in range(0x30000) if not 0xD800 <= code < 0xE000]  # no letters above
    longest: dict[str, int] = {}  # of the spellings of each folded character, in bytes
    for character in characters:
        form = fold(character)
        longest[form] = max(longest.get(form, 0), len(character.encode()))
    for form in tuple(longest):
        parts = normalize("NFD", form)
        spelled = sum(longest.get(part, len(part.encode())) for part in parts)
        assert spelled < MAX_STRETCH * len(form.encode())


@pytest.mark.parametrize(
    "longest", ["a", "\u0300" * MAX_DATAGRAM, "A" * MAX_DATAGRAM], ids=["short", "odd", "A"]
)
@pytest.mark.parametrize("text", WORST_TEXTS.values(), ids=WORST_TEXTS)
def test_no_text_takes_long_to_look_up(longest: str, text: bytes) -> None:
    service = DictionaryService(edition(f"a:x\n{longest}:y\n"))
    begun = process_time()
    for _ in range(10):
        answers(service, text)
    assert process_time() - begun < 0.1  # the slowest of them take a fifth of that


@pytest.mark.parametrize("text", WORST_TEXTS.values(), ids=WORST_TEXTS)
def test_no_line_takes_long_to_parse(text: bytes) -> None:
    block = text.decode(errors="ignore").replace("\0", "0").encode() + b":x\n"
    begun = process_time()
    parse([b"a:x\n" + block])
    assert process_time() - begun < 0.1


@pytest.mark.parametrize("text", WORST_TEXTS.values(), ids=WORST_TEXTS)
def test_little_of_a_text_is_normalized(text: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    normalized: list[str] = []

    def counted(form: Literal["NFC", "NFD"], word: str) -> str:
        normalized.append(word)
        return normalize(form, word)

    monkeypatch.setattr("netechod.services.dictionary.service.normalize", counted)
    answers(DictionaryService(MemoryDictionary()), text)
    assert all(len(word) <= 4 * MAX_FOLDED for word in normalized)


@pytest.mark.parametrize(
    ("word", "spelling"),
    [
        ("É" * MAX_FOLDED, "é" * MAX_FOLDED),
        ("A" * 60_000, "a" * 60_000),
        ("A" + "\u0300" * MAX_NON_STARTERS, "a" + "\u0300" * MAX_NON_STARTERS),
        ("A" + "\u0316" * 5 + "\u0300" * 25, "a" + "\u0300" * 25 + "\u0316" * 5),
    ],
)
def test_a_word_of_a_usual_length_is_found_in_any_spelling(word: str, spelling: str) -> None:
    service = DictionaryService(edition(f"{word}:x\n"))
    assert answers(service, spelling.encode(), word.encode()) == [b"x", b"x"]


@pytest.mark.parametrize(
    ("word", "spelling"),
    [
        ("É" * (MAX_FOLDED + 1), "é" * (MAX_FOLDED + 1)),
        ("A" + "\u0300" * (MAX_NON_STARTERS + 1), "a" + "\u0300" * (MAX_NON_STARTERS + 1)),
        ("A\u0344" * 1 + "\u0300" * MAX_NON_STARTERS, "a\u0344" + "\u0300" * MAX_NON_STARTERS),
    ],
)
def test_a_word_that_takes_long_to_fold_is_found_as_it_is_spelled(word: str, spelling: str) -> None:
    service = DictionaryService(edition(f"{word}:x\n"))
    assert answers(service, spelling.encode(), word.encode()) == [b"unknown", b"x"]


def test_a_long_key_is_cut_in_the_warning_about_it() -> None:
    assert edition(f"{'a' * 999}:x\n" * 2).warnings == (
        f"dict.txt:2: duplicate key '{'a' * MAX_SHOWN}…'; the first one stays",
    )


@pytest.mark.parametrize("text", ["banana", "香蕉", "a" * 31])
def test_the_tutorials_padded_query_is_answered(text: str) -> None:
    service = DictionaryService(edition(f"{text}:found\n"))
    garbage = b"\0\xff\x7f\0\x80x:\n" * 4
    assert answers(service, (text.encode() + b"\0" + garbage)[:32]) == [b"found"]


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b" ", b" \r\n\n", b"\0", b"\n\0\n"])
def test_the_line_end_of_a_terminal_does_not_belong_to_the_word(
    service: DictionaryService, end: bytes
) -> None:
    assert answers(service, b"apple" + end, b"APPLE" + end, b"pear" + end) == [
        "苹果".encode(),
        "苹果".encode(),
        b"unknown",
    ]


def test_an_empty_text_and_a_miss_of_ours_get_no_answer(service: DictionaryService) -> None:
    assert answers(service, b"", b"\n", b"\0apple", b" \r\n", b"unknown", b"unknown\n", b"unknown\0x") == []
    assert service.counters == {"found": 0, "missed": 0}
    assert service.dropped == {"empty": 4, "error-text": 3}


def test_an_entry_for_the_miss_text_is_an_entry() -> None:
    assert answers(DictionaryService(edition("unknown:未知\n")), b"unknown") == ["未知".encode()]


@pytest.mark.parametrize(
    ("unknown", "miss"),
    [
        ("unknown", b"unknown"),
        ("没有这个词", "没有这个词".encode()),
        ("not found\n", b"not found"),
        ("a text that is longer than an answer", b"a text that is l"),
        ("六个汉字太长了", "六个汉字太".encode()),
    ],
)
def test_two_dictionaries_never_answer_each_others_misses(unknown: str, miss: bytes) -> None:
    service = DictionaryService(edition(FRUIT), unknown=unknown, max_reply=16)
    assert answers(service, b"pear") == [miss]
    assert answers(service, miss) == []


@pytest.mark.parametrize(
    ("value", "limit", "answer"),
    [
        ("苹果", 6, "苹果"),
        ("苹果", 5, "苹"),
        ("a苹", 3, "a"),
        ("x" * 1201, 1200, "x" * 1200),
        ("苹" * 401, 1200, "苹" * 400),
        ("🍎" * 301, 1203, "🍎" * 300),
    ],
)
def test_a_long_answer_is_cut_at_a_character(value: str, limit: int, answer: str) -> None:
    service = DictionaryService(edition(f"Word:{value}\n"), max_reply=limit)
    assert answers(service, b"Word", b"word") == [answer.encode()] * 2


def test_an_answer_is_1200_bytes_at_most_unless_configured() -> None:
    service = DictionaryService(edition("word:" + "x" * 2000))
    assert answers(service, b"word") == [b"x" * 1200]


def test_the_manner_of_answering_changes_at_once(service: DictionaryService) -> None:
    service.configure(unknown="?", match="exact", max_reply=3)
    assert answers(service, b"apple", b"Apple", b"unknown", b"?") == ["苹".encode(), b"?", b"?"]


def test_a_new_edition_replaces_the_old_one_whole(service: DictionaryService) -> None:
    assert answers(service, b"apple", b"STRASSE", b"pear") == ["苹果".encode(), "街".encode(), b"unknown"]
    fresh = edition("apple:蘋果\npear:梨\n")
    service.replace(fresh)
    assert answers(service, b"apple", b"STRASSE", b"pear") == ["蘋果".encode(), b"unknown", "梨".encode()]


def test_a_service_without_a_file_knows_no_word() -> None:
    service = DictionaryService(MemoryDictionary())
    assert answers(service, b"apple") == [b"unknown"]


def test_what_was_asked_is_counted(service: DictionaryService) -> None:
    answers(service, b"apple", b"APPLE", b"pear", b"", b"\xff", b"unknown")
    assert service.counters == {"found": 2, "missed": 2}
    assert service.dropped.total() == 2


def test_the_dictionary_waits_for_nothing(service: DictionaryService) -> None:
    out = Recorder()
    service.deadline_reached(1.0, out)
    assert (service.next_deadline(), out) == (None, [])


@pytest.mark.parametrize("size", [1, 31, 32, 33, 1472, 1473, 65507])
@pytest.mark.parametrize("byte", [b"\x01", b"\xff", b"\x80", b"a", b":", b"\xe8\x8b\xb9"])
def test_junk_of_every_size_is_unknown(service: DictionaryService, size: int, byte: bytes) -> None:
    assert answers(service, (byte * size)[:size]) == [b"unknown"]


@settings(deadline=None, max_examples=200)
@given(
    st.lists(
        st.one_of(
            st.binary(max_size=40),
            st.text().map(str.encode),
            st.sampled_from([b"apple", b"CAFE\xcc\x81", b"\0"]),
        ),
        max_size=8,
    )
)
def test_junk_gets_an_answer_or_silence_and_nothing_else(batch: list[bytes]) -> None:
    words = edition(FRUIT)
    service = DictionaryService(words)
    asked = [text for text in map(text_of, batch) if text not in (b"", b"unknown")]
    heard = answers(service, *batch)
    assert len(heard) == len(asked)
    assert set(heard) <= {b"unknown", *words.entries.values()}
    assert sum(service.counters.values()) == len(asked)
    assert service.dropped.total() == len(batch) - len(asked)


@pytest.mark.parametrize("size", [1, 7, 64, 1 << 20])
@pytest.mark.parametrize(
    ("data", "line"),
    [
        (b"a:b\nbad\n\xff\n\0", 2),
        (b"a:b\n\0\nbad\n\xff\n", 2),
        (b"a:b\n\xff\nbad\n\0", 2),
        (b"a:b\nc:d\nbad\n" + b"x" * (MAX_LINE + 1) + b"\n\xff", 3),
        (b"a:b\nc:d\n" + b"x" * (MAX_LINE + 1) + b"\nbad\n\xff", 3),
        (b"a:b\nbad\n\xe8", 2),
        (b"a:b\n\xe8", 2),
    ],
)
def test_of_several_errors_the_first_one_is_told_wherever_a_block_ends(
    data: bytes, line: int, size: int
) -> None:
    parser = DictionaryParser("file", Rules(strict=True))

    def parse() -> None:
        for start in range(0, len(data), size):
            parser.feed(data[start : start + size])
        parser.end()

    with pytest.raises(DictionaryError, match=f"^file:{line}: "):
        parse()


# The file as a whole.


def refusal(text: str, rules: Rules) -> str:
    """Return why a file is refused; "" if it is not."""
    parser = DictionaryParser("dict.txt", rules)
    parser.feed(text.encode())
    try:
        parser.finish()
    except DictionaryFormatError as error:
        return f"{error}; {error.hint}"
    return ""


@pytest.mark.parametrize(
    ("text", "share"),
    [
        ("a:b\nstray\nstray\n", 2 / 3),
        ("a:b\nstray\n# comment\n\n", 1 / 2),
        ("a b:c\nd-e:f, g\n1,000:h\nyes, sir:i\n", 0),
        ("a\tb:c\nd:e\n", 1 / 2),
        ("a  b:c\nd:e\n", 1 / 2),
        ("a：b:c\nd:e\n", 1 / 2),
        ("a:b\x1bc\nd:e\n", 1 / 2),
        ("[words]\na:b\nc:d\ne:f\ng:h\ni:j\nk:l\nm:n\no:p\nq:r\n", 1 / 2),
        ("a:1 b:2 c:3\n", 1),
        ("a:1 b:2\n", 0),
    ],
)
def test_a_file_is_judged_by_the_share_of_its_lines_that_are_doubtful(text: str, share: float) -> None:
    assert parse([text.encode()]).doubt == share
    assert refusal(text, Rules(max_skipped=share)) == ""
    if share:
        told = refusal(text, Rules(max_skipped=share - 0.01))
        assert told.endswith("; dictionary.max_skipped = 1 has it loaded all the same")


def test_meanings_that_are_cut_are_counted() -> None:
    text = "a:12345678901234567\nb:1234567890123456\nc:苹果苹果苹果\n"
    parser = DictionaryParser("dict.txt", Rules(max_reply=16))
    parser.feed(text.encode())
    [warning] = parser.finish().warnings
    assert warning == "dict.txt: 2 meanings are longer than dictionary.max_reply (16 bytes), and are cut"


@pytest.mark.parametrize(
    ("payload", "heard"),
    [
        (b"unknown".ljust(400, b"\0"), [b"unknown"]),
        (b"unknown\r\n".ljust(500, b"\0"), [b"unknown"]),
        (b"unknown".ljust(399, b"\0"), []),
        (b"unknown".ljust(400, b" "), []),
        (b"unknown\0x".ljust(400, b"\0"), []),
        (b"".ljust(400, b"\0"), []),
    ],
)
def test_a_client_that_pads_is_answered_though_it_asks_for_the_text_of_a_miss(
    service: DictionaryService, payload: bytes, heard: list[bytes]
) -> None:
    assert answers(service, payload) == heard
    assert service.counters["missed"] == len(heard)
