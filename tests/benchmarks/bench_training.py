"""Steps of temporal permutation as the course runs them, against the plain loop in the published form.

Course: `training.fit`, bf16 where the processor has it, channels-last, the CNN looks at each frame once. Plain: fp32,
every real and every shuffled clip through the CNN. Sizes of chapter 21 (laptop); same optimiser and augmentation.
"""

import torch

from course_lib import runtime, training
from course_lib.methods import TemporalPermutation
from course_lib.models import SmallAlexNet
from course_lib.transforms import Augmentation

from .timing import compare

STEPS = 4


def main() -> list[dict]:
    device = torch.device("cpu")
    settings = runtime.settings_for("21", "laptop")
    shape = (settings["batch"], settings["clip_length"], 3, settings["size"], settings["size"])
    clips = torch.rand(shape, generator=torch.Generator().manual_seed(0))
    precision = runtime.choose_precision(device)

    def make(share):
        backbone = SmallAlexNet(settings["width"], settings["features"], image_size=settings["size"])
        augment = Augmentation(brightness=0.2, contrast=0.2)
        return TemporalPermutation(backbone, hidden=settings["hidden"], augment=augment, share_frames=share)

    course, published = make(True), make(False)
    plain_optimiser = torch.optim.AdamW(published.parameters(), lr=1e-3)

    def ours():
        generator = torch.Generator().manual_seed(1)
        options = {"steps": STEPS, "generator": generator, "precision": precision, "progress": False}
        training.fit(course, lambda _: clips, **options)

    def plain():
        generator = torch.Generator().manual_seed(1)
        published.train()
        for _ in range(STEPS):
            loss = published.training_loss(clips, generator)["loss"]
            plain_optimiser.zero_grad()
            loss.backward()
            plain_optimiser.step()

    name = f"{STEPS} training steps, temporal permutation ({precision}), against the plain fp32 loop"
    return [compare(name, ours, plain, aim=1.5, repeats=7)]
