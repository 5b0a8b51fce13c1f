"""Draws docs/picture.png, the picture of the README: ``python docs/make_picture.py`` (about a minute on one core).

Left, a real sequence and its shuffled copy. Right, what a network that learned to tell them apart finds: held-out
frames, and the frames of *other* videos whose features are nearest to theirs.
"""

from pathlib import Path

import torch
from matplotlib.patches import FancyArrowPatch

from course_lib import data, evaluation, show, transforms
from course_lib.methods import TemporalPermutation
from course_lib.models import SmallAlexNet
from course_lib.show.images import as_pixels
from course_lib.training import fit

OUT = Path(__file__).with_name("picture.png")
SEED, SIZE, LENGTH, STRIDE, STEPS = 0, 64, 8, 4, 600
WORLD = dict(
    size=SIZE, seed=SEED, length=40, zoom=1.25, background_identity=0.5, camera_drift=0.5, light=0.4, noise=0.01
)
ACTIVITIES = ("long jump", "football kick", "tennis serve")
SHOWN, QUERIES = 4, 3
INK, BLUE, RED = "#222222", show.OKABE_ITO["blue"], show.OKABE_ITO["vermillion"]


def trained(videos):
    """The method of chapter 21 on the training videos, from random weights."""
    torch.manual_seed(SEED)
    augment = transforms.Augmentation(scale=(0.92, 1), brightness=0.15, contrast=0.15, mode="frame")
    method = TemporalPermutation(SmallAlexNet(16, 128, image_size=SIZE), hidden=64, augment=augment)
    batches = data.ClipSampler(videos, batch=12, length=LENGTH, stride=STRIDE)
    fit(method, batches, steps=STEPS, lr=2e-3, generator=torch.Generator().manual_seed(SEED), progress=False)
    return method


def picture(axes, image, colour="white"):
    axes.imshow(as_pixels("image", image, 3), interpolation="nearest")
    axes.set(xticks=[], yticks=[])
    for spine in axes.spines.values():
        spine.set(visible=True, color=colour, linewidth=3)


def place(figure, x, y, side, image, colour="white"):
    """A square picture, ``side`` inches wide, its lower left corner at (x, y) inches."""
    width, height = figure.get_size_inches()
    picture(figure.add_axes((x / width, y / height, side / width, side / height)), image, colour)


def text(figure, x, y, words, size=12, **look):
    width, height = figure.get_size_inches()
    figure.text(x / width, y / height, words, fontsize=size, **{"color": INK, "va": "center", **look})


def main():
    videos = data.load("sport_poses", split="train", videos=120, activities=ACTIVITIES, **WORLD)
    held_out = data.load("sport_poses", split="test", videos=60, activities=ACTIVITIES, **WORLD)
    method = trained(videos)
    draw = torch.Generator().manual_seed(3)
    first = held_out.starts[7] + 2
    clip = held_out.gather(first + STRIDE * torch.arange(LENGTH))
    order = transforms.random_permutations(1, LENGTH, draw)[0]
    features = evaluation.extract(method.features, held_out.frames)
    group = held_out.video_of_frame
    queries = torch.randperm(len(group), generator=draw)[:QUERIES]  # drawn, not picked
    near = evaluation.nearest(features[queries], features, k=SHOWN, query_groups=group[queries], gallery_groups=group)

    figure = show.new_figure("A real and a shuffled sequence, and nearest neighbours", 16, 5.2)
    figure.set_layout_engine("none")
    side, gap, left = 1.02, 0.06, 0.35
    text(figure, left, 4.8, "Which of these was filmed, and which was shuffled?", 19, weight="bold")
    for y, frames, name, dye in ((3.0, clip, "real", BLUE), (1.35, clip[order], "shuffled", RED)):
        text(figure, left, y + side + 0.2, name, 15, color=dye, weight="bold")
        for number, image in enumerate(frames):
            place(figure, left + number * (side + gap), y, side, image, dye)
    end = left + LENGTH * (side + gap) - gap
    text(figure, left, 0.82, "The same eight frames: only their order differs. A network that can tell", 14)
    text(figure, left, 0.5, "the two apart has to look at postures and movement. Nobody labelled anything.", 14)

    start = end + 1.15
    figure.add_artist(
        FancyArrowPatch((end / 16 + 0.012, 2.7 / 5.2), (start / 16 - 0.012, 2.7 / 5.2), arrowstyle="-|>",
                        mutation_scale=28, lw=4, color=INK, transform=figure.transFigure)
    )  # fmt: skip
    text(figure, (end + start) / 2, 3.05, "learn", 14, ha="center", style="italic")
    text(figure, start, 4.8, "What it finds alike", 19, weight="bold")
    for row, query in enumerate(queries.tolist()):
        y = 3.3 - row * (side + 0.14)
        place(figure, start, y, side, held_out.gather(torch.tensor(query)), INK)
        for number, image in enumerate(held_out.gather(near[row])):
            place(figure, start + (number + 1) * (side + gap) + 0.15, y, side, image)
    text(figure, start, 4.45, "frame", 12)
    text(figure, start + side + gap + 0.15, 4.45, "its nearest frames in other videos", 12)
    text(figure, start, 0.6, "People and places it was not trained on.", 14)
    OUT.write_bytes(show.png_bytes(figure, 100))
    print(f"{OUT.name}: {OUT.stat().st_size / 1024:.0f} KB")


if __name__ == "__main__":
    main()
