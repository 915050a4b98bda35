"""The benchmark: netechod and its peers side by side, in ratios of neighbouring windows.

Machines are noisy: their speed changes by a factor of two while one watches. So nothing here is measured
alone. A window of netechod is followed by a window of a peer, over and over, and what is reported is the
median of the ratios of such neighbours. The second figure is the server's CPU time per message, because the
generator is Python too and may be what limits the rate.
"""
