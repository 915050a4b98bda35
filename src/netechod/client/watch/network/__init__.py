"""The probes on the network.

| module | contents |
|---|---|
| `schemes` | the network as the watch sees it: UDP, STAMP and TCP behind one interface |
| `datagrams`, `reflections`, `connections` | the probes of each |
| `names` | names, resolved a few at a time |
"""
