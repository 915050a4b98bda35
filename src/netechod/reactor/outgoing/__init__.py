"""Outgoing connections.

| module | contents |
|---|---|
| `dialer` | a connection that is made again when it is lost |
| `tls` | a session within TLS |
"""
