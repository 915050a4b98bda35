"""Where keys stand, in whatever way TOML lets people write them."""

import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netechod.process.config.locations import KeyPath, Location, Locations, dotted, leaves, quoted, scan

names = st.text(st.characters(exclude_categories=["Cs"]), max_size=4) | st.sampled_from(
    ["a", "b-1", "7", "a.b", "#"]
)
scalars = st.text(st.characters(exclude_categories=["Cs"])) | st.integers(-9, 9) | st.booleans()
tables: st.SearchStrategy[dict[str, object]] = st.dictionaries(
    names, st.deferred(lambda: scalars | st.lists(scalars, max_size=3) | tables), max_size=3
)


def written(value: object) -> str:
    """The value in TOML, tables inline."""
    if isinstance(value, dict):
        return f"{{{', '.join(f'{quoted(name)} = {written(each)}' for name, each in value.items())}}}"
    if isinstance(value, list):
        return "\n  ".join(["[ # ]", *(f"{written(each)}," for each in value), "]"])
    return quoted(value) if isinstance(value, str) else str(value).lower()


def spot(text: str, path: KeyPath) -> tuple[int, int, str]:
    """Line, column, and what stands there."""
    tomllib.loads(text)
    location = scan(text, "f").get(path)
    assert location is not None
    return location.line, location.column, location.text[location.column - 1 :][: location.width]


@pytest.mark.parametrize(
    ("text", "path", "expected"),
    [
        ("a = 1\nb = 2\n", ("b",), (2, 1, "b")),
        ("# c = 1\n\n  c = 1 # c\n", ("c",), (3, 3, "c")),
        ("[a.b]\nc = 1", ("a", "b", "c"), (2, 1, "c")),
        ("[a.b]\nc = 1", ("a", "b"), (1, 4, "b")),
        ("[ a . 'b' ]\nc = 1", ("a", "b"), (1, 7, "'b'")),
        ("a.b.c = 1", ("a", "b", "c"), (1, 5, "c")),
        ('a . "b.\\u0063" = 1', ("a", "b.c"), (1, 5, '"b.\\u0063"')),
        ("[[a]]\nb = 1\n[[a]]\nb = 2", ("a",), (1, 3, "a")),
        ("a = {b = 1, c.d = [2, {e = 3}]}", ("a", "c", "d"), (1, 15, "d")),
        ("a = {b = 1, c.d = [2, {e = 3}]}", ("a", "c", "d", 1, "e"), (1, 24, "e")),
        ("a = [1, 2.5, 'x,]']\nb = 1", ("a", 2), (1, 14, "'x,]'")),
        ("a = [ # ]\n  1, # 2\n  2,\n]\nb = 1", ("a", 1), (3, 3, "2")),
        ("a = [[1], [2, 3]]", ("a", 1, 1), (1, 15, "3")),
        ('a = """\nb = 3\n"""\nb = 1', ("b",), (4, 1, "b")),
        ('a = """x""\\""""\nb = 1', ("b",), (2, 1, "b")),
        ('a = """x"""""\nb = 1', ("b",), (2, 1, "b")),
        ("a = '''\nb = '3\n'''''\nb = 1", ("b",), (4, 1, "b")),
        ('a = "# \\" b = 2"\nb = 1', ("b",), (2, 1, "b")),
        ("a = 1979-05-27 07:32:00.5-07:00\nb = 1", ("b",), (2, 1, "b")),
        ("a = -1.5e+3\nb = 1", ("b",), (2, 1, "b")),
        ("a.'' = 1\nb = 1", ("a", ""), (1, 3, "''")),
        ("1.5 = 3", ("1", "5"), (1, 3, "5")),
        ("a = [\n  '''x\ny''',\n]", ("a", 0), (2, 3, "'''x")),
    ],
)
def test_a_key_is_found_where_it_stands(text: str, path: KeyPath, expected: tuple[int, int, str]) -> None:
    assert spot(text, path) == expected


@given(tables, tables)
def test_every_key_of_any_file_is_found(top: dict[str, object], section: dict[str, object]) -> None:
    lines = [f"{quoted(name)} = {written(value)} # =" for name, value in top.items() if name != "section"]
    lines += [
        "[section] # ]",
        *(f"\t{dotted((name,))} = {written(value)}" for name, value in section.items()),
    ]
    text = "\n".join(lines)
    locations = scan(text, "f")
    for path, _ in leaves(tomllib.loads(text)):
        location = locations.get(path)
        assert location is not None
        assert location.text == text.split("\n")[location.line - 1]
        name = location.text[location.column - 1 :][: location.width]
        assert tomllib.loads(f"{name} = 0") == {path[-1]: 0}


@given(st.text())
def test_a_quoted_text_is_read_back(text: str) -> None:
    assert tomllib.loads(f"{quoted(text)} = {quoted(text)}") == {text: text}


def test_the_nearest_location_is_that_of_the_closest_thing_around() -> None:
    locations = Locations()
    locations.replace(("a",), Location("f", 1))
    locations.replace(("a", "b"), Location("f", 2))
    assert locations.nearest(("a", "b", "c", 0)) == Location("f", 2)
    assert locations.nearest(("a", "x")) == Location("f", 1)
    assert locations.nearest(("x",)) is None
    assert locations.nearest(()) is None


def test_what_replaces_a_table_replaces_the_locations_below_it() -> None:
    locations = scan("[a]\nb = [1, 2]\nc = 1", "f")
    locations.replace(("a", "b"), Location("--set a.b=3"))
    assert locations.nearest(("a", "b", 1)) == Location("--set a.b=3")
    assert locations.get(("a", "b", 1)) is None
    assert locations.nearest(("a", "c")) == locations.get(("a", "c"))
    assert str(locations.get(("a", "c"))) == "f:3"


def test_a_path_is_written_as_toml_has_it() -> None:
    assert dotted(("command", "allow", "disk use", "argv", 0)) == 'command.allow."disk use".argv[0]'
    assert dotted(("a-b", "c.d")) == 'a-b."c.d"'
    assert str(Location("f", 3)) == "f:3"
    assert str(Location("--set a=1")) == "--set a=1"
