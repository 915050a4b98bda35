"""The limit on prompts to a stranger."""

from netechod.services.chat.strangers import MAX_PROMPTED, PROMPT_INTERVAL, Strangers


def test_a_stranger_is_prompted_once_in_the_interval() -> None:
    strangers = Strangers()
    times = (0.0, PROMPT_INTERVAL - 0.1, PROMPT_INTERVAL)
    assert [strangers.may_be_prompted("ann", now) for now in times] == [True, False, True]


def test_beyond_the_limit_the_first_prompted_is_forgotten() -> None:
    strangers = Strangers()
    for number in range(MAX_PROMPTED + 1):
        assert strangers.may_be_prompted(number, 0.0)
    assert not strangers.may_be_prompted(1, 0.0)
    assert strangers.may_be_prompted(0, 0.0)
