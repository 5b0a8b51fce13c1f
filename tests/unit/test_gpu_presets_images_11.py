"""The gpu preset of chapter 11: one training step of each kind of method at 002's own size of pictures.

Batches are as small as they can be: a picture of 224 pixels in two views takes a second on a CPU.
"""

import math

import pytest
import torch
from learning import one_step

from course_lib.methods.contrastive import CPC, MoCo, SimCLR, SimSiam, SwAV
from course_lib.models import SmallResNet
from course_lib.runtime import settings_for
from course_lib.transforms import MOCO_V2, Views


def network(settings):
    """What the chapter's ``backbone`` makes of network = "resnet"."""
    assert settings["network"] == "resnet"
    return SmallResNet(20, settings["width"], stem_stride=2)


def step(method, settings):
    """Two random pictures."""
    return one_step(method, torch.rand(2, 3, settings["size"], settings["size"]), settings["lr"])


@pytest.mark.slow
def test_chapter_11_compares_views_of_224_pixels():
    settings = settings_for("11", "gpu")
    assert (settings["size"], settings["dim"], settings["queue"]) == (224, 256, 8192)
    assert (settings["temperature"], settings["queue_temperature"], settings["momentum"]) == (0.5, 0.07, 0.999)
    assert settings["queue"] % settings["batch"] == 0
    torch.manual_seed(0)
    views = Views(area=(settings["crop"], 1))
    simclr = SimCLR(network(settings), views, dim=settings["dim"], temperature=settings["temperature"])
    assert step(simclr, settings)["loss"] == pytest.approx(math.log(3), rel=0.5)
    moco = MoCo(
        network(settings),
        Views(**MOCO_V2),
        dim=settings["dim"],
        queue=settings["queue"],
        momentum=settings["momentum"],
        temperature=settings["queue_temperature"],
    )
    assert 0 <= step(moco, settings)["loss"] < math.log(8193) + 1
    assert (moco.queue.shape, int(moco.oldest)) == ((8192, 256), 2)


@pytest.mark.slow
def test_chapter_11_trains_without_negatives_and_on_patches_of_64_pixels():
    settings = settings_for("11", "gpu")
    torch.manual_seed(0)
    views = Views(area=(settings["crop"], 1))
    assert -1 <= step(SimSiam(network(settings), views, dim=settings["dim"]), settings)["loss"] <= 1
    swav = SwAV(network(settings), views, dim=settings["dim"], prototypes=settings["prototypes"])
    assert step(swav, settings)["loss"] == pytest.approx(math.log(3000), rel=0.2)
    cpc = CPC(network(settings), patch=settings["patch"], stride=settings["patch_stride"], ahead=(1, 2))
    assert step(cpc, settings)["loss"] == pytest.approx(math.log(2 * 36), rel=0.5)  # 6 × 6 patches of 224 pixels
