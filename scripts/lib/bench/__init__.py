"""The benchmark: netechod, its peers and references in C side by side, in ratios of neighbouring windows.

Machines are noisy: their speed changes by a factor of two while one watches. So nothing here is measured
alone. A window of netechod is followed by a window of a peer, over and over, and what is reported is the
median of the ratios of such neighbours. The load comes from generators in C, which check every answer; the
second figure is the server's CPU time per message, for where the generator is what limits the rate.
"""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
