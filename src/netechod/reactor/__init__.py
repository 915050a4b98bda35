"""The event loop and everything that owns a descriptor: one thread, no protocol.

| room or module | contents |
|---|---|
| `loop`, `selectors`, `signals` | wait for descriptors, timers and signals |
| `tasks`, `background` | long work in slices, and work that may wait for a disk on a thread |
| `udp/` | datagrams, received and sent in batches |
| `tcp/` | listening, connections, the models of serving them |
| `outgoing/` | connections that we make, and make again |
| `bus/` | the log of a realm, in Redis or Valkey |
| `jobs/` | programs that run as child processes |
| `counters`, `event_log` | numbers and log lines about peers |
| `process_control` | prctl(2) and the ends of child processes |
| `port_sharing` | leaves a port that other instances go on serving |

The rooms import the loose modules and nothing of one another, but for `bus` and `outgoing`. The process floor
wires them up.
"""
