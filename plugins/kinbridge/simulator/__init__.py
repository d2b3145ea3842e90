"""Fictional families, the files that agencies would drop about them, and the truth beside those files.

`simulate` writes everything below one folder. Nothing here reads a partner's data, and nothing here is random
beyond its seed: one seed gives one set of bytes.
"""

from kinbridge.simulator.held import spoil_delivery
from kinbridge.simulator.simulation import SimulationSummary, simulate

__all__ = ["SimulationSummary", "simulate", "spoil_delivery"]
