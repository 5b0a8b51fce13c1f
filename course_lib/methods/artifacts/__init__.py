"""Feature learning by spotting artifacts (001 chapter 3): autoencoder, damage, repair, discriminator, and a control."""

from .damage_repair import Repair, RepairBlock, draw_mask, drop_features
from .discriminator import ArtifactDiscriminator, mask_loss
from .history import History
from .local_autoencoder import LocalAutoencoder
from .local_detector import LocalDetector
from .spotting import ABLATIONS, BASELINE, Ablation, SpottingArtifacts

__all__ = [
    "ABLATIONS",
    "BASELINE",
    "Ablation",
    "ArtifactDiscriminator",
    "History",
    "LocalAutoencoder",
    "LocalDetector",
    "Repair",
    "RepairBlock",
    "SpottingArtifacts",
    "draw_mask",
    "drop_features",
    "mask_loss",
]
