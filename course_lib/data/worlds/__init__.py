"""Procedural worlds with known factors: `sport_poses`, `actions`, `arrow`, `gait`, `grasp`, `scenes`, all → `VideoSet`.

Every world is called as ``world(split, videos, length, size, seed, device, **knobs)``; it renders at once, thousands of
64-pixel frames a second, and returns every cause of the picture as a factor. Cards: ``datasets/cards/<world>.md``.
"""

from .actions import actions
from .arrow import arrow
from .gait import gait
from .grasp import grasp
from .scenes import scenes
from .sport_poses import sport_poses

__all__ = ["actions", "arrow", "gait", "grasp", "scenes", "sport_poses"]
