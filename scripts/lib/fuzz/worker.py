"""One target under atheris: python -m scripts.lib.fuzz.worker TARGET [libFuzzer's arguments]."""

import sys

import atheris

with atheris.instrument_imports(include=["netechod"]):
    from fuzz.target import all_targets

    TARGETS = all_targets()

atheris.Setup(sys.argv[1:], TARGETS[sys.argv[1]])
atheris.Fuzz()
