"""Programs that run as child processes, with a deadline and a limit on their output.

| module | contents |
|---|---|
| `children` | run programs, hear of their ends |
| `runner`, `channel` | have another process run them, and speak with it |
| `matching` | match arguments against regular expressions, there, within a limit of CPU time |
| `orphans` | find and kill processes that escaped from their job |
"""
