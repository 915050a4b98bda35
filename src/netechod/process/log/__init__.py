"""The logs. A thread writes them, so that the loop never waits for a disk.

| module | contents |
|---|---|
| `writer` | the queue of lines, and the thread that empties it |
| `sinks` | files, standard error and the journal |
| `format` | a record as one line |
"""
