"""Remote commands as they run.

| module | contents |
|---|---|
| `runtime` | the running service: policy, runner, audit lines |
| `helper` | the process that runs the programs |
| `keys` | the key file |
| `lint` | warnings about allow-lists that allow more than their author may intend |
"""
