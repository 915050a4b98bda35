"""`netechoctl dict import`: foreign dictionaries become a file that the daemon serves.

- `run` is the command: it reads, merges, writes, and says what it did.
- `guess` names what a file looks like by its first kilobytes. It is light, because the daemon calls it too.
- `formats` finds the files of a source and the reader for it.
- `dictd`, `stardict`, `ecdict`, `cedict` and `lists` are the readers: each yields entries.
- `placed_words` sorts words by where their texts lie, `markup` takes mark-up out of texts.
- `reading` opens sources, within bounds, and holds what is found besides the entries.
- `merging` makes one entry of each word. `tabfile` writes the file, whole or not at all.
"""
