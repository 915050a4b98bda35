"""The watch on a terminal.

| module | contents |
|---|---|
| `table`, `chart` | texts; no I/O |
| `screen` | the terminal itself: it draws, and obeys keys |
"""
