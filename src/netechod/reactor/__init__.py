"""Floor 1: file descriptors on one thread: the loop, the endpoints and the connections."""
