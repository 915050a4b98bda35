"""The five models of serving TCP connections, under the same load, in figures and charts.

The load comes from one Python process, so the figures say how the models differ, not how fast the daemon can
be: that is what scripts/bench measures. Nothing is pinned to a processor: processes may use them all.
"""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
