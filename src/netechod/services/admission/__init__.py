"""Who may be answered, how often, and how many places one source may hold.

| module | contents |
|---|---|
| `admission` | wraps a datagram service: rules, rate, size of answers |
| `loop_guard` | finds datagrams that circulate between two services |
| `networks`, `sources` | parse addresses, and group them by network and by source |
| `rate_limit`, `source_counter` | limits per source: datagrams a second, and places held |
| `log_throttle` | limits the warnings about one source |
"""
