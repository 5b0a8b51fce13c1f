"""Procedural worlds with known factors: `sport_poses`, `actions`, `gait`, `grasp`, all → `VideoSet`.

Every world is called as ``world(split, videos, length, size, seed, device, **knobs)``; it renders at once, thousands of
64-pixel frames a second, and returns every cause of the picture as a factor. Cards: ``datasets/cards/<world>.md``.
"""

from .actions import actions
from .gait import gait
from .grasp import grasp
from .sport_poses import sport_poses

__all__ = ["actions", "gait", "grasp", "sport_poses"]
