"""A sample of what scripts/torture does: system calls fail, at the start and while it serves."""

import pytest
from torture.__main__ import main

pytestmark = [pytest.mark.system, pytest.mark.timeout(180)]


def test_a_call_that_fails_at_the_start_leaves_a_reason_or_a_daemon_that_serves(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["--only", "start", "--starts", "9", "--jobs", "2"]) == 0, capsys.readouterr()


def test_calls_that_fail_while_it_serves_cost_nobody_more_than_themselves(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["--only", "serve", "--pairs", "9", "--jobs", "2"]) == 0, capsys.readouterr()
