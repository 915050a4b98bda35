"""A daemon's status, for tests of the code that shows it or passes it on."""

from netechod.process.control.status import Status

ALL_OFF = Status(
    version="1",
    pid=2,
    uptime=61.7,
    config="",
    listeners=(),
    counters={},
    reports={},
    gauges=(),
    summaries=(),
    log_lost=0,
    last_reload=None,
)
