"""Indexes that are given back by a thread, which a test has to wait for."""

import threading


def until_given_back() -> None:
    """Wait until every edition that nobody has any more has given its index back."""
    for thread in threading.enumerate():
        if thread.name == "index":
            thread.join()
