"""The realm: several nodes form one chat room over a log that all of them write and read.

It is the node's side of that, without I/O. An engine appends its entries to the log, and reads those of all
nodes.

| module | contents |
|---|---|
| `realm` | the realm as its room, its engine and the operator know it |
| `entry` | an entry of the log: its fields, its lines, and what is refused |
| `log` | what an engine finds and does: ids, the state of a log, the calls that the realm makes |
| `events` | what the operator is told |
| `terms` | what the operator allows, and the counters |
| `questions` | when to ask who is there, and when to answer |
| `sending` | the lines of this node: their numbers, waiting, in flight and kept |
| `appending` | the entries of this node: lines, beats, and its name |
| `receiving` | the lines of the other nodes: gaps, duplicates, epochs |
| `nodes` | the other nodes and their members |
| `names` | the names under which the members of other nodes are shown |
| `reading` | where this node reads, and what it may conclude: leases, ages, entries that do not come back |
| `telling` | what the members here are still to be told |
| `state` | what the next process needs to go on as the same node |
"""
