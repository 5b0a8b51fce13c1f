"""One file per method; each can be read alone: the source and the idea, the pretext construction, the loss."""

from .temporal_permutation import TemporalPermutation

__all__ = ["TemporalPermutation"]
