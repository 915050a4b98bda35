"""What the tests of the process floor share."""

from collections.abc import Iterator

import pytest

from netechod.reactor.loop import Loop


@pytest.fixture
def loop() -> Iterator[Loop]:
    loop = Loop()
    yield loop
    loop.close()
