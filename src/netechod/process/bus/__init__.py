"""The bus as it runs. It is imported only if `bus.url` is set.

| module | contents |
|---|---|
| `node` | this node's part in a realm: built of the configuration, shown to the operator |
| `journal` | the log lines about the bus, with a limit on their number |
"""
