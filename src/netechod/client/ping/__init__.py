"""`netecho ping`: how long an echo takes, and what the path does to it.

- `run` starts a run, and `sweep` a search for the largest payload.
- `prober` is the loop. It sends through `links` (UDP) and `connection` (TCP), and reads keys and signals from
  `user_input`. `several` opens several hosts, and has their table.
- `payload` makes probes and compares answers with them. `tally` counts. Neither does I/O.
- `views` and `json_views` show events. `report` makes the summary.
"""
