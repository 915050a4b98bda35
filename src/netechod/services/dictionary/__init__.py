"""The dictionary.

| module | contents |
|---|---|
| `service` | the service, and a dictionary in memory |
| `parser` | reads the text of a dictionary file |
"""
