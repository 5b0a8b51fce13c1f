"""Segmentation: scores against scikit-learn, up-sampling against places in the picture, and a net that learns."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import confusion_matrix, jaccard_score
from torch import nn

from course_lib import evaluation as ev
from course_lib.data.worlds import scenes
from course_lib.models import AlexNet, SmallAlexNet


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.fixture(scope="module")
def pictures():
    videos = scenes("train", 48, size=32, objects=3)
    return videos, ev.class_masks(videos.frame["mask"], videos.frame["classes"])


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 10**6), st.integers(2, 6))
def test_iou_is_that_of_scikit_learn(seed, classes):
    draw = generator(seed)
    truth = torch.randint(-1, classes - 1, (3, 5, 4), generator=draw)  # the last class is never true
    truth[0, 0] = torch.tensor([0, 255, -1, 0])
    predicted = torch.randint(classes, (3, 5, 4), generator=draw)
    counted = (truth >= 0) & (truth != 255)
    mine = ev.class_iou(predicted, truth, classes)
    there = truth[counted].numpy(), predicted[counted].numpy()
    table = torch.tensor(confusion_matrix(*there, labels=range(classes))).double()
    present = (table.sum(0) + table.sum(1)) > 0
    expected = torch.tensor(jaccard_score(*there, labels=present.nonzero().flatten().tolist(), average=None))
    torch.testing.assert_close(mine[present], expected)
    assert mine[~present].isnan().all()
    assert ev.mean_iou(predicted, truth, classes) == pytest.approx(float(expected.mean()))


def test_iou_by_hand_and_bad_labels():
    truth = torch.tensor([[[0, 0], [1, 1]]])
    assert ev.mean_iou(truth, truth, 5) == 1.0
    assert ev.class_iou(torch.zeros_like(truth), truth, 2).tolist() == [0.5, 0.0]
    void = torch.tensor([[[0, 0], [255, 255]]], dtype=torch.uint8)
    assert ev.mean_iou(truth, void, 2) == 1.0
    for predicted, target, message in (
        (truth, truth[0], "one shape"),
        (truth.float(), truth, "float32"),
        (truth + 1, truth, "predicted holds"),
        (truth, truth + 1, "truth holds"),
        (truth, torch.full_like(truth, -1), "no pixel"),
        (truth[:0], truth[:0], "truth"),
    ):
        with pytest.raises(ValueError, match=message):
            ev.mean_iou(predicted, target, 2)


def test_class_masks_give_each_object_its_class(pictures):
    videos, masks = pictures
    numbers, classes = videos.frame["mask"], videos.frame["classes"]
    for row in range(10):
        for k in range(classes.shape[1]):
            assert (masks[row][numbers[row] == k + 1] == classes[row, k] + 1).all()
    assert torch.equal(masks == 0, numbers == 0)
    with pytest.raises(ValueError, match="they take"):
        ev.class_masks(numbers, classes[0])
    with pytest.raises(ValueError, match="masks holds 0 … 3"):
        ev.class_masks(numbers, classes[:, :2])


@pytest.mark.parametrize("enlarge", [1, 2])
@pytest.mark.parametrize("padding", [0, 2])
def test_scores_are_read_where_each_pixel_lies_in_the_map(enlarge, padding):
    conv = nn.Sequential(nn.Conv2d(3, 1, 5, 2, padding), nn.AvgPool2d(2), nn.MaxPool2d(2))
    model = ev.FCN(conv, 1, enlarge=enlarge)
    model.head = nn.Identity()
    with torch.no_grad():
        conv[0].weight.fill_(1 / 75)
        conv[0].bias.zero_()
        ramp = torch.arange(30.0)[:, None] + torch.arange(40.0) / 100
        seen = (model((ramp / 30).expand(1, 3, 30, 40)) + 1) * 15
    assert seen.shape == (1, 1, 30, 40)
    torch.testing.assert_close(seen[0, 0, 7:-7, 7:-7], ramp[7:-7, 7:-7], atol=1e-3, rtol=0)


def test_ignored_pixels_give_neither_loss_nor_gradient(pictures):
    videos, masks = pictures
    model = ev.FCN(SmallAlexNet(4, 8, image_size=32).conv, 11, flip=False).eval()
    images, part = videos.frames[:3], masks[:3].clone()
    part[:, ::2] = -1
    logits = model(images)
    counted = part >= 0
    expected = nn.functional.cross_entropy(logits.permute(0, 2, 3, 1)[counted], part[counted])
    found = model.training_loss((images, part), generator())
    torch.testing.assert_close(found["loss"], expected)
    right = (logits.argmax(1) == part)[counted].float().mean()
    torch.testing.assert_close(found["accuracy"], right)
    assert model.training_loss((images, torch.full_like(part, -1)), generator())["loss"] == 0


def test_mirrored_pictures_keep_their_masks():
    model = ev.FCN(SmallAlexNet(4, 8, image_size=32).conv, 2).eval()
    seen = []
    model.forward = lambda images: seen.append(images) or torch.zeros(len(images), 2, 32, 32)
    images = torch.rand(12, 3, 32, 32, generator=generator())
    masks = (images[:, 0] > 0.5).long()
    loss = nn.functional.cross_entropy
    taken = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            "course_lib.evaluation.segmentation.cross_entropy", lambda x, y, **o: taken.append(y) or loss(x, y, **o)
        )
        model.training_loss((images, masks), generator())
    assert torch.equal((seen[0][:, 0] > 0.5).long(), taken[0])
    assert 0 < (seen[0] != images).flatten(1).any(1).sum() < 12


def finetuned(pictures, net, rows=slice(None), **options):
    videos, masks = pictures
    options = {"generator": generator(), "steps": 2, "batch": 4} | options
    return ev.finetune_segmenter(net, videos.frames[rows], masks[rows], videos.frames[rows], masks[rows], **options)


def test_a_segmenter_learns_a_few_pictures_by_heart(pictures):
    net = SmallAlexNet(8, 64, image_size=32)
    before = {name: value.clone() for name, value in net.state_dict().items()}
    result = finetuned(pictures, net, slice(6), steps=100, batch=6, lr=1e-2, flip=False)
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())
    assert result.mean_iou > 0.7
    assert result.predicted.shape == (6, 32, 32)
    assert result.mean_iou == ev.mean_iou(result.predicted, pictures[1][:6], len(result.class_iou))
    assert result.curve["loss"].iloc[-1] < 0.2 * result.curve["loss"].iloc[0]


def test_same_generator_same_net_and_other_precisions_work(pictures):
    net = SmallAlexNet(4, 8, image_size=32)
    first, second = (finetuned(pictures, net).model.state_dict() for _ in range(2))
    assert all(torch.equal(value, second[name]) for name, value in first.items())
    assert finetuned(pictures, net, precision="bf16-mixed", enlarge=1).curve["loss"].notna().all()
    large = ev.FCN(AlexNet(8).conv, 3, enlarge=1)
    assert large(torch.zeros(1, 3, 227, 200)).shape == (1, 3, 227, 200)


def test_the_segmenter_refuses_what_does_not_fit(pictures):
    videos, masks = pictures
    good = dict(backbone=SmallAlexNet(4, 8, image_size=32), images=videos.frames, masks=masks)
    good |= dict(test_images=videos.frames, test_masks=masks, generator=generator())
    for change, message in (
        ({"masks": masks[:5]}, r"masks is \(5, 32, 32\)"),
        ({"test_masks": masks[:, :5]}, "test_masks is"),
        ({"masks": masks.float()}, "integers"),
        ({"masks": masks - 2}, "masks holds"),
        ({"test_masks": masks + 5}, "test_masks also"),
        ({"masks": torch.zeros_like(masks), "test_masks": torch.zeros_like(masks)}, "two or more"),
        ({"images": videos.frames[:0]}, "images"),
        ({"test_images": videos.frames.float() * torch.nan}, "test_images"),
        ({"backbone": nn.Linear(2, 2)}, "Linear"),
        ({"batch": 0}, "batch"),
        ({"enlarge": 0}, "enlarge"),
    ):
        with pytest.raises(ValueError, match=message):
            ev.finetune_segmenter(**good | change)
