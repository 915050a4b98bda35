"""What a browser or a monitoring system sees of a watch.

| module | contents |
|---|---|
| `server` | HTTP on an address, which is tried again while it is taken |
| `exporter` | the figures as OpenMetrics |
| `live` | the page with charts that live |
| `cards`, `drawing`, `style` | a target as HTML or SVG; no I/O |
| `recording`, `report` | `netecho report`: the same of a recording |
"""
