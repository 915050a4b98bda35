"""Files of other formats: they are told by their first bytes, and named with what makes a dictionary of them.

| module | contents |
|---|---|
| `formats` | formats by the form of their lines |
| `encodings` | encodings by their bytes |
| `advice` | the error about a wrong file, with the command to run |
"""
