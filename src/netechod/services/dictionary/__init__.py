"""The dictionary.

| module | contents |
|---|---|
| `service` | the service, and a dictionary in memory |
| `parser` | parses the text of a dictionary file |
| `headwords` | the words in order, for searches by prefix and the like |
"""
