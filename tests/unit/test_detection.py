"""Detection: geometry and scores against plain loops, proposals by construction, and a detector that learns."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torchvision.ops import box_iou

from course_lib import evaluation as ev
from course_lib.data.worlds import scenes
from course_lib.evaluation.boxes import mirror_boxes
from course_lib.evaluation.conv_maps import ConvMap
from course_lib.models import AlexNet, SmallAlexNet, SmallResNet
from course_lib.training import fit

NONE = [float("nan")] * 4


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def random_boxes(count, draw, size=40.0):
    corner = torch.rand(count, 2, generator=draw) * size
    return torch.cat([corner, corner + 4 + torch.rand(count, 2, generator=draw) * size / 2], 1)


@pytest.fixture(scope="module")
def pictures():
    return scenes("train", 48, size=32, objects=3)


def truth(videos, rows=slice(None)):
    return videos.frames[rows], videos.frame["boxes"][rows], videos.frame["classes"][rows]


def detector(pictures, *, train=slice(None), test=slice(None), net=None, **options):
    net = net or SmallAlexNet(8, 64, image_size=32)
    options = {"generator": generator(), "steps": 2, "batch": 4} | options
    return ev.finetune_detector(net, *truth(pictures, train), *truth(pictures, test), **options)


# ---- boxes


def test_iou_and_moves_agree_with_torchvision_and_invert_each_other():
    first, second = random_boxes(30, generator(1)), random_boxes(20, generator(2))
    torch.testing.assert_close(ev.paired_iou(first[:, None], second[None]), box_iou(first, second))
    assert ev.paired_iou(first[0], torch.tensor(NONE)) == 0
    moves = ev.encode_boxes(first[:20], second)
    torch.testing.assert_close(ev.decode_boxes(first[:20], moves), second, atol=1e-3, rtol=1e-4)
    # Half a width to the right and twice as high, in units of 0.1 and 0.2.
    moves = ev.encode_boxes(torch.tensor([0.0, 0, 10, 10]), torch.tensor([5.0, -5, 15, 15]))
    torch.testing.assert_close(moves, torch.tensor([5.0, 0.0, 0.0, torch.tensor(2.0).log() / 0.2]))
    assert ev.decode_boxes(first, torch.full((30, 4), 1e6)).isfinite().all()


def test_mirrored_boxes_are_the_boxes_of_mirrored_masks(pictures):
    mask = torch.zeros(1, 20, 32)
    mask[0, 3:9, 4:15] = 1
    turned = mirror_boxes(torch.tensor([[[4.0, 3, 14, 8]]]), torch.tensor([True]), 32)
    rows, columns = mask.flip(-1)[0].nonzero().T
    assert turned.flatten().tolist() == [columns.min(), rows.min(), columns.max(), rows.max()]


def test_proposals_are_labelled_by_their_overlap():
    boxes = torch.tensor([[[4.0, 4, 20, 20], [22, 20, 40, 44]], [[5.0, 5, 30, 17], NONE], [NONE, NONE]])
    classes = torch.tensor([[2, 0], [1, -1], [-1, -1]])
    proposed, labels, targets = ev.proposals(boxes, classes, 200, generator(), (48, 44))
    assert proposed.shape == (3, 200, 4)
    assert proposed.min() >= 0
    assert proposed[..., 2].max() <= 43
    assert proposed[..., 3].max() <= 47
    assert (proposed[..., :2] < proposed[..., 2:]).all()
    for picture in range(3):
        for box, label, target in zip(proposed[picture], labels[picture], targets[picture], strict=True):
            overlaps = box_iou(box[None], boxes[picture].nan_to_num(-9.0))[0]
            best = int(overlaps.argmax())
            if overlaps[best] >= 0.5:
                assert label == classes[picture, best] + 1
                torch.testing.assert_close(ev.decode_boxes(box, target), boxes[picture, best], atol=1e-3, rtol=1e-3)
            else:
                assert label == 0
                assert (target == 0).all()
    assert set(labels[0].tolist()) == {0, 1, 3}
    assert 0.2 < (labels[:2] > 0).float().mean() < 0.7
    again = ev.proposals(boxes, classes, 200, generator(), (48, 44))
    assert all(torch.equal(*pair) for pair in zip(again, (proposed, labels, targets), strict=True))


def test_windows_know_no_truth_and_reach_every_object(pictures):
    grid = ev.windows((32, 32))
    assert len(grid) < 400
    assert grid.min() >= 0
    assert grid.max() <= 31
    boxes = pictures.frame["boxes"][pictures.frame["classes"] >= 0]
    assert box_iou(boxes, grid).amax(1).min() > 0.5
    wide = ev.windows((20, 60))
    assert wide[:, 3].max() <= 19
    assert wide[:, 2].max() > 55


# ---- the map of the convolutions


@pytest.mark.parametrize("enlarge", [1, 2])
@pytest.mark.parametrize("padding", [0, 1])
def test_cells_of_the_map_lie_where_they_look(enlarge, padding):
    conv = nn.Sequential(nn.Conv2d(3, 1, 3, 2, padding), nn.ReLU(), nn.AvgPool2d(2), nn.MaxPool2d(3, 2))
    with torch.no_grad():
        conv[0].weight.fill_(1 / 27)
        conv[0].bias.fill_(1)  # the sum is never negative: the ReLU changes nothing
    seen = ConvMap(conv, enlarge=enlarge)
    ramp = (torch.arange(40.0) / 40).expand(1, 3, 40, 40)
    with torch.no_grad():
        values = seen(ramp) * 20  # undoes the scaling to [-1, 1]
    inside = slice(1, values.shape[-1] - 1)
    columns = torch.arange(values.shape[-1])
    torch.testing.assert_close(seen.cells(values[0, 0, 5])[inside], columns[inside].float(), atol=1e-3, rtol=0)


def test_the_map_of_alexnet_is_conv5():
    seen = ConvMap(AlexNet(64).conv)
    assert (seen.stride, seen.offset, seen.channels) == (16, 17, 256)
    assert seen(torch.zeros(1, 3, 227, 227)).shape == (1, 256, 13, 13)
    with pytest.raises(ValueError, match="ResidualBlock"):
        ConvMap(SmallResNet(8).conv)
    for odd in (nn.Conv2d(3, 4, (3, 5)), nn.Conv2d(3, 4, 3, padding="same")):
        with pytest.raises(ValueError, match="square windows"):
            ConvMap(nn.Sequential(odd, nn.ReLU()))


def test_a_region_holds_what_lies_under_its_box():
    net = SmallAlexNet(4, 8, image_size=32)
    net.conv = nn.Sequential(nn.Conv2d(3, 1, 1), nn.MaxPool2d(2))
    net.fc6, net.map_shape, net.features = nn.Flatten(), (1, 2, 2), 4
    model = ev.FastRCNN(net, 2, enlarge=1).eval()
    with torch.no_grad():
        net.conv[0].weight.copy_(torch.tensor([1.0, 0, 0]).view(1, 3, 1, 1))
        net.conv[0].bias.zero_()
        model.class_head.weight.copy_(torch.eye(4)[:3])
        model.class_head.bias.zero_()
        ramp = (torch.arange(32.0) / 32).expand(1, 3, 32, 32)
        logits, moves = model(ramp, torch.tensor([[[4.0, 4, 12, 20], [10, 3, 14, 5]]]))
    assert moves.shape == (1, 2, 2, 4)
    # The means of the left and right half of each box, in the order of the map: left, right, left.
    torch.testing.assert_close((logits[0] + 1) * 16, torch.tensor([[6.0, 10, 6], [11, 13, 11]]), atol=1e-4, rtol=0)


# ---- mean average precision


def naive_map(found, boxes, classes, iou):
    """VOC's protocol as its evaluation script goes: one detection after the other."""
    result = {}
    for label in sorted({c for row in classes.tolist() for c in row if c >= 0}):
        mine = sorted((row for row in found if row[3] == label), key=lambda row: -row[2])
        taken, hits = set(), []
        for image, box, _, _ in mine:
            best, which = 0.0, None
            for k in range(classes.shape[1]):
                if classes[image, k] == label:
                    overlap = float(box_iou(box[None].double(), boxes[image, k][None].double()))
                    if overlap > best:
                        best, which = overlap, (image, k)
            hits.append(best >= iou and which not in taken)
            if hits[-1]:
                taken.add(which)
        precision = [sum(hits[: n + 1]) / (n + 1) for n in range(len(hits))]
        total = int((classes == label).sum())
        result[label] = sum(max(precision[n:]) for n, hit in enumerate(hits) if hit) / total
    return sum(result.values()) / len(result), result


def score(found, boxes, classes, **options):
    image, box, scores, label = zip(*found, strict=True)
    return ev.detection_map(
        torch.tensor(image), torch.stack(box), torch.tensor(scores), torch.tensor(label), boxes, classes, **options
    )


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 10**6), st.sampled_from([0.3, 0.5, 0.75]))
def test_map_is_that_of_the_naive_protocol(seed, iou):
    draw = generator(seed)
    boxes = random_boxes(15, draw).view(5, 3, 4)
    classes = torch.randint(-1, 3, (5, 3), generator=draw)
    classes[0, 0] = 1
    found = []
    for _ in range(25):
        image, k, label = int(torch.randint(5, (), generator=draw)), int(torch.randint(3, (), generator=draw)), 0
        label = int(classes[image, k]) if torch.rand((), generator=draw) < 0.8 else 1
        box = boxes[image, k] + 3 * torch.rand(4, generator=draw)
        found.append((image, box, float(torch.rand((), generator=draw)), max(label, 0)))
    mean, per_class = score(found, boxes, classes, iou=iou)
    expected, expected_per_class = naive_map(found, boxes, classes, iou)
    assert mean == pytest.approx(expected)
    assert per_class == pytest.approx(expected_per_class)


def test_map_of_cases_by_hand():
    boxes = torch.tensor([[[0.0, 0, 10, 10], [20, 20, 30, 30]], [[0.0, 0, 10, 10], NONE]])
    classes = torch.tensor([[0, 0], [1, -1]])
    right = [(0, boxes[0, 0], 0.9, 0), (0, boxes[0, 1], 0.8, 0), (1, boxes[1, 0], 0.3, 1)]
    assert score(right, boxes, classes) == (1.0, {0: 1.0, 1: 1.0})
    # A second box about the same object is wrong, before or after others; so are other classes and other pictures.
    assert score([*right, (0, boxes[0, 0] + 1, 0.85, 0)], boxes, classes)[1][0] == pytest.approx((1 + 2 / 3) / 2)
    assert score([*right, (0, boxes[0, 0], 0.95, 1), (1, boxes[0, 1], 0.99, 0)], boxes, classes)[1] == pytest.approx(
        {0: 2 / 3, 1: 1 / 2}
    )
    # Where precision never rises again it is the average precision of `ranking`, times the share of objects found.
    hits = torch.tensor([True, True, False, True, False])
    found = [(0, boxes[0, 0] if hit else boxes[0, 1], 0.9 - 0.1 * n, 0) for n, hit in enumerate(hits)]
    one_each = boxes[:1, :1].expand(5, 1, 4), torch.zeros(5, 1, dtype=torch.int64)
    plain = ev.average_precision([row[2] for row in found], hits)
    assert score([(n, *row[1:]) for n, row in enumerate(found)], *one_each)[0] == pytest.approx(float(plain) * 3 / 5)
    # A class that no picture has does not count; nothing found is 0.
    assert score([*right, (0, boxes[0, 0], 0.9, 7)], boxes, classes)[0] == 1.0
    none = torch.zeros(0, dtype=torch.int64)
    assert ev.detection_map(none, torch.zeros(0, 4), torch.zeros(0), none, boxes, classes)[0] == 0.0


def test_map_refuses_what_does_not_fit():
    boxes, classes = torch.tensor([[[0.0, 0, 9, 9]]]), torch.tensor([[0]])
    good = dict(image=[0], boxes=[[0.0, 0, 9, 9]], scores=[0.5], classes=[0], true_boxes=boxes, true_classes=classes)
    for change, message in (
        ({"image": [1]}, "1 pictures"),
        ({"boxes": [[0.0, 0, 9]]}, "boxes is"),
        ({"scores": [float("nan")]}, "NaN"),
        ({"classes": [0, 1]}, "classes has 2"),
        ({"true_classes": torch.tensor([[-1]])}, "some object"),
        ({"true_boxes": boxes[..., [2, 1, 0, 3]]}, "no area"),
        ({"iou": 0.0}, "iou is 0.0"),
    ):
        with pytest.raises(ValueError, match=message):
            ev.detection_map(**good | change)


# ---- training


def test_the_loss_is_that_of_fast_rcnn(pictures):
    net = SmallAlexNet(4, 8, image_size=32)
    model = ev.FastRCNN(net, 10, count=6, flip=False).eval()
    images, boxes, classes = truth(pictures, slice(5))
    parts = model.training_loss((images, boxes, classes), generator(3))
    draw = generator(3)
    torch.rand(5, generator=draw)  # which pictures would be mirrored
    proposed, labels, targets = ev.proposals(boxes, classes, 6, draw, (32, 32))
    logits, moves = model(images, proposed)
    total = 0.0
    for b in range(5):
        for r in range(6):
            total -= logits[b, r].log_softmax(0)[labels[b, r]]
            if labels[b, r] > 0:
                away = (moves[b, r, labels[b, r] - 1] - targets[b, r]).abs()
                total += torch.where(away < 1, away**2 / 2, away - 0.5).sum()
    torch.testing.assert_close(parts["loss"], total / 30)
    assert 0 < parts["box"] < parts["loss"]


def test_a_detector_learns_a_few_pictures_by_heart(pictures):
    few = slice(8)
    net = SmallAlexNet(8, 64, image_size=32)
    before = {name: value.clone() for name, value in net.state_dict().items()}
    result = detector(pictures, train=few, test=few, net=net, steps=160, batch=8, lr=5e-3, flip=False)
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())
    assert result.mean_ap > 0.8
    assert result.curve["loss"].iloc[-10:].mean() < 0.3 * result.curve["loss"].iloc[0]
    found = result.detections
    assert found.boxes.min() >= 0
    assert found.boxes.max() <= 31
    assert set(found.image.tolist()) <= set(range(8))
    mean, _ = ev.detection_map(found.image, found.boxes, found.scores, found.classes, *truth(pictures, few)[1:])
    assert mean == result.mean_ap


def test_same_generator_same_detector_and_other_precisions_work(pictures):
    net = SmallAlexNet(4, 16, image_size=32)
    first, second = (detector(pictures, net=net).model.state_dict() for _ in range(2))
    assert all(torch.equal(value, second[name]) for name, value in first.items())
    rough = detector(pictures, net=net, precision="bf16-mixed")
    assert rough.curve["loss"].notna().all()
    # Pictures without an object are background, in training and in the test.
    empty = torch.full((1, 3, 4), torch.nan), torch.full((1, 3), -1)
    model = ev.FastRCNN(net, 10)
    loss = model.training_loss((pictures.frames[:1], *empty), generator())
    assert loss["box"] == 0
    assert loss["loss"].isfinite()
    fit(model, lambda _: (pictures.frames[:1], *empty), steps=60, lr=1e-2, generator=generator(), progress=False)
    assert len(model.detect(pictures.frames[:1], lowest=0.5).image) == 0


def test_the_detector_refuses_what_does_not_fit(pictures):
    images, boxes, classes = truth(pictures)
    outside, nothing = boxes.clone(), boxes.clone()
    outside[0, 0, 2] = 40.0
    nothing[0, 0] = torch.nan
    odd = classes.clone()
    odd[0, 0] = 11
    good = dict(backbone=SmallAlexNet(4, 8, image_size=32), images=images, boxes=boxes, classes=classes)
    good |= {f"test_{name}": good[name] for name in ("images", "boxes", "classes")} | {"generator": generator()}
    for change, message in (
        ({"boxes": outside}, "boxes reaches outside"),
        ({"test_boxes": nothing}, "test_boxes is NaN"),
        ({"boxes": boxes[:5]}, "they take"),
        ({"boxes": boxes[:5], "classes": classes[:5]}, "boxes has 5 rows; it takes 48"),
        ({"classes": classes.float()}, "classes is torch.float32"),
        ({"test_classes": odd}, r"test_classes has \[11\]"),
        ({"images": images[:0]}, "images"),
        ({"test_images": images.float() * torch.nan}, "test_images"),
        ({"backbone": SmallResNet(8)}, "fc6"),
        ({"batch": 0}, "batch"),
        ({"count": 0}, "count"),
        ({"enlarge": 0}, "enlarge"),
    ):
        with pytest.raises(ValueError, match=message):
            ev.finetune_detector(**good | change)
