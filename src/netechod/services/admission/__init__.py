"""Protection from abuse: rules, rates and limits per source.

| module | contents |
|---|---|
| `admission` | wraps a datagram service, and drops what must not be answered |
| `loop_guard` | finds datagrams that circulate between two services |
| `networks`, `sources` | parse addresses, and group them by network and by source |
| `rate_limit`, `source_counter` | limits per source: datagrams a second, and places at a time |
| `log_throttle` | limits the warnings about one source |
"""
