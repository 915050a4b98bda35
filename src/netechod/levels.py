"""The levels of log lines, by the names that files, configuration and netechoctl use."""

LEVELS = {"DEBUG": 10, "NORMAL": 20, "WARNING": 30, "ERROR": 40, "FATAL": 50}
"""Their numbers are those of the module `logging`, which netechoctl has no time to import.

Not `logging.addLevelName`, which would rename them for every library.
"""
