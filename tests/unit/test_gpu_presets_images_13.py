"""The gpu preset of chapter 13: one training step at the seed's own size of networks, pictures and patches.

The batch is as small as it can be: a step of the whole classifier at 64 pixels takes a second or two on a CPU.
"""

from functools import partial

import pytest
import torch
from learning import one_step

from course_lib.methods import ImageTransformations, LimitedContext
from course_lib.models import AlexNet
from course_lib.runtime import settings_for
from course_lib.transforms import RandomWarp

ADAMW = partial(torch.optim.AdamW, betas=(0.5, 0.99), weight_decay=1e-4)  # 001, section 4.2.4


@pytest.mark.slow
def test_chapter_13_trains_three_networks_on_pictures_of_64_pixels():
    """All six classes: an AlexNet with batch norm, patches of 48 pixels, inpainter and discriminator training along."""
    settings = settings_for("13", "gpu")
    size, patch = settings["size"], settings["patch"]
    assert (size, patch, settings["border"], settings["batch"]) == (64, 48, 2, 64)
    torch.manual_seed(0)
    net = AlexNet(settings["features"], image_size=size, groups=2, stride=2, norm="batch")
    context = LimitedContext(patch, border=settings["border"], width=settings["painter_width"], rate=settings["rate"])
    warp = RandomWarp(settings["strength"], settings["points"])
    task = ImageTransformations(net, inpainting=context, warp=warp, resample=True, feedback=settings["feedback"])
    before = {name: part.detach().clone() for name, part in task.named_parameters()}
    parts = one_step(task, torch.rand(2, 3, size, size), settings["lr"], optimiser=ADAMW)
    assert parts.notna().all()
    assert 0.5 < parts["loss"] < 6  # log 6 = 1.8 for six classes
    moved = {name.split(".")[0] for name, part in task.named_parameters() if not torch.equal(part, before[name])}
    assert moved == {"backbone", "classifier", "inpainting"}
    assert all(weight.isfinite().all() for weight in task.parameters())
