"""Programs that run as child processes, with a deadline and a limit on their output.

| module | contents |
|---|---|
| `children` | start programs and report their ends |
| `runner`, `channel` | have a helper process run them, and exchange messages with it |
| `matching` | match arguments against regular expressions in the helper, within a limit of CPU time |
| `orphans` | find and kill processes that escaped from their job |
"""
