"""One file per method; each can be read alone: the source and the idea, the pretext construction, the loss."""

from .artifacts import LocalAutoencoder, LocalDetector, SpottingArtifacts
from .autoencoder import Autoencoder
from .gan import GAN, discriminator_loss, generator_loss, gradient_penalty
from .image_transformations import ImageTransformations
from .joint_permutation import JointPermutation
from .limited_context import LimitedContext, paste
from .order_prediction import OrderPrediction
from .spatial_permutation import SpatialPermutation
from .temporal_permutation import TemporalPermutation
from .temporal_probes import BeforeAfter, Synchronisation, still
from .temporal_transformations import TemporalTransformations
from .vae import VAE, kl_to_standard_normal, reparameterise

__all__ = [
    "Autoencoder",
    "BeforeAfter",
    "GAN",
    "ImageTransformations",
    "JointPermutation",
    "LimitedContext",
    "LocalAutoencoder",
    "LocalDetector",
    "OrderPrediction",
    "SpatialPermutation",
    "SpottingArtifacts",
    "Synchronisation",
    "TemporalPermutation",
    "TemporalTransformations",
    "VAE",
    "discriminator_loss",
    "generator_loss",
    "gradient_penalty",
    "kl_to_standard_normal",
    "paste",
    "reparameterise",
    "still",
]
