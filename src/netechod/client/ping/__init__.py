"""`netecho ping`: how long an echo takes, and what the path does to it.

- `run` starts a run, and `sweep` a search for the largest payload.
- `prober` is the loop. It sends through `links` (UDP, TCP) and reads keys and signals from `user_input`.
- `payload` makes probes and compares answers with them. `tally` counts. Neither does I/O.
- `views` shows events. `report` makes the summary.
"""
