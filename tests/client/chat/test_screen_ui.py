"""The line being typed on the chat's screen."""

import pytest
from prompt_toolkit.buffer import Buffer
from prompt_toolkit.document import Document
from prompt_toolkit.layout import BufferControl
from prompt_toolkit.layout.processors import TransformationInput

from netechod.client.chat.screen_ui import PlainEmoji


def transformed(text: str) -> tuple[str, list[int], list[int]]:
    """What is shown of a text; where each of its characters is shown; and which each one shown is."""
    control = BufferControl(Buffer())
    made = PlainEmoji().apply_transformation(
        TransformationInput(control, Document(text), 0, lambda at: at, [("", text)], 80, 1)
    )
    shown = "".join(fragment[1] for fragment in made.fragments)
    forth = [made.source_to_display(at) for at in range(len(text) + 1)]
    back = [made.display_to_source(at) for at in range(len(shown) + 1)]
    return shown, forth, back


@pytest.mark.parametrize(
    ("typed", "shown"),
    [("ab👍🏽x1️⃣y", "ab👍x1y"), ("❤️", "❤"), ("🇨🇳", "🇨🇳"), ("plain 你好", "plain 你好")],
)
def test_emoji_sequences_are_shown_with_a_width_that_is_the_same_everywhere(typed: str, shown: str) -> None:
    assert transformed(typed)[0] == shown


def test_the_cursor_stands_where_it_belongs_around_a_sequence() -> None:
    _, forth, back = transformed("a👍🏽b")
    assert forth == [0, 1, 2, 2, 3]
    assert back == [0, 1, 3, 4]
