"""What operators and monitors can ask of a running daemon.

| module | contents |
|---|---|
| `server` | the control socket and its protocol |
| `requests` | the requests of netechoctl |
| `run_files` | names in /run that come back |
| `status` | what the daemon is doing, as a value and in words |
| `metrics` | the same numbers as OpenMetrics, over HTTP |
| `status_page` | the same as a page for people |
"""
