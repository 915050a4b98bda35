"""The peers in Python: the same services as people write them, on the socket passed as descriptor 3."""
