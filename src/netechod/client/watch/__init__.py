"""`netecho watch`: many targets at once, for hours, and what became of each.

| module | contents |
|---|---|
| `run` | puts the parts together |
| `targets` | what is watched: addresses, and files of them |
| `watcher` | the pace, the losses, the events |
| `watched`, `events` | a target and its state; what is told, and whom |
| `network/` | the probes on the network |
| `statistics`, `bands` | what is counted of a target, and over time; no I/O |
| `thresholds` | what is a warning, and the line of a monitoring plugin |
| `recorders` | the forms in which events and probes are written down |
| `commands` | programs that run when a target is lost or back |
| `terminal/` | the table and the charts on a terminal |
| `pages/` | HTTP: metrics, live charts; and reports of recordings |
| `durations` | lengths of time for people |
"""
