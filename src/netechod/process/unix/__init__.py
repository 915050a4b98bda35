"""The duties of a daemon towards the system: sockets, service manager, processes, users, limits.

| module | contents |
|---|---|
| `sockets`, `control_socket` | bind and adopt sockets |
| `service_manager` | sd_notify(3) and sd_listen_fds(3) |
| `handover` | passes connections and members to the next process |
| `daemonize`, `pidfile` | detaching, and the file with our process id |
| `privileges` | giving up root, and acting for another user |
| `rlimits` | the limit on descriptors |
"""
