"""The line being typed on the chat's screen."""

import pytest
from prompt_toolkit.application import create_app_session
from prompt_toolkit.buffer import Buffer
from prompt_toolkit.document import Document
from prompt_toolkit.input import DummyInput
from prompt_toolkit.layout import BufferControl
from prompt_toolkit.layout.processors import TransformationInput
from prompt_toolkit.output import DummyOutput

from netechod.client.chat.render import Fragments, Painter
from netechod.client.chat.screen_ui import PlainEmoji, ScreenUI
from netechod.client.chat.ui import ChatStatus


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


def test_the_prompt_is_rendered_once_after_each_refresh(monkeypatch: pytest.MonkeyPatch) -> None:
    """prompt_toolkit asks for it nine times between Enter and the receipt."""
    rendered: list[int] = []

    def render(painter: Painter) -> Fragments:
        rendered.append(1)
        return [("", "say> ")]

    monkeypatch.setattr(Painter, "prompt", render)
    with create_app_session(input=DummyInput(), output=DummyOutput()):
        screen = ScreenUI("say> ", "localhost:8082", has_colors=False)
        for count in (1, 2):
            screen.refresh(ChatStatus(1, [], None, [], is_away=False, is_leaving=False))
            for _ in range(9):
                assert screen._message() == [("", "say> ")]
            assert len(rendered) == count
