"""The soak: a daemon under mixed load, with one fault after the other, for as long as wanted.

Every byte of every answer is checked while it runs. At the end nothing may be left of all of it: memory,
descriptors, threads and children are what they were after the warm-up, and the daemon's counters say exactly
what was sent.
"""
