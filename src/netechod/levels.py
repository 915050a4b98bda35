"""The levels of log lines, by the names that files, configuration and netechoctl use."""

import logging

LEVELS = {
    "DEBUG": logging.DEBUG,
    "NORMAL": logging.INFO,
    "WARNING": logging.WARNING,
    "ERROR": logging.ERROR,
    "FATAL": logging.CRITICAL,
}
"""Not `logging.addLevelName`, which would rename them for every library."""
