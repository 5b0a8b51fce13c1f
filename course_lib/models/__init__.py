"""Backbones and heads; nothing here knows a task."""

from .alexnet import AlexNet, SmallAlexNet, alexnet_classifier
from .recurrent import CnnLstm

__all__ = ["AlexNet", "CnnLstm", "SmallAlexNet", "alexnet_classifier"]
