"""Backbones and heads; nothing here knows a task."""

from .alexnet import AlexNet, SmallAlexNet, alexnet_classifier
from .autoencoders import ConvDecoder, ConvEncoder
from .c3d import C3D, TemporalBranches
from .cost import cost, largest_tensor
from .fcn import bilinear_upsampling, convolutionalise, fully_convolutional
from .fusion import LRCN, EarlyFusion, LateFusion, SingleFrame, SlowFusion, TemporalPooling
from .gan import Discriminator, Generator
from .i3d import I3D, InflatedFrames, inflate
from .inpainting import Inpainter, PatchDiscriminator
from .receptive_field import ReceptiveField, Window, influence, output_size, receptive_field, windows
from .recurrent import CnnLstm
from .resnet import ResidualBlock, SmallResNet
from .resnet3d import R3D, R2Plus1D, mid_planes
from .segments import TSN, segment_indices
from .two_stream import TemporalStream, TwoStream

__all__ = [
    "C3D",
    "I3D",
    "LRCN",
    "R3D",
    "TSN",
    "AlexNet",
    "CnnLstm",
    "ConvDecoder",
    "ConvEncoder",
    "Discriminator",
    "EarlyFusion",
    "Generator",
    "InflatedFrames",
    "Inpainter",
    "LateFusion",
    "PatchDiscriminator",
    "R2Plus1D",
    "ReceptiveField",
    "ResidualBlock",
    "SingleFrame",
    "SlowFusion",
    "SmallAlexNet",
    "SmallResNet",
    "TemporalBranches",
    "TemporalPooling",
    "TemporalStream",
    "TwoStream",
    "Window",
    "alexnet_classifier",
    "bilinear_upsampling",
    "convolutionalise",
    "cost",
    "fully_convolutional",
    "inflate",
    "influence",
    "largest_tensor",
    "mid_planes",
    "output_size",
    "receptive_field",
    "segment_indices",
    "windows",
]
