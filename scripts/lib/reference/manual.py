"""The program behind scripts/make-man: every key of the configuration, out of its model, as mdoc(7)."""

import ast
import re
import sys
from collections.abc import Iterator, Sequence
from inspect import cleandoc, getsource
from itertools import pairwise
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from annotated_types import Ge, Gt, Le, MaxLen, MinLen
from pydantic import BaseModel, ByteSize
from pydantic.fields import FieldInfo

from netechod.process.config.dump import dump
from netechod.process.config.load import Loaded, needs_restart
from netechod.process.config.schema import Config
from netechod.process.config.values import Address
from scripts.lib.reference.files import ROOT, settle

PAGE = Path("packaging", "man", "netechod.toml.5")
FRAME = PAGE.with_name(f"{PAGE.name}.in")
MARK = '.\\" KEYS\n'  # where in the frame the keys go

SCALARS: dict[object, str] = {
    bool: "true or false",
    int: "integer",
    float: "number",
    str: "text",
    Path: "file name",
    ByteSize: "size",
}
LISTS: dict[object, str] = {Address: "addresses", int: "integers", str: "texts"}


def page() -> str:
    """The frame with all sections in it."""
    frame = (ROOT / FRAME).read_text(encoding="utf-8")
    keys = "".join(f"{line}\n" for line in sections(Config, ()))
    return frame.replace(MARK, keys)


def sections(model: type[BaseModel], path: tuple[str, ...]) -> Iterator[str]:
    """A section and those within it. One that only holds others has no heading of its own."""
    parts = {name: field.annotation for name, field in model.model_fields.items()}
    inner = {name: part for name, part in parts.items() if isinstance(part, type) and _is_model(part)}
    if len(inner) < len(parts):
        yield f".Ss [{'.'.join(path)}]"
        yield from text(model.__doc__ or "")
        yield ".Bl -tag -width Ds"
        told = meanings(model)
        for name, field in model.model_fields.items():
            if get_origin(field.annotation) is not dict:  # commands and dictionaries have a section each
                yield from key(".".join(path), name, field, told[name])
        yield ".El"
    for name, part in inner.items():
        yield from sections(part, (*path, name))
    for name, annotation in parts.items():
        if get_origin(annotation) is dict:
            yield from sections(get_args(annotation)[1], (*path, name, "NAME"))


def _is_model(annotation: type) -> bool:
    return issubclass(annotation, BaseModel)


def meanings(model: type[BaseModel]) -> dict[str, str]:
    """Return the docstrings below the fields of a model, by field: those of its bases, too.

    Pydantic can read them as well (`use_attribute_docstrings`), but would do so in each start of the daemon.
    """
    found: dict[str, str] = {}
    for base in reversed(model.__mro__):
        if base.__module__.startswith("netechod."):
            [definition] = ast.parse(getsource(base)).body
            for field, told in pairwise(getattr(definition, "body", ())):
                match field, told:
                    case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(
                        value=ast.Constant(value=str(text))
                    ):
                        found[name] = cleandoc(text)
    return found


def key(section: str, name: str, field: FieldInfo, meaning: str) -> Iterator[str]:
    """One key: its name and kind, what it means, and its default."""
    dotted = f"{section}.{name}"
    waits = needs_restart(section.removesuffix(".NAME") if section.endswith(".NAME") else dotted)
    yield f".It Cm {name} Pq {kind(field)}, {'restart' if waits else 'live'}"
    yield from text(meaning)
    if field.is_required():
        yield "Required."
    elif value := DEFAULTS.get(dotted, "").replace("name.index", "NAME.index"):
        yield "Default:"
        yield quoted(value, ".")


def kind(field: FieldInfo) -> str:
    """Return the type of a value and its bounds, in words."""
    base, limits = unwrapped(field.annotation, field.metadata)
    if get_origin(base) is Literal:
        return f"one of {', '.join(map(str, get_args(base)))}"
    if get_origin(base) is tuple:
        item, of_item = unwrapped(get_args(base)[0], ())
        words = f"list of {LISTS.get(item, 'networks')}{bounds(of_item)}"
        return f"{words}, at least one" if any(isinstance(limit, MinLen) for limit in limits) else words
    return SCALARS[base] + bounds(limits, "characters" if base is str else "")


def unwrapped(annotation: Any, metadata: Sequence[Any]) -> tuple[Any, list[Any]]:  # noqa: ANN401 (types)
    """A type without what is written around it, and everything that is."""
    limits = [
        limit
        for about in metadata
        for limit in (about.metadata if isinstance(about, FieldInfo) else (about,))
    ]
    if get_origin(annotation) is Annotated:
        inner, *about = get_args(annotation)
        base, more = unwrapped(inner, about)
        return base, limits + more
    if get_origin(annotation) in (Union, UnionType) and type(None) in get_args(annotation):
        base, more = unwrapped(get_args(annotation)[0], ())
        return base, limits + more
    return annotation, limits


def bounds(limits: Sequence[Any], unit: str = "") -> str:
    """The bounds among the things that are said about a type; empty when there are none."""
    low = high = ""
    for limit in limits:
        if isinstance(limit, Ge | MinLen):
            low = f"from {_number(limit.ge if isinstance(limit, Ge) else limit.min_length)}"
        elif isinstance(limit, Gt):
            low = f"above {_number(limit.gt)}"
        elif isinstance(limit, Le | MaxLen):
            high = f"to {_number(limit.le if isinstance(limit, Le) else limit.max_length)}"
    return "".join(f" {word}" for word in (low, high, unit if low or high else "") if word)


def _number(value: Any) -> str:  # noqa: ANN401 (annotated_types leaves it open)
    return f"{int(value)}"


def text(prose: str) -> Iterator[str]:
    """Prose as mdoc: a sentence a line, and what stands in backticks quoted."""
    for number, paragraph in enumerate(prose.strip().split("\n\n")):
        if number:
            yield ".Pp"
        for sentence in re.split(r"(?<=\.) ", " ".join(paragraph.split())):
            yield from _marked(sentence)


def _marked(sentence: str) -> Iterator[str]:
    """A sentence, cut where a quotation has to be a line of its own; marks that touch it stay with it."""
    before = ""
    for part in re.split(r"(`[^`]*`[^\w\s`]*)", sentence):
        if part.startswith("`"):
            literal, _, after = part[1:].partition("`")
            if before.endswith("("):
                raise ValueError(f"a parenthesis before a quotation: {sentence}")
            yield quoted(literal, after)
        elif part.strip():
            before = part
            yield escaped(part.strip())


def quoted(literal: str, after: str = "") -> str:
    """A literal text as one argument of a macro, and punctuation behind it."""
    marks = "".join(f" {mark}" for mark in after)
    inner = escaped(literal).replace('"', "\\(dq")
    return f'.Ql "{inner}"{marks}'


def escaped(line: str) -> str:
    """A line without anything that roff would obey (groff_char(7))."""
    line = line.replace("\\", "\\e")
    return f"\\&{line}" if line.startswith((".", "'")) else line


def defaults() -> dict[str, str]:
    """Every key's default as TOML, by its dotted name."""
    section, found = "", {}
    config = Config.model_validate({"dictionary": {"more": {"name": {"file": "/"}}}})
    for line in dump(Loaded(config)).replace("more.name]", "more.NAME]").splitlines():
        if line.startswith("["):
            section = line.strip("[]")
        elif line:
            name, _, value = line.removesuffix("  # default").partition(" = ")
            found[f"{section}.{name}"] = value
    return found


DEFAULTS = defaults()


def main() -> int:
    """Make the page."""
    return settle("scripts/make-man", {PAGE: page()})


if __name__ == "__main__":
    sys.exit(main())
