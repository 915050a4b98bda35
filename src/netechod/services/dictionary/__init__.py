"""The dictionary.

| module | contents |
|---|---|
| `service` | the service, and a dictionary in memory |
| `headwords` | the words in order, for searches by prefix and the like |
| `parser`, `memory_parser` | parse the text of a dictionary file |
| `key_value`, `tabfile` | the syntax of its lines |
"""
