"""Recognising image transformations: what is shown under which label, the feedback to the inpainter, and learning."""

from itertools import combinations

import pytest
import torch
import torch.nn.functional as F
from learning import backbone, held_out_accuracy

from course_lib.data import FrameSampler
from course_lib.data.worlds import scenes
from course_lib.methods import ImageTransformations, LimitedContext
from course_lib.methods.image_transformations import TRANSFORMATIONS
from course_lib.models import SmallAlexNet
from course_lib.training import fit
from course_lib.transforms import RandomWarp

ALL = [chosen for count in (1, 2, 3) for chosen in combinations(TRANSFORMATIONS, count)]


@pytest.fixture
def generator():
    return torch.Generator().manual_seed(0)


def method(transformations=TRANSFORMATIONS, *, copies=50.0, patch=16, net=None, **options):
    torch.manual_seed(0)
    context = LimitedContext(patch, width=4, autoencoding=copies)
    return ImageTransformations(net or backbone(), transformations, inpainting=context, **options)


# --- what is shown
@pytest.mark.parametrize("chosen", ALL, ids="+".join)
def test_classes_of_every_combination(chosen, generator):
    task = method(chosen)
    turned, others = "rotation" in chosen, [one for one in ("warp", "inpainting") if one in chosen]
    assert task.names == ("none", *(("90°", "180°", "270°") if turned else ()), *others)
    assert task.chance == pytest.approx(1 / len(task.names))
    inputs, labels = task.pretext(torch.rand(4, 3, 32, 32, generator=generator), generator)
    assert inputs.shape == (4 * len(task.names), 3, 32, 32)
    assert labels.tolist() == [label for label in range(len(task.names)) for _ in range(4)]
    assert not inputs.requires_grad
    assert task(inputs).shape == (len(inputs), len(task.names))
    assert (task.inpainting is None) == ("inpainting" not in chosen)


def test_inputs_follow_from_the_transformations(generator):
    """Without copies: the images, their quarter turns (counter-clockwise), the warp, the repainted patch."""
    task, images = method(copies=0, warp=RandomWarp(0.2, 3)), torch.rand(4, 3, 32, 32, generator=generator)
    inputs, _ = task.pretext(images, torch.Generator().manual_seed(9))
    draw = torch.Generator().manual_seed(9)
    with torch.no_grad():
        repainted = task.inpainting.transform(images, draw)
    warped = RandomWarp(0.2, 3)(images, draw)
    left = images.transpose(2, 3).flip(2)  # the right column becomes the top row
    upside_down, right = images.flip(2).flip(3), images.transpose(2, 3).flip(3)
    expected = torch.cat([images, left, upside_down, right, warped, repainted])
    torch.testing.assert_close(inputs, expected)


@pytest.mark.parametrize("batch", [6, 7])
def test_half_of_the_plain_and_of_the_turned_images_have_a_copied_patch(batch, generator):
    task, images = method(), torch.rand(batch, 3, 32, 32, generator=generator)
    versions = task.pretext(images, generator)[0].unflatten(0, (6, batch))
    for turn in range(4):
        plain = versions[turn].rot90(-turn, (-2, -1))
        changed = (plain != images).any(1)
        assert changed.flatten(1).any(1).sum() == batch // 2
        for each in changed[changed.flatten(1).any(1)]:
            rows, columns = each.any(1).nonzero()[:, 0], each.any(0).nonzero()[:, 0]
            assert max(rows.max() - rows.min(), columns.max() - columns.min()) < 16
    for chosen, copies in ((("rotation", "warp"), 50.0), (("inpainting",), 0.0)):
        plain = method(chosen, copies=copies).pretext(images, generator)[0][:batch]
        torch.testing.assert_close(plain, images, rtol=0, atol=0)


def test_resampling_moves_all_but_the_warped_images(generator):
    images = torch.rand(4, 3, 32, 32, generator=generator)
    soft = method(("rotation", "warp"), resample=True).pretext(images, generator)[0].unflatten(0, (5, 4))
    assert ((soft[:4] - images).abs().flatten(2).amax(2)[0] > 0.01).all()
    # up to half a pixel: the image is still there, with what is fine in it blurred
    assert (soft[0] - images).abs().mean() < (images.roll(1, 3) - images).abs().mean()
    assert soft[:4].flatten(2).var(2).mean() < images.flatten(1).var(1).mean()


# --- losses
def test_the_loss_is_equation_4_1(generator):
    task, images = method().eval(), torch.rand(3, 3, 32, 32, generator=generator)
    inputs, labels = task.pretext(images, torch.Generator().manual_seed(4))
    parts, total = task.training_loss(images, torch.Generator().manual_seed(4)), 0.0
    for image, label in zip(inputs, labels, strict=True):
        total = total - task(image[None])[0].log_softmax(0)[label]
    torch.testing.assert_close(parts["loss"], total / (6 * 3))


@pytest.mark.parametrize("feedback", [0.0, 1.0, 2.5])
def test_the_inpainter_is_told_how_to_fool_the_classifier(feedback, generator):
    """Its gradient is that of its own loss minus ``feedback`` times Eq. 4.1, taken through one graph."""
    task, images, found = method(feedback=feedback).double(), torch.rand(4, 3, 32, 32, dtype=torch.double), {}
    task.eval()  # spectral norm moves its vectors at every call in training mode
    painter = list(task.inpainting.inpainter.parameters())

    def step(name, loss):
        if name == "inpainter":
            found[name] = torch.autograd.grad(loss, painter)

    task.update(images, torch.Generator().manual_seed(2), step)
    draw, context = torch.Generator().manual_seed(2), task.inpainting
    patches, corners = context.draw(images, draw)
    filled = context.fill(patches, draw)
    repainted = images.clone()
    for row, (top, left) in enumerate(corners.tolist()):
        repainted[row, :, top : top + 16, left : left + 16] = filled[row]
    inputs, labels = task._versions(images, repainted, draw)
    whole = context.losses(patches, filled)["inpainter"] - feedback * F.cross_entropy(task(inputs), labels)
    for one, other in zip(found["inpainter"], torch.autograd.grad(whole, painter), strict=True):
        torch.testing.assert_close(one, other)


@pytest.mark.parametrize(
    ("options", "moves"),
    [
        ({}, {"backbone", "classifier", "inpainter", "discriminator"}),
        ({"frozen": True}, {"backbone", "classifier"}),
        ({"transformations": ("rotation", "warp")}, {"backbone", "classifier"}),
    ],
    ids=["together", "frozen", "no inpainting"],
)
def test_what_trains(options, moves, generator):
    task, images = method(**options), torch.rand(4, 3, 32, 32, generator=generator)
    before = {name: value.clone() for name, value in task.named_parameters()}
    history = fit(task, lambda g: images, steps=2, generator=generator, progress=False, precision="bf16-mixed")
    moved = {name for name, value in task.named_parameters() if not torch.equal(value, before[name])}
    assert {name.removeprefix("inpainting.").split(".")[0] for name in moved} == moves
    parts = {"discriminator", "adversarial", "border", "copy", "inpainter", "detected"} if len(moves) == 4 else set()
    assert set(history.frame.columns) == {"loss", "accuracy", "lr"} | parts
    assert history.frame["loss"].notna().all()


# --- learning
@pytest.mark.parametrize("chosen", [("warp",), ("rotation", "warp", "inpainting")], ids="+".join)
def test_it_overfits_one_batch(chosen, generator):
    images = F.interpolate(torch.rand(4, 3, 8, 8, generator=generator), 32, mode="bilinear")

    def again(draw):
        draw.manual_seed(0)
        return images

    task = method(chosen, frozen=True)
    history = fit(task, again, steps=80, generator=torch.Generator(), lr=1e-2, schedule="constant", progress=False)
    assert history.frame["loss"].iloc[-1] < 0.1


def test_it_beats_chance_on_scenes():
    store, unseen = (scenes(split, count, size=32, family="faces") for split, count in (("train", 96), ("test", 48)))
    task = method(("rotation", "inpainting"), patch=24, net=SmallAlexNet(6, 32, image_size=32))
    batches, tests = (FrameSampler(each, each.video["class"], batch=12) for each in (store, unseen))
    fit(
        task,
        lambda g: batches(g)[0],
        steps=40,
        generator=torch.Generator().manual_seed(1),
        lr=3e-3,
        progress=False,
    )
    accuracy = held_out_accuracy(task.eval(), lambda g: tests(g)[0])
    assert accuracy > task.chance + 0.15, accuracy


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: method(("rotate",)), "Did you mean 'rotation'"),
        (lambda: method("warp"), "transformations is 'warp'"),
        (lambda: method(()), "transformations is"),
        (lambda: method(feedback=-1), "feedback is -1"),
        (lambda: ImageTransformations(backbone()), "inpainting is None"),
        (lambda: method().pretext(torch.rand(2, 3, 32, 24), None), "rotations take square"),
        (lambda: method().pretext(torch.full((2, 3, 32, 32), torch.nan), None), "NaN"),
        (lambda: method().training_loss(torch.rand(2, 3, 8, 8), torch.Generator()), "patches of 16 take"),
    ],
)
def test_bad_input_is_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()
