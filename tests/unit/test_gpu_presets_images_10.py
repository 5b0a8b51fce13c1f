"""The gpu preset of chapter 10: one training step of an AlexNet at the seeds' own size of pictures and tasks."""

import math
from functools import partial

import pytest
import torch
from learning import one_step

from course_lib.methods import SpatialPermutation
from course_lib.methods.image_pretext import (
    AdversarialContextEncoder,
    Colourisation,
    Counting,
    ImageRotation,
    RelativePosition,
)
from course_lib.models import AlexNet, ConvDecoder, Discriminator
from course_lib.runtime import settings_for
from course_lib.transforms import maximal_hamming_set

SETTINGS = settings_for("10", "gpu")
SIZE = SETTINGS["size"]
step = partial(one_step, lr=SETTINGS["lr"])


class Net(torch.nn.Module):
    """The chapter's backbone: an AlexNet whose ``conv`` ends before pool5."""

    def __init__(self):
        super().__init__()
        net = AlexNet(SETTINGS["features"], norm="batch", image_size=SIZE)
        self.conv, self.pool, self.fc6 = net.conv[:-1], net.conv[-1], net.fc6
        self.features, self.image_size, self.map_shape = net.features, SIZE, net.map_shape

    def forward(self, images):
        return self.fc6(self.pool(self.conv(images * 2 - 1)))


@pytest.mark.slow
def test_chapter_10_asks_an_alexnet_about_pieces_of_224_pixels():
    assert (SETTINGS["network"], SIZE, SETTINGS["tile_orders"]) == ("alexnet", 224, 1000)
    torch.manual_seed(0)
    net = Net()
    pieces = {"fc6": 256, "fc7": 512}  # 4096 and 8192 in the preset: a matter of memory
    orders = maximal_hamming_set(SETTINGS["tile_orders"], 9, torch.Generator().manual_seed(0))
    pictures = torch.rand(2, 3, SIZE, SIZE)
    assert step(SpatialPermutation(net, orders, **pieces), pictures)["loss"] == pytest.approx(math.log(1000), rel=0.2)
    position = RelativePosition(net, window=SIZE * 15 // 16, pairs_per_image=1, **pieces)
    assert step(position, pictures)["loss"] == pytest.approx(math.log(8), rel=0.3)
    assert step(Counting(net, size=SIZE, fc6=256), pictures)["count"] >= 0


@pytest.mark.slow
def test_chapter_10_asks_an_alexnet_about_pictures_of_224_pixels():
    torch.manual_seed(0)
    net, pictures = Net(), torch.rand(2, 3, SIZE, SIZE)
    rotation = step(ImageRotation(net, turns_per_image=1), pictures)
    assert rotation["loss"] == pytest.approx(math.log(4), rel=0.6)
    colours = 80 * torch.randn(SETTINGS["colours"], 2)
    found = step(Colourisation(net, colours=colours), pictures)
    assert found["loss"] == pytest.approx(math.log(SETTINGS["colours"]), rel=0.2)


@pytest.mark.slow
def test_chapter_10_fills_a_hole_against_an_adversary():
    torch.manual_seed(0)

    class Painter(ConvDecoder):
        def forward(self, codes):
            return torch.nn.functional.interpolate(super().forward(codes), (SIZE, SIZE))

    width = SETTINGS["painter_width"] // 4  # the whole width takes minutes on a CPU
    judge = torch.nn.Sequential(torch.nn.Upsample((256, 256)), Discriminator(256, width=width, norm="spectral"))
    options = {"weight": SETTINGS["adversary_weight"], "rate": SETTINGS["adversary_rate"]}
    method = AdversarialContextEncoder(Net(), Painter(256, SETTINGS["features"], width=width), judge, **options)
    parts = step(method, torch.rand(2, 3, SIZE, SIZE))
    assert parts["discriminator"] == pytest.approx(2 * math.log(2), rel=0.3)
    assert 0 < parts["error"] < 0.3
