"""Floor 0: what the daemon says. No I/O: bytes, peers and the time come in, answers go to an outbox."""
