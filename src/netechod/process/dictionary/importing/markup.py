"""Mark-up out of texts: HTML, Pango, XDXF and KingSoft's XML become plain lines."""

import html
import re

_CDATA = re.compile(r"<!\[CDATA\[|\]\]>")
_HEADWORD = re.compile(r"<k>[^<]*</k>\s?")  # XDXF repeats the word in front of its meaning
_BREAK = re.compile(
    r"<(?:br|/?(?:p|div|li|tr|dt|dd|h[1-6]|blockquote|ul|ol|table|hr))(?:\s[^<>]*)?/?>", re.IGNORECASE
)
_TAG = re.compile(r"</?[A-Za-z!?][^<>]*>")  # no `<` in it: what looks for its end never looks twice
_BLANKS = re.compile(r"\n(?:[ \t\r]*\n){2,}")


def plain(text: str) -> str:
    """The text without its tags, with a line where the mark-up begins one, and its entities as characters."""
    text = _HEADWORD.sub("", _CDATA.sub("", text))
    text = _TAG.sub("", _BREAK.sub("\n", text))
    return _BLANKS.sub("\n\n", html.unescape(text))
