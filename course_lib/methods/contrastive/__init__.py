"""Contrastive and siamese methods on images: one file each, over one set of losses."""

from .cpc import CPC, cut_patches
from .losses import info_nce, info_nce_logits, negative_cosine, nt_xent, nt_xent_logits
from .moco import MoCo
from .npid import NPID, nce
from .siamese import BYOL, SimSiam
from .simclr import SimCLR
from .skeleton import Momentum, TwoViewMethod, mlp
from .swav import SwAV, sinkhorn, swapped_prediction

__all__ = [
    "BYOL",
    "CPC",
    "MoCo",
    "Momentum",
    "NPID",
    "SimCLR",
    "SimSiam",
    "SwAV",
    "TwoViewMethod",
    "cut_patches",
    "info_nce",
    "info_nce_logits",
    "mlp",
    "nce",
    "negative_cosine",
    "nt_xent",
    "nt_xent_logits",
    "sinkhorn",
    "swapped_prediction",
]
