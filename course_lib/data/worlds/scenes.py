"""`scenes`: single pictures of things made of parts, and of faces. Stands beside ImageNet, STL-10, VOC and CelebA.

A class is a layout of parts; colour, texture, background, light and place are drawn alike for all classes. Backgrounds
have no up or down, so that a turned picture can only be recognised by the thing in it.
Source: the image data of seeds 000 (sections 2, 3.1), 001 (chapters 3, 4) and 002, which this stands in for.
"""

from dataclasses import dataclass, replace

import torch

from ...checks import check_choice, check_positive
from ..videos import VideoSet
from . import scene_textures as textures
from .draws import balanced, check_share, check_world, stream, uniform
from .rasteriser import Shape, capsule, ellipse, polygon, render
from .scene_objects import FACE, OBJECTS, ROLES, TEXTURED, THING, Part, Sketch, face, palette

SPLITS = ("train", "val", "test")
FAMILIES = {"objects": tuple(OBJECTS), "faces": ("face",)}
MOST = 3  # objects in a picture: the layers of one canvas
POOL = 4  # shared backgrounds when background_identity is 0
SIDES = {"objects": (0.70, 0.88), "faces": (0.88, 1.0), "several": (0.36, 0.50)}  # of a thing, shares of the picture
TRIES = 24  # layouts of several objects of which the most spread out is taken


def scenes(
    split: str = "train",
    videos: int = 200,
    length: int = 1,
    size: int = 48,
    seed: int = 0,
    device: torch.device | str = "cpu",
    *,
    family: str = "objects",
    objects: int = 1,
    background_identity: float = 1.0,
    texture_bias: float = 0.0,
    light: float = 0.8,
    noise: float = 0.015,
    tilt: float = 0.12,
) -> VideoSet:
    """Pictures, each a "video" of length 1, balanced over the classes.

    split: "train", "val" or "test" (independent draws). family: "objects" (ten classes) or "faces" (one class, eight
    binary attributes). objects: 1, or up to 3: then each picture holds 1 … ``objects`` smaller things that overlap
    little, as in VOC (family "objects" only). background_identity: 0 four shared backgrounds … 1 each picture its
    own. texture_bias: share of the objects whose texture is given by their class, 0 … 1. light: 0 constant … 1
    strongly different exposure and tint. noise: standard deviation of the sensor's. tilt: radians, at most so much.

    Per video: class, attributes (A,) 0 or 1 (``names["attributes"]``), x, y (centre of the thing's unit square,
    pixels), scale (its side, share of the picture), hue of the body in [0, 1), tilt (radians, clockwise), texture
    (index, 0 plain), background (index of its texture). With several objects these are those of object 1, the one in
    front. Per frame: mask uint8 (size, size), 0 background, k object k (what is seen of it: coverage above one half);
    boxes (O, 4) x0, y0, x1, y1, pixels, around the centres of the outermost pixels of the mask, NaN where there is no
    object; classes (O,), -1 where there is none.
    Same arguments, same bits on the CPU. Raises ValueError naming a bad argument.
    """
    check_world(split, videos, length, size, splits=SPLITS)
    if length != 1:
        raise ValueError(f"length is {length!r}; scenes are single pictures, length 1")
    check_choice("family", family, tuple(FAMILIES))
    if check_positive("objects", objects) > (most := MOST if family == "objects" else 1):
        raise ValueError(f"objects is {objects!r}; it takes 1 … {most} in the family {family!r}")
    for name, value in (("background_identity", background_identity), ("texture_bias", texture_bias)):
        check_share(name, value)
    for name, value in (("light", light), ("noise", noise), ("tilt", tilt)):
        check_positive(name, value, integer=False, zero=True)

    things = _things(stream(seed, "scenes", family, split, "things"), family, videos, objects, texture_bias, tilt)
    camera = textures.camera(stream(seed, "scenes", family, split, "camera"), videos, size, light, noise)
    numbers = _backgrounds(seed, f"{family} {split}", videos, background_identity)
    draw = stream(seed, "scenes", family, split, "colours")
    colours = [palette(draw, thing, textures.background_is_bright(numbers)) for thing in things]
    layers = [
        _Layer.of(stream(seed, "scenes", family, split, "parts", k), thing, paint, family, size)
        for k, (thing, paint) in enumerate(zip(things, colours, strict=True))
    ]
    seen, fills = _covered(layers, videos, size, device)
    mask = _mask(seen)
    numbers, camera = numbers.to(device), camera.to(device)
    fill = [(t["texture"].to(device), t["fill"].to(device), t["ratio"].to(device)) for t in things]

    def develop(picture, frames):
        for k, (kind, own, ratio) in enumerate(fill):
            ink = textures.pattern(kind[frames], own[frames], size, (5.0, 9.0))
            share = fills[frames, k : k + 1].float().div_(255)
            picture = picture * (1 + share * ink * (ratio[frames, :, None, None] - 1))
        return camera(picture, frames)

    shapes = [shape.to(device) for layer in layers[::-1] for shape in layer.shapes]  # object 1 is in front
    frames = render(videos, lambda part: textures.background(numbers[part], size), shapes, develop)
    boxes = _boxes(mask, objects)
    classes = torch.stack([thing["class"] for thing in things], 1)
    first = things[0]
    return VideoSet(
        name="scenes",
        frames=frames,
        starts=torch.arange(videos + 1),
        video={
            **{key: first[key] for key in ("class", "attributes", "scale", "hue", "tilt", "texture")},
            "x": first["x"] * size - 0.5, "y": first["y"] * size - 0.5,
            "background": textures.background_kind(numbers).cpu(),
        },
        frame={"mask": mask, "boxes": boxes, "classes": torch.where(boxes[..., 0].isnan(), -1, classes)},
        names={
            "class": FAMILIES[family], "attributes": THING if family == "objects" else FACE,
            "texture": textures.NAMES, "background": textures.NAMES,
        },
    )  # fmt: skip


def _things(draw, family, videos, objects, bias, tilt):
    """What stands in every picture and where: one dict of factors (V, ...) per object; object 1 is always there."""
    kinds = len(FAMILIES[family])
    present = 1 + balanced(draw, objects, videos)
    place, scale = _layout(draw, family, videos, objects)
    things = []
    for k in range(objects):
        label = balanced(draw, kinds, videos) if k == 0 else torch.randint(kinds, (videos,), generator=draw)
        left = torch.randint(2, (videos,), generator=draw)
        free = torch.randint(1, len(textures.NAMES), (videos,), generator=draw)
        free = free * torch.randint(2, (videos,), generator=draw)
        given = torch.rand(videos, generator=draw) < bias
        texture = torch.where(given, 1 + label % (len(textures.NAMES) - 1), free)
        if family == "faces":
            attributes = torch.randint(2, (videos, len(FACE)), generator=draw)
            left = torch.zeros_like(left)
        else:
            large = scale[:, k] > sum(SIDES[family if objects == 1 else "several"]) / 2
            attributes = torch.stack([texture > 0, left == 1, large], 1).long()
        things.append({
            "class": label, "attributes": attributes, "left": left, "texture": texture,
            "there": (k < present).float(), "x": place[:, k, 0], "y": place[:, k, 1], "scale": scale[:, k],
            "hue": torch.rand(videos, generator=draw), "tilt": tilt * uniform(draw, -1, 1, videos),
            "fill": torch.rand(videos, textures.NUMBERS, generator=draw),
            "ratio": _ratio(draw, videos),
        })  # fmt: skip
    return things


def _layout(draw, family, videos, objects):
    """Centres (V, O, 2) and sides (V, O) of the things' squares, shares of the picture."""
    if objects == 1:
        scale = uniform(draw, *SIDES[family], videos, 1)
        room = 0.9 * (1 - scale) / 2 + (0.02 if family == "faces" else 0.0)
        return 0.5 + room[..., None] * uniform(draw, -1, 1, videos, 1, 2), scale
    scale = uniform(draw, *SIDES["several"], videos, objects)
    room = (1 - scale)[:, None, :, None]
    tries = 0.5 + room * uniform(draw, -0.5, 0.5, videos, TRIES, objects, 2)
    gap = (tries[:, :, :, None] - tries[:, :, None]).abs().amax(-1) + 9.0 * torch.eye(objects)
    reach = (scale[:, :, None] + scale[:, None]) / 2
    best = (gap / reach[:, None]).flatten(2).amin(2).argmax(1)
    return tries[torch.arange(videos), best], scale


def _ratio(draw, videos):
    """What a texture multiplies the colour below it with, (V, 3): darker or brighter, tinted."""
    darker = torch.rand(videos, 1, generator=draw) < 0.5
    strength = torch.where(darker, uniform(draw, 0.35, 0.6, videos, 1), uniform(draw, 1.5, 2.0, videos, 1))
    return strength * uniform(draw, 0.8, 1.2, videos, 3)


@dataclass
class _Layer:
    """One object in every picture: its shapes, whichever class it is of, and which of their rows take the texture."""

    shapes: list[Shape]
    textured: list[torch.Tensor]

    @classmethod
    def of(cls, draw, thing, paint, family, size) -> "_Layer":
        colours = torch.stack([paint[role] for role in ROLES], 1)
        makers = OBJECTS.values() if family == "objects" else [None]
        sketches = []
        for label, make in enumerate(makers):
            rows = ((thing["class"] == label) & (thing["there"] > 0)).nonzero().squeeze(1)
            sketch = Sketch(len(rows), draw)
            if make is None:
                face(sketch, thing["attributes"][rows])
            else:
                make(sketch)
            sketches.append((rows, sketch.parts))
        layer = cls([], [])
        # Classes share shapes: the j-th parts of one kind are one shape, whose rows belong to different classes.
        for j in range(max(len(parts) for _, parts in sketches)):
            kinds = {}
            for rows, parts in sketches:
                if j < len(parts) and len(rows):
                    kinds.setdefault((parts[j].kind, parts[j].numbers.shape[1:]), []).append((rows, parts[j]))
            for group in kinds.values():
                layer._add(group, thing, colours, size)
        return layer

    def _add(self, group: list[tuple[torch.Tensor, Part]], thing, colours, size):
        count = len(colours)
        numbers = torch.zeros(count, *group[0][1].numbers.shape[1:])
        role, shown = torch.zeros(count, dtype=torch.int64), torch.zeros(count)
        for rows, part in group:
            numbers[rows], role[rows], shown[rows] = part.numbers, ROLES.index(part.role), part.shown
        colour = colours[torch.arange(count), role]
        self.shapes.append(_placed(group[0][1].kind, numbers, colour, shown, thing, size))
        self.textured.append(torch.tensor([r in TEXTURED for r in ROLES])[role].float())


def _covered(layers, videos, size, device):
    """What is seen of each object, and of its textured parts: two uint8 (V, O, size, size), 255 full coverage.

    Each object has two channels, three channels are drawn at once as the red, green and blue of a picture.
    """
    ink = torch.eye(2 * len(layers))
    shapes, colours = [], []
    for k in reversed(range(len(layers))):
        for shape, textured in zip(layers[k].shapes, layers[k].textured, strict=True):
            shapes.append(replace(shape, shading=0.0, outline=0.0).to(device))
            colours.append((ink[k] + textured[:, None] * ink[len(layers) + k]).to(device))

    def empty(frames):
        return torch.zeros(frames.stop - frames.start, 3, size, size, device=device)

    canvases = []
    for begin in range(0, len(ink), 3):
        paint = [torch.nn.functional.pad(colour, (0, 2))[:, begin : begin + 3] for colour in colours]
        drawn = [replace(shape, colour=colour) for shape, colour in zip(shapes, paint, strict=True)]
        canvases.append(render(videos, empty, drawn, lambda picture, frames: picture))
    channels = torch.cat(canvases, 1) if len(canvases) > 1 else canvases[0]
    return channels[:, : len(layers)], channels[:, len(layers) : 2 * len(layers)]


def _placed(kind, numbers, colour, shown, thing, size):
    """A part, given in its thing's square, as a shape in the picture: mirrored, tilted, scaled, moved."""
    side = thing["scale"] * size
    mirror = 1.0 - 2.0 * thing["left"]
    cos, sin = thing["tilt"].cos() * side, thing["tilt"].sin() * side
    centre = torch.stack([thing["x"], thing["y"]], 1) * size - 0.5

    def move(points):  # (V, P, 2)
        x, y = points[..., 0] * mirror[:, None], points[..., 1]
        turned = torch.stack([cos[:, None] * x - sin[:, None] * y, sin[:, None] * x + cos[:, None] * y], -1)
        return turned + centre[:, None]

    if kind == "polygon":
        return polygon(move(numbers), colour, opacity=shown, outline=0.35)
    if kind == "limb":
        ends = move(numbers[:, :4].view(-1, 2, 2))
        radii = numbers[:, 4:] * side[:, None]
        return capsule(ends[:, 0], ends[:, 1], radii, colour, opacity=shown, shading=0.4, outline=0.25)
    angle = mirror * numbers[:, 4] + thing["tilt"]
    radii = numbers[:, 2:4] * side[:, None]
    return ellipse(
        move(numbers[:, None, :2])[:, 0], radii, colour, angle=angle, opacity=shown, shading=0.4, outline=0.3
    )


def _backgrounds(seed, split, videos, identity):
    """Uniform numbers (V, BACKGROUND): a picture's own, mixed with those of one of a few shared backgrounds."""
    draw = stream(seed, "scenes", split, "backgrounds")
    own = torch.randn(videos, textures.BACKGROUND, generator=draw)
    shared = torch.randn(POOL, textures.BACKGROUND, generator=stream(seed, "scenes", "shared backgrounds"))
    which = torch.randint(POOL, (videos,), generator=draw)
    return torch.special.ndtr(identity**0.5 * own + (1 - identity) ** 0.5 * shared[which])


def _mask(seen):
    """Which object is seen at each pixel, uint8 (V, H, W), from what is seen of each, uint8 (V, O, H, W)."""
    mask = torch.zeros_like(seen[:, 0], memory_format=torch.contiguous_format)
    for k in range(seen.shape[1]):
        mask[seen[:, k] > 127] = k + 1
    return mask.cpu()


def _boxes(mask, objects):
    """Boxes (V, O, 4) around the pixels of each object, NaN where it has none."""
    seen = mask[:, None] == torch.arange(1, objects + 1)[:, None, None]
    sides = []
    for there in (seen.any(2), seen.any(3)):  # columns, rows
        first = there.float().argmax(2)
        last = there.shape[2] - 1 - there.flip(2).float().argmax(2)
        sides.append(torch.stack([first, last], -1))
    boxes = torch.stack([sides[0][..., 0], sides[1][..., 0], sides[0][..., 1], sides[1][..., 1]], -1).float()
    return torch.where(seen.flatten(2).any(2)[..., None], boxes, float("nan"))
