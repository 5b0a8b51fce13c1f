"""`scenes`: what it promises of pictures, masks, boxes and factors; and that its classes are told by parts alone."""

import math
from importlib import import_module

import pytest
import torch
from sklearn.linear_model import RidgeClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torchvision.ops import box_iou, masks_to_boxes
from torchvision.transforms.functional import InterpolationMode, affine

from course_lib import data
from course_lib.baselines import hog
from course_lib.data.worlds import scenes
from course_lib.data.worlds.scene_objects import FACE, OBJECTS

KINDS = [{}, {"objects": 3}, {"family": "faces"}]


def pixels(videos):
    return videos.gather(torch.arange(len(videos)))


def score(train, test, features, label):
    """Accuracy of a linear model."""
    model = make_pipeline(StandardScaler(), RidgeClassifier(10.0)).fit(features(train).numpy(), label(train).numpy())
    return model.score(features(test).numpy(), label(test).numpy())


def corners(images, side=6):
    edges = (slice(None, side), slice(-side, None))
    return torch.cat([images[:, :, y, x].flatten(1) for y in edges for x in edges], 1)


def factors(videos):
    return {**videos.video, **videos.frame}


# ---- what every world promises


@pytest.mark.parametrize("knobs", KINDS)
def test_same_arguments_give_the_same_bits(knobs):
    first, second = (scenes("train", 20, size=32, seed=4, **knobs) for _ in range(2))
    assert torch.equal(first.frames, second.frames)
    for name, values in factors(first).items():
        assert torch.equal(values.nan_to_num(-1), factors(second)[name].nan_to_num(-1)), name


@pytest.mark.parametrize("knobs", KINDS)
def test_other_seeds_and_splits_give_other_pictures(knobs):
    first = scenes("train", 12, size=32, **knobs)
    for other in (
        scenes("train", 12, size=32, seed=1, **knobs),
        *(scenes(s, 12, size=32, **knobs) for s in ("val", "test")),
    ):
        difference = (first.frames.int() - other.frames.int()).abs().float().flatten(1).mean(1)
        assert (difference > 5).all()


@pytest.mark.parametrize("knobs", KINDS)
@pytest.mark.parametrize("size", [24, 33, 48])
def test_frames_and_factors_are_what_they_say(knobs, size):
    videos = scenes("test", 30, size=size, **knobs)
    objects = knobs.get("objects", 1)
    assert videos.frames.shape == (30, 3, size, size)
    assert videos.frames.float().std() > 30
    assert (videos.lengths == 1).all()
    for name, names in videos.names.items():
        values = videos.video[name]
        assert values.dtype == torch.int64
        assert 0 <= int(values.min()) <= int(values.max()) < len(names)
    attributes = videos.video["attributes"]
    assert attributes.shape == (30, len(videos.names["attributes"]))
    assert set(attributes.unique().tolist()) <= {0, 1}
    assert videos.frame["mask"].shape == (30, size, size)
    assert videos.frame["mask"].dtype == torch.uint8
    assert videos.frame["mask"].max() <= objects
    assert videos.frame["boxes"].shape == (30, objects, 4)
    assert videos.frame["classes"].shape == (30, objects)
    assert torch.equal(videos.frame["classes"][:, 0], videos.video["class"])
    assert (videos.video["tilt"].abs() <= 0.12).all()
    assert ((videos.video["hue"] >= 0) & (videos.video["hue"] < 1)).all()
    for axis in "xy":
        assert ((videos.video[axis] > 0) & (videos.video[axis] < size - 1)).all()


def test_classes_are_balanced_and_named():
    videos = scenes("train", 205, size=24)
    assert sorted(videos.video["class"].bincount().tolist()) == [20] * 5 + [21] * 5
    assert videos.names["class"] == tuple(OBJECTS)
    faces = scenes("train", 400, size=24, family="faces")
    assert faces.names == {**faces.names, "class": ("face",), "attributes": FACE}
    share = faces.video["attributes"].float().mean(0)
    assert ((share > 0.4) & (share < 0.6)).all()
    assert set(scenes("train", 99, size=24, objects=3).frame["classes"].ge(0).sum(1).bincount().tolist()) == {0, 33}


def test_size_and_camera_do_not_change_the_story():
    small, large = scenes("train", 24, size=32), scenes("train", 24, size=64, light=0.0, noise=0.0)
    for name in ("class", "hue", "tilt", "scale", "texture", "background"):
        assert torch.equal(small.video[name], large.video[name]), name
    there = (small.frame["mask"] > 0)[:, None].float()
    same = torch.nn.functional.avg_pool2d((large.frame["mask"] > 0)[:, None].float(), 2)
    assert (there - same).abs().mean() < 0.03
    shared = scenes("train", 24, size=32, background_identity=0.0)
    assert torch.equal(small.frame["mask"], shared.frame["mask"])


def test_the_catalogue_knows_it():
    videos = data.load("scenes", split="val", videos=5, size=32, seed=2, objects=2)
    assert torch.equal(videos.frames, scenes("val", 5, size=32, seed=2, objects=2).frames)


@pytest.mark.parametrize(
    ("argument", "value"),
    [
        ("split", "validation"),
        ("videos", 0),
        ("length", 2),
        ("size", 8),
        ("family", "cars"),
        ("objects", 0),
        ("objects", 4),
        ("background_identity", 1.5),
        ("texture_bias", -0.1),
        ("light", -1),
        ("noise", "much"),
        ("tilt", -0.1),
    ],
)
def test_bad_arguments_are_named(argument, value):
    with pytest.raises(ValueError, match=f"^{argument} is "):
        scenes(**{"videos": 2, argument: value})


def test_faces_come_alone():
    with pytest.raises(ValueError, match="objects is 2; it takes 1 … 1 in the family 'faces'"):
        scenes(videos=2, family="faces", objects=2)


# ---- masks, boxes, factors


@pytest.mark.parametrize("knobs", KINDS)
def test_boxes_are_tight_around_the_masks(knobs):
    videos = scenes("train", 60, size=48, **knobs)
    mask, boxes, classes = (videos.frame[name] for name in ("mask", "boxes", "classes"))
    for k in range(boxes.shape[1]):
        seen = mask == k + 1
        there = seen.flatten(1).any(1)
        assert torch.equal(there, classes[:, k] >= 0)
        assert boxes[~there, k].isnan().all()
        assert torch.equal(boxes[there, k], masks_to_boxes(seen[there]))


def test_the_mask_is_where_the_picture_is_not_its_background():
    """With four shared backgrounds and a perfect camera, a pixel off the mask has one of four colours."""
    videos = scenes("train", 300, size=48, background_identity=0.0, light=0.0, noise=0.0)
    mask = (videos.frame["mask"] > 0)[:, None].float()
    wide, narrow = torch.nn.functional.max_pool2d(mask, 3, 1, 1), -torch.nn.functional.max_pool2d(-mask, 3, 1, 1)
    frames = videos.frames.permute(0, 2, 3, 1)
    different, total = 0, 0
    for y, x in ((3, 3), (8, 24), (16, 16), (24, 24), (24, 36), (27, 16), (40, 30)):
        known = frames[wide[:, 0, y, x] == 0, y, x].unique(dim=0)
        assert len(known) <= 4
        thing = frames[narrow[:, 0, y, x] == 1, y, x].float()
        different += int((torch.cdist(thing, known.float()).amin(1) > 20).sum())
        total += len(thing)
    assert different > 0.85 * total > 300


def test_factors_say_where_and_how_the_thing_stands():
    """Turned back, moved and scaled by its factors, a picture's mask is that of the same thing upright."""
    straight, tilted = (scenes("train", 40, size=64, tilt=tilt) for tilt in (0.0, 0.7))
    boxes, side = straight.frame["boxes"][:, 0], straight.video["scale"] * 64
    assert ((boxes[:, 2:] - boxes[:, :2]).amax(1) <= 1.06 * side).all()
    assert ((boxes[:, 2:] - boxes[:, :2]).amax(1) >= 0.75 * side).all()
    middle = torch.stack([straight.video["x"], straight.video["y"]], 1)
    assert ((boxes[:, :2] + boxes[:, 2:]) / 2 - middle).abs().max() < 0.16 * 64
    for upright, turned, angle, x, y in zip(
        straight.frame["mask"], tilted.frame["mask"], tilted.video["tilt"], middle[:, 0], middle[:, 1], strict=True
    ):
        moved = affine(
            upright[None], math.degrees(angle), [0, 0], 1.0, [0.0], InterpolationMode.NEAREST,
            center=[float(x) + 0.5, float(y) + 0.5],
        )[0]  # fmt: skip
        both = ((moved > 0) & (turned > 0)).sum() / ((moved > 0) | (turned > 0)).sum()
        assert both > 0.8


def test_facing_left_is_the_mirror_image():
    """Tails and heads: more of a dog's mask lies on the side of its head, at the top."""
    videos = scenes("train", 300, size=48, tilt=0.0)
    dogs = videos.video["class"] == videos.names["class"].index("dog")
    left = videos.video["attributes"][dogs, 1] == 1
    top = torch.stack(
        [
            mask[int(box[1]) : int(box[1] + 0.35 * (box[3] - box[1])), int(box[0]) : int(box[2]) + 1].float().mean(0)
            @ torch.linspace(-1, 1, int(box[2]) - int(box[0]) + 1)
            for mask, box in zip(videos.frame["mask"][dogs], videos.frame["boxes"][dogs, 0], strict=True)
        ]
    )
    assert (top[left] < 0).all()
    assert (top[~left] > 0).all()


def test_several_things_hide_little_of_each_other():
    videos = scenes("train", 300, size=48, objects=3)
    mask, boxes, classes = (videos.frame[name] for name in ("mask", "boxes", "classes"))
    assert set(classes.unique().tolist()) == set(range(-1, 10))
    overlap = torch.stack([box_iou(b, b) - torch.eye(3) for b in boxes.nan_to_num(-9)])
    pairs = overlap[:, [0, 0, 1], [1, 2, 2]]
    both = (classes[:, [0, 0, 1]] >= 0) & (classes[:, [1, 2, 2]] >= 0)
    assert pairs[both].max() < 0.35
    assert (pairs[both] == 0).float().mean() > 0.6
    area = torch.stack([(mask == k).flatten(1).sum(1) for k in (1, 2, 3)], 1)
    assert area[classes >= 0].min() > 20


def test_object_1_is_in_front(monkeypatch):
    """It looks the same whether the others are there or not; they do not."""
    module = import_module("course_lib.data.worlds.scenes")
    draw = module._things

    def alone(*arguments):
        things = draw(*arguments)
        return [things[0], *({**thing, "there": 0 * thing["there"]} for thing in things[1:])]

    together = scenes("train", 100, size=48, objects=3)
    monkeypatch.setattr(module, "_things", alone)
    one = scenes("train", 100, size=48, objects=3)
    assert (one.frame["classes"][:, 1:] == -1).all()
    assert torch.equal(one.frame["mask"] == 1, together.frame["mask"] == 1)
    front = (one.frame["mask"] == 1)[:, None].expand(-1, 3, -1, -1)
    assert (one.frames[front] == together.frames[front]).float().mean() > 0.97  # its edge blends with what is behind


# ---- what may be read from where


@pytest.fixture(scope="module")
def sets():
    return [scenes(split, 1500, size=48) for split in ("train", "test")]


def label(videos):
    return videos.video["class"]


def test_classes_cannot_be_read_from_colour_or_background(sets):
    chance = 0.1 + 4 * (0.1 * 0.9 / 1500) ** 0.5  # four standard errors
    assert score(*sets, lambda videos: pixels(videos).mean((2, 3)), label) < chance
    assert score(*sets, lambda videos: corners(pixels(videos)), label) < chance


def test_classes_can_be_read_from_edges(sets):
    assert score(*sets, lambda videos: hog(pixels(videos), cell=6), label) > 0.85


def test_a_part_of_a_face_tells_how_it_is_turned_and_the_background_does_not():
    def turned(images):
        return torch.cat([images.rot90(k, (2, 3)) for k in range(4)])

    def reached(features, family):
        sets = [turned(pixels(scenes(split, 500, size=48, family=family))) for split in ("train", "test")]
        turns = torch.arange(4).repeat_interleave(500).numpy()
        train, test = (features(images).numpy() for images in sets)
        return RidgeClassifier(10.0).fit(train, turns).score(test, turns)

    def middle(images):
        return hog(images[:, :, 16:32, 16:32], cell=4)

    assert abs(reached(corners, "objects") - 0.25) < 0.05
    assert reached(middle, "objects") < 0.75 < 0.9 < reached(middle, "faces")


@pytest.mark.parametrize("attribute", FACE)
def test_attributes_of_faces_can_be_seen(attribute, faces):
    number = FACE.index(attribute)
    grey = [pixels(videos) for videos in faces]
    grey = [torch.cat([images.flatten(1), hog(images, cell=6)], 1) for images in grey]
    wanted = [videos.video["attributes"][:, number].numpy() for videos in faces]
    # a linear model on pixels and edges together
    model = make_pipeline(StandardScaler(), RidgeClassifier(3000.0)).fit(grey[0].numpy(), wanted[0])
    assert model.score(grey[1].numpy(), wanted[1]) > 0.75


@pytest.fixture(scope="module")
def faces():
    return [
        scenes(split, count, size=48, family="faces", tilt=0.0) for split, count in (("train", 1200), ("test", 400))
    ]


def test_texture_bias_ties_texture_to_class():
    free, tied = (scenes("train", 400, size=24, texture_bias=bias) for bias in (0.0, 1.0))
    assert torch.equal(tied.video["texture"], tied.video["class"] + 1)
    textured = free.video["texture"] > 0
    assert torch.equal(textured.long(), free.video["attributes"][:, 0])
    assert 0.4 < textured.float().mean() < 0.6
    assert (free.video["texture"] == free.video["class"] + 1).float().mean() < 0.12
    half = scenes("train", 400, size=24, texture_bias=0.5)
    assert 0.4 < (half.video["texture"] == half.video["class"] + 1).float().mean() < 0.65


def test_textures_change_the_thing_and_nothing_else():
    free, tied = (scenes("train", 60, size=64, texture_bias=bias, noise=0.0) for bias in (0.0, 1.0))
    changed = (free.frames.int() - tied.frames.int()).abs().amax(1) > 8
    near = torch.nn.functional.max_pool2d((free.frame["mask"] > 0)[:, None].float(), 3, 1, 1)[:, 0] > 0
    assert (changed & ~near).sum() < 0.001 * changed.sum()  # parts thinner than a pixel are not in the mask
    assert changed.flatten(1).any(1).float().mean() > 0.8


def test_background_identity_decides_whether_backgrounds_repeat():
    def different(identity):
        calm = {"light": 0.0, "noise": 0.0, "background_identity": identity}
        return len(corners(scenes("train", 40, size=32, **calm).frames, 3)[:, :27].unique(dim=0))

    assert different(0.0) <= 4 + 4  # some things reach into the corner
    assert different(1.0) == 40
