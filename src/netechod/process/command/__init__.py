"""What remote commands need beside their service.

| module | contents |
|---|---|
| `helper` | the process that runs the programs |
| `keys` | the key file |
| `lint` | warnings about allow-lists that allow more than their author may intend |
"""
