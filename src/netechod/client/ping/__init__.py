"""`netecho ping`: how long an echo takes, and what the path does to it."""
