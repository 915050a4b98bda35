"""`netecho ping --stamp`: a Session-Sender (RFC 8762) that tells delays and losses by direction.

`probes`, `numbers` and `directions` do no I/O. `link` is the socket, `report` what is shown.
"""
