"""The services as they run: each in one file, which `config/listeners.py` names in one row.

| module | contents |
|---|---|
| `running` | the verbs of a running service, and what it is given |
| `datagrams` | a datagram service on its sockets, behind its admission |
| `settings` | rules of admission, as configured |
| `echo_tcp`, `echo_udp`, `dictionary`, `dict`, `chat`, `command`, `metrics` | the services |

No service imports another one, and nothing imports a service: `services.py` finds it by its row.
"""
