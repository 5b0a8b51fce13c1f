"""The gpu preset of chapter 12: one step of each network at the seed's own size of networks and pictures."""

import math
from functools import partial

import pytest
import torch
from learning import one_step

from course_lib.methods import LocalAutoencoder, SpottingArtifacts
from course_lib.models import AlexNet
from course_lib.runtime import settings_for

step = partial(one_step, optimiser=partial(torch.optim.Adam, betas=(0.5, 0.999)))  # 001, section 3.3.4


@pytest.mark.slow
def test_chapter_12_spots_artifacts_with_alexnet_on_pictures_of_128_pixels():
    settings = settings_for("12", "gpu")
    assert (settings["network"], settings["size"], settings["stages"]) == ("alexnet", 128, 4)
    assert (settings["code_width"], settings["fc6"]) == (32, 4096)
    torch.manual_seed(0)
    images = torch.rand(2, 3, 128, 128)
    autoencoder = LocalAutoencoder(settings["stages"], settings["code_width"])
    assert step(autoencoder, images, settings["code_lr"])["mse"] < 0.3
    assert autoencoder.encode(images).shape == (2, 512, 8, 8)
    backbone = AlexNet(16, image_size=128)  # its own fc6 is not trained here
    options = {name: settings[name] for name in ("drop", "mask_weight", "loss", "fc6")}
    method = SpottingArtifacts(backbone, autoencoder, history=4, **options)
    for (block,) in method.repair.blocks:  # they start at 0, and their first convolutions move from the second step on
        torch.nn.init.normal_(block.residual[-1].weight, std=0.01)
    before = backbone.conv[0].weight.detach().clone()
    parts = step(method, images, settings["lr"])
    assert not torch.equal(before, backbone.conv[0].weight.detach())
    assert parts["class"] == pytest.approx(2 * math.log(2), rel=0.5)
    assert parts["mask"] == pytest.approx(64 * math.log(2), rel=0.5)
