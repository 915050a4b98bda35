"""What a daemon owes the system that it runs on.

| module | contents |
|---|---|
| `sockets`, `control_socket` | binding and adopting sockets |
| `service_manager` | sd_notify(3) and sd_listen_fds(3) |
| `handover` | connections and members, from one process to the next |
| `daemonize`, `pidfile` | detaching, and the file with our number |
| `privileges` | giving up root, and acting for another user |
| `rlimits` | room for descriptors |
"""
