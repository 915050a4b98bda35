"""Torture: what works is made to fail, call by call, and the daemon has to cope.

curl's tests fail the k-th fallible call of each test, for every k; here strace(1) fails the daemon's own
system calls, so that nothing in the daemon knows of it.
"""
