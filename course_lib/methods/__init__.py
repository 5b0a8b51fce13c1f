"""One file per method; each can be read alone: the source and the idea, the pretext construction, the loss."""

from .autoencoder import Autoencoder
from .gan import GAN, discriminator_loss, generator_loss, gradient_penalty
from .joint_permutation import JointPermutation
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
    "JointPermutation",
    "OrderPrediction",
    "SpatialPermutation",
    "Synchronisation",
    "TemporalPermutation",
    "TemporalTransformations",
    "VAE",
    "discriminator_loss",
    "generator_loss",
    "gradient_penalty",
    "kl_to_standard_normal",
    "reparameterise",
    "still",
]
