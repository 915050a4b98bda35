"""The dictionary server protocol, DICT (RFC 2229): the server's side, without I/O.

| module | contents |
|---|---|
| `session` | one connection: lines in, answers out in pieces |
| `commands` | what each command answers |
| `server` | what all connections share |
| `strategies` | the ways to match headwords |
| `catalogue` | the databases, and which of their words a word finds |
| `words` | the words of a command line |
| `text` | the texts and lines of an answer |
"""
