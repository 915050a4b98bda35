"""One chat room on three nodes of this machine, for a look."""
