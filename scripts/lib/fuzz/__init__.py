"""The fuzzer's side of tests/fuzz: runs each target in a process of its own under atheris, and reports.

atheris (libFuzzer for Python) instruments our modules as they are imported, so that inputs which reach
something new are noticed. It ends its process, however a run ends: hence one for each target.
"""
