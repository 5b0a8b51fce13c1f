"""The gpu presets of chapters 20, 22 and 23: one training step at the seeds' own size of networks, pictures and clips.

Batches are as small as they can be: a step of 16 frames of 112 pixels takes seconds on a CPU.
"""

import math
from functools import partial

import pytest
import torch
from learning import one_step

from course_lib import evaluation
from course_lib.methods import (
    JointPermutation,
    OrderPrediction,
    SpatialPermutation,
    TemporalPermutation,
    TemporalTransformations,
)
from course_lib.methods.pretext import PlaybackRate
from course_lib.models import C3D, R3D, AlexNet, R2Plus1D, SmallResNet
from course_lib.runtime import settings_for
from course_lib.transforms import maximal_hamming_set

step = partial(one_step, optimiser=partial(torch.optim.AdamW, betas=(0.9, 0.99)))  # 001, section 5.2.3


@pytest.mark.slow
def test_chapter_20_trains_a_c3d_and_a_resnet_on_clips_of_112_pixels():
    settings = settings_for("20", "gpu")
    size, length = settings["size"], settings["clip_length"]
    assert (size, length) == (112, 16)
    torch.manual_seed(0)
    shape = {"blocks": (1, 1, 1, 1), "dense": 1, "norm": "batch", "clip_length": length, "image_size": size}
    rate = PlaybackRate(C3D(settings["features"], width=settings["width_3d"], **shape), rates=(1, 2), length=length)
    parts = step(rate, torch.rand(1, rate.frames_needed, 3, size, size), settings["lr"])
    assert parts["loss"] == pytest.approx(math.log(2), rel=0.7)
    order = OrderPrediction(SmallResNet(8, settings["width"]))
    parts = step(order, torch.rand(2, 4, 3, size, size), settings["lr"])
    assert parts["loss"] == pytest.approx(math.log(12), rel=0.3)


def test_chapter_22_trains_an_alexnet_on_tiles_and_frames_of_75_pixels():
    """000, section 3.5: a thousand permutations of nine tiles, and of eight frames."""
    settings = settings_for("22", "gpu")
    assert (settings["network"], settings["size"], settings["tile_size"]) == ("alexnet", 75, 75)
    draws = torch.Generator().manual_seed(0)
    torch.manual_seed(0)
    net = AlexNet(settings["features"], image_size=75, stride=2, norm="batch")
    tiles = maximal_hamming_set(settings["tile_orders"], settings["grid"] ** 2, draws)
    frames = maximal_hamming_set(settings["frame_orders"], settings["clip_length"], draws)
    sizes = {name: settings[name] for name in ("tile", "tile_size", "fc6", "fc7")}
    spatial = SpatialPermutation(net, tiles, **sizes, normalise=False)
    method = JointPermutation(spatial, TemporalPermutation(net, hidden=settings["hidden"], permutations=frames))
    side = settings["image_size"]
    batch = torch.rand(2, 3, side, side), torch.rand(2, settings["clip_length"], 3, 75, 75)
    parts = step(method, batch, settings["lr"])
    assert parts["loss"] == pytest.approx(2 * math.log(1000), rel=0.2)


def test_chapter_22_transfers_an_alexnet_at_227_pixels():
    """000, section 3.4.2: two columns, as published; several labels, boxes, masks of Pascal VOC."""
    torch.manual_seed(0)
    net = AlexNet(4096, groups=2, norm="lrn")
    pictures = torch.rand(2, 3, 227, 227)
    labels = torch.rand(2, 20) < 0.1
    assert step(evaluation.Multilabel(net, 20), (pictures, labels), 1e-4)["loss"] == pytest.approx(math.log(2), rel=0.1)
    boxes, classes = torch.tensor([[[30.0, 40, 160, 200]], [[90, 10, 220, 120]]]), torch.tensor([[7], [11]])
    detector = evaluation.FastRCNN(net, 20, count=8)
    parts = step(detector, (pictures, boxes, classes), 1e-4)
    assert parts["loss"] - parts["box"] == pytest.approx(math.log(21), rel=0.2)
    masks = torch.randint(21, (2, 227, 227))
    parts = step(evaluation.FCN(net.conv, 21, hidden=512), (pictures, masks), 1e-4)
    assert parts["loss"] == pytest.approx(math.log(21), rel=0.3)


@pytest.mark.slow
@pytest.mark.parametrize("network", ["c3d", "r3d", "r2plus1d"])
def test_chapter_23_trains_3d_networks_on_videos_of_128_frames(network):
    settings = settings_for("23", "gpu")
    assert (settings["network"], settings["width"], settings["size"]) == ("r2plus1d", 64, 112)
    torch.manual_seed(0)
    small = partial(C3D, 2048, blocks=(1, 1, 1, 1, 1), norm="batch")  # 001's smaller variant
    net = {"c3d": small, "r3d": R3D, "r2plus1d": R2Plus1D}[network](width=settings["width"])
    method = TemporalTransformations(net, ("speed", "random"), max_kappa=settings["max_kappa"])
    parts = step(method, torch.rand(1, settings["length"], 3, 112, 112), settings["lr"])
    assert 1 < parts["loss"] < 6  # 2 log 2 + log 4 = 2.8 if it guessed; batch norm over two clips lets it do worse
