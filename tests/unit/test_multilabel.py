"""Several labels at once: presence by construction, the score against scikit-learn, and a net that learns."""

import pytest
import torch
from sklearn.metrics import average_precision_score
from torch import nn

from course_lib import evaluation as ev
from course_lib.data.worlds import scenes
from course_lib.models import SmallAlexNet


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.fixture(scope="module")
def pictures():
    videos = scenes("train", 60, size=32, objects=3)
    return videos.frames, ev.presence(videos.frame["classes"], 10)


def finetuned(pictures, net, rows=slice(None), **options):
    images, labels = pictures[0][rows], pictures[1][rows]
    options = {"generator": generator(), "steps": 2, "batch": 8} | options
    return ev.finetune_multilabel(net, images, labels, images, labels, **options)


def test_presence_says_which_classes_are_there():
    shown = ev.presence([[2, 0, -1], [1, 1, 1], [-1, -1, -1]], 4)
    assert shown.dtype == torch.bool
    assert shown.int().tolist() == [[1, 0, 1, 0], [0, 1, 0, 0], [0, 0, 0, 0]]
    for classes, count, message in (
        ([[4]], 4, "holds 4"),
        ([[-2]], 4, "takes -1 … 3"),
        ([1, 2], 4, r"\(N, O\)"),
        ([[1.5]], 4, "integers"),
        ([[1]], 0, "count"),
    ):
        with pytest.raises(ValueError, match=message):
            ev.presence(classes, count)


def test_the_loss_is_a_yes_or_no_question_per_class(pictures):
    images, labels = pictures
    model = ev.Multilabel(SmallAlexNet(4, 8, image_size=32), 10, flip=False).eval()
    parts = model.training_loss((images[:9], labels[:9]), generator())
    chance = model(images[:9].float() / 255).sigmoid()
    expected = -torch.where(labels[:9], chance, 1 - chance).log().mean()
    torch.testing.assert_close(parts["loss"], expected)
    assert parts["accuracy"] == ((chance > 0.5) == labels[:9]).float().mean()


def test_a_net_learns_a_few_pictures_by_heart_and_is_scored_as_scikit_learn_does(pictures):
    net = SmallAlexNet(8, 64, image_size=32)
    before = {name: value.clone() for name, value in net.state_dict().items()}
    result = finetuned(pictures, net, steps=80, batch=30, lr=1e-2, flip=False)
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())
    assert result.mean_ap > 0.95
    assert result.curve["loss"].iloc[-1] < 0.3 * result.curve["loss"].iloc[0]
    expected = average_precision_score(pictures[1].numpy(), result.scores.numpy(), average=None)
    torch.testing.assert_close(result.class_ap, torch.tensor(expected))
    assert result.mean_ap == pytest.approx(expected.mean())


def test_learned_features_are_a_better_start_than_random_ones():
    """Nets that have told the objects one by one apart learn to name several faster."""
    one, many, unseen = scenes("train", 400, size=32), *(scenes(s, 300, size=32, objects=2) for s in ("val", "test"))
    torch.manual_seed(0)
    net = SmallAlexNet(8, 64, image_size=32)
    label = one.video["class"]
    taught = ev.finetune(
        net, one.frames, label, one.frames, label, generator=generator(), steps=120, lr=5e-3, keep=None
    )
    scores = [
        ev.finetune_multilabel(
            start, many.frames, ev.presence(many.frame["classes"], 10),
            unseen.frames, ev.presence(unseen.frame["classes"], 10), generator=generator(1), steps=40, lr=3e-3,
        ).mean_ap
        for start in (net, taught.model.backbone)
    ]  # fmt: skip
    assert scores[1] > scores[0] + 0.03


def test_same_generator_same_net_and_the_kept_part_is_kept(pictures):
    net = SmallAlexNet(4, 8, image_size=32)
    first, second = (finetuned(pictures, net).model.state_dict() for _ in range(2))
    assert all(torch.equal(value, second[name]) for name, value in first.items())
    start = net.state_dict()
    for keep, kept in (("conv", False), (None, True)):
        near = finetuned(pictures, net, keep=keep, lr=1e-9).model.backbone.state_dict()
        assert torch.allclose(near["conv.0.weight"], start["conv.0.weight"], atol=1e-6)
        assert torch.allclose(near["fc6.1.weight"], start["fc6.1.weight"], atol=1e-6) == kept
    assert finetuned(pictures, net, precision="bf16-mixed").curve["loss"].notna().all()


def test_multilabel_refuses_what_does_not_fit(pictures):
    images, labels = pictures
    never = labels.clone()
    never[:, 3] = False
    good = dict(backbone=SmallAlexNet(4, 8, image_size=32), images=images, labels=labels)
    good |= dict(test_images=images, test_labels=labels, generator=generator())
    for change, message in (
        ({"labels": labels[:5]}, "labels is"),
        ({"labels": labels.long() * 2}, "0 or 1"),
        ({"labels": labels.float() * torch.nan}, "0 or 1"),
        ({"labels": never}, "labels has no picture with class 3"),
        ({"test_labels": never}, "test_labels has no picture with class 3"),
        ({"test_labels": labels[:, :9]}, "must agree"),
        ({"images": images[:0]}, "images"),
        ({"test_images": images.float() * torch.nan}, "test_images"),
        ({"keep": "stem"}, "keep is 'stem'"),
        ({"batch": 0}, "batch"),
        ({"backbone": nn.Sequential(nn.Flatten(), nn.Linear(3072, 4)), "keep": "conv"}, "keep is 'conv'"),
    ):
        with pytest.raises(ValueError, match=message):
            ev.finetune_multilabel(**good | change)
