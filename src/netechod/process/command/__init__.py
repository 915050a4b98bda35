"""Remote commands as they run.

| module | contents |
|---|---|
| `runtime` | the service with its policy, its runner and its audit lines |
| `helper` | the process that runs the programs |
| `keys` | the key file |
| `lint` | warnings about allow-lists that let through more than they seem to |
"""
