"""Floor 2, beside the process: the clients, independent of the daemon but for the wire rules."""
