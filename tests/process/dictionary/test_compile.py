"""`netechoctl dict compile` as root: the index belongs to the owner of its directory."""

import os
import tempfile
from pathlib import Path

import pytest

from netechod.process.dictionary.compile import compile_dictionary

pytest.importorskip("lmdb")
UNNAMED = 4_000_000_000  # a user id without an entry in passwd(5)


@pytest.mark.root
def test_an_index_is_made_for_a_user_without_a_name() -> None:
    with tempfile.TemporaryDirectory() as name:  # pytest's own directories are closed to other users
        directory = Path(name)
        directory.chmod(0o755)
        (directory / "dict.txt").write_text("a:b\n")
        cache = directory / "cache"
        cache.mkdir()
        os.chown(cache, UNNAMED, UNNAMED)
        overrides = [f"dictionary.file={directory / 'dict.txt'}", f"dictionary.index={cache / 'index'}"]
        child = os.fork()
        if child == 0:
            try:
                list(compile_dictionary(None, overrides, None))
                os._exit(0)
            finally:
                os._exit(1)
        assert os.waitpid(child, 0)[1] == 0
        assert (cache / "index").stat().st_uid == UNNAMED
