"""`netechoctl dict import`: makes a Tabfile, which the daemon serves, of a dictionary in another format.

| module | contents |
|---|---|
| `run` | the command: reads, merges, writes, and says what it did |
| `sources` | the files and the reader of a source |
| `dictd`, `stardict`, `ecdict`, `cedict`, `lists` | the readers: each yields entries |
| `placed_words` | sorts the words of an index by where their texts are |
| `reading` | opens sources, within bounds; what a reader finds besides the entries |
| `markup`, `cleaning` | take mark-up and control characters out of texts |
| `merging` | makes one entry of each word |
| `writing` | writes the file, whole or not at all |
"""
