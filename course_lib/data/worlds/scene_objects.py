"""What stands in `scenes`: ten things made of parts, and faces. Every part is a tensor over all pictures at once.

Things are drawn in a unit square around (0, 0), x to the right, y down, upright and facing right. Where parts are is
fixed by the class; sizes and places vary a little from picture to picture.
"""

import math
from dataclasses import dataclass, field

import torch

from .draws import hsv, uniform

# What a part can be painted as
ROLES = ("body", "second", "accent", "detail", "light", "dark", "skin", "shade", "hair", "cloth", "iris", "lip", "lens")
TEXTURED = ("body", "second", "cloth")


@dataclass(frozen=True)
class Part:
    """One part in n pictures. kind: "ellipse" (x, y, radius, radius, angle), "limb" (x, y, x, y, radius, radius) or
    "polygon" (K corners). numbers: (n, 5), (n, 6) or (n, K, 2). role: its entry in the palette. shown: (n,) 0 or 1."""

    kind: str
    numbers: torch.Tensor
    role: str
    shown: torch.Tensor


@dataclass
class Sketch:
    """The parts of ``count`` things of one class, the first at the back; ``sketch(low, high)`` draws a number (n,)."""

    count: int
    generator: torch.Generator
    parts: list[Part] = field(default_factory=list)

    def __call__(self, low: float, high: float) -> torch.Tensor:
        return uniform(self.generator, low, high, self.count)

    def ellipse(self, x, y, rx, ry, role, angle=0.0, shown=1.0):
        self._add("ellipse", [x, y, rx, ry, angle], role, shown)

    def limb(self, x0, y0, x1, y1, r0, r1, role, shown=1.0):
        self._add("limb", [x0, y0, x1, y1, r0, r1], role, shown)

    def polygon(self, corners, role, shown=1.0):
        self._add("polygon", [number for corner in corners for number in corner], role, shown)

    def box(self, x0, y0, x1, y1, role, shown=1.0):
        self.polygon([(x0, y0), (x1, y0), (x1, y1), (x0, y1)], role, shown)

    def _add(self, kind, numbers, role, shown):
        columns = [torch.as_tensor(number, dtype=torch.float32).expand(self.count) for number in numbers]
        values = torch.stack(columns, 1)
        values = values.view(self.count, len(numbers) // 2, 2) if kind == "polygon" else values
        shown = torch.as_tensor(shown, dtype=torch.float32).expand(self.count)
        self.parts.append(Part(kind, values, role, shown))


def house(s: Sketch):
    wide, eaves, peak = s(0.30, 0.37), s(-0.06, 0.02), s(-0.08, 0.08)
    s.box(s(0.13, 0.17), -0.44, s(0.23, 0.27), eaves, "accent")
    s.box(-wide, eaves, wide, 0.45, "body")
    s.polygon([(-wide - 0.09, eaves), (peak, s(-0.48, -0.40)), (wide + 0.09, eaves)], "second")
    door = s(-0.08, 0.0)
    s.box(door - 0.065, s(0.16, 0.20), door + 0.065, 0.45, "accent")
    for side in (-1, 1):
        x, y, half = side * wide * 0.62, s(0.13, 0.16), s(0.055, 0.07)
        s.box(x - half, y - half, x + half, y + half, "detail")
    s.ellipse(peak * 0.7, eaves - 0.14, 0.05, 0.05, "detail")


def car(s: Sketch):
    low, top, back = s(0.06, 0.10), s(-0.24, -0.18), s(-0.34, -0.28)
    s.polygon([(back, low), (back + 0.10, top), (0.12, top), (0.27, low)], "body")
    s.polygon(
        [(back + 0.07, low - 0.03), (back + 0.13, top + 0.04), (-0.08, top + 0.04), (-0.08, low - 0.03)], "detail"
    )
    s.polygon([(-0.03, low - 0.03), (-0.03, top + 0.04), (0.10, top + 0.04), (0.20, low - 0.03)], "detail")
    s.limb(-0.37, low + 0.06, 0.37, low + 0.08, s(0.10, 0.12), s(0.09, 0.11), "body")
    s.ellipse(0.43, low + 0.03, 0.035, 0.03, "accent")
    for x in (-0.24, 0.25):
        radius = s(0.105, 0.125)
        s.ellipse(x, low + 0.16, radius, radius, "detail")
        s.ellipse(x, low + 0.16, 0.45 * radius, 0.45 * radius, "accent")


def tree(s: Sketch):
    fir = (s(0, 1) > 0.5).float()
    wide, lean = s(0.045, 0.07), s(-0.03, 0.03)
    s.polygon([(-wide - 0.02, 0.48), (wide + 0.02, 0.48), (lean + wide, 0.0), (lean - wide, 0.0)], "second")
    spread = s(0.9, 1.1)
    for x, y, rx, ry in ((-0.19, 0.02, 0.18, 0.15), (0.19, 0.0, 0.18, 0.15), (0.0, -0.20, 0.25, 0.24)):
        s.ellipse(x * spread + s(-0.02, 0.02), y + s(-0.02, 0.02), rx * spread, ry, "body", shown=1 - fir)
    for x, y in ((-0.14, -0.05), (0.02, -0.24), (0.15, -0.06)):
        s.ellipse(x + s(-0.03, 0.03), y + s(-0.03, 0.03), 0.036, 0.036, "accent", shown=1 - fir)
    for y, half, tall in ((0.22, 0.34, 0.34), (0.04, 0.27, 0.30), (-0.14, 0.20, 0.32)):
        half = half * spread
        s.polygon([(lean - half, y), (lean, y - tall), (lean + half, y)], "body", shown=fir)


def fish(s: Sketch):
    tall, tail = s(0.16, 0.22), s(0.15, 0.21)
    s.polygon([(-0.16, 0.0), (-0.48, -tail), (-0.40, 0.0)], "second")
    s.polygon([(-0.16, 0.0), (-0.40, 0.0), (-0.48, tail)], "second")
    s.polygon([(-0.12, -tall * 0.75), (s(-0.14, -0.06), -tall - s(0.08, 0.14)), (0.20, -tall * 0.7)], "second")
    s.polygon([(0.0, tall * 0.8), (-0.10, tall + s(0.06, 0.10)), (0.12, tall * 0.8)], "second")
    s.ellipse(0.10, 0.0, 0.35, tall, "body")
    s.limb(0.22, -tall * 0.6, 0.20, tall * 0.55, 0.016, 0.016, "accent")
    s.ellipse(0.31, -tall * 0.28, 0.042, 0.042, "light")
    s.ellipse(0.32, -tall * 0.28, 0.022, 0.022, "dark")
    s.ellipse(0.02, 0.03, 0.08, 0.035, "second", angle=s(0.3, 0.8))


def boat(s: Sketch):
    deck, mast = s(0.16, 0.22), s(-0.06, 0.02)
    s.limb(mast, -0.46, mast, deck, 0.018, 0.022, "detail")
    s.polygon([(mast + 0.03, s(-0.42, -0.36)), (s(0.30, 0.38), deck - 0.06), (mast + 0.03, deck - 0.06)], "second")
    s.polygon([(mast - 0.03, s(-0.30, -0.22)), (mast - 0.03, deck - 0.06), (s(-0.34, -0.28), deck - 0.06)], "accent")
    s.polygon([(mast, -0.48), (mast, -0.40), (mast - 0.12, -0.44)], "detail")
    s.polygon([(-0.46, deck), (0.47, deck), (0.32, deck + 0.24), (-0.34, deck + 0.24)], "body")
    for x in (-0.20, 0.0, 0.20):
        s.ellipse(x, deck + 0.10, 0.035, 0.035, "detail")


def cup(s: Sketch):
    rim, foot, base = s(0.24, 0.29), s(0.16, 0.21), s(0.32, 0.36)
    s.ellipse(0.0, base + 0.04, s(0.36, 0.44), 0.055, "second")
    out, thick = s(0.36, 0.40), s(0.034, 0.046)
    for x0, y0, x1, y1 in ((0.22, -0.14, out, -0.13), (out, -0.13, out + 0.01, 0.07), (out + 0.01, 0.07, 0.18, 0.17)):
        s.limb(x0, y0, x1, y1, thick, thick, "body")
    s.polygon([(-rim, -0.28), (rim, -0.28), (foot, base), (-foot, base)], "body")
    band, upper, lower = s(0.0, 0.08), rim - 0.035, rim - 0.05
    s.polygon([(-upper, band - 0.06), (upper, band - 0.06), (lower, band + 0.06), (-lower, band + 0.06)], "accent")
    s.ellipse(0.0, -0.28, rim, 0.075, "body")
    s.ellipse(0.0, -0.275, rim - 0.04, 0.05, "detail")


def dog(s: Sketch):
    back, thick, foot = s(0.0, 0.05), s(0.105, 0.13), 0.44
    s.limb(-0.26, back - 0.02, s(-0.46, -0.40), s(-0.26, -0.16), 0.04, 0.022, "body")
    for x in (-0.17, 0.20):
        s.limb(x, back + 0.06, x + s(-0.02, 0.04), foot - 0.02, 0.05, 0.036, "second")
    for x in (-0.25, 0.12):
        s.limb(x, back + 0.06, x + s(-0.03, 0.03), foot, 0.055, 0.04, "body")
    s.limb(-0.22, back + 0.03, 0.17, back + 0.03, thick, thick, "body")
    head = s(-0.26, -0.20)
    s.limb(0.18, back - 0.02, 0.28, head, 0.10, 0.085, "body")
    s.ellipse(0.42, head + 0.05, 0.075, 0.052, "second")
    s.ellipse(0.30, head, 0.125, 0.105, "body")
    s.ellipse(0.21, head + 0.04, 0.045, s(0.09, 0.12), "second", angle=0.25)
    s.ellipse(0.345, head - 0.025, 0.024, 0.024, "detail")
    s.ellipse(0.475, head + 0.035, 0.026, 0.022, "detail")


def chair(s: Sketch):
    seat, deep, thick = s(0.06, 0.12), s(0.07, 0.10), s(0.026, 0.036)
    left, right = s(-0.30, -0.26), s(0.20, 0.24)
    for x, low in ((left + 0.09, 0.38), (right + 0.09, 0.38)):
        s.limb(x, -0.44, x, low, thick, thick, "second")
    for y in (-0.36, -0.17):
        s.box(left + 0.09, y - 0.06, right + 0.09, y + s(0.03, 0.06), "body")
    back = seat - deep
    s.polygon([(left - 0.02, seat), (left + 0.08, back), (right + 0.11, back), (right + 0.02, seat)], "body")
    s.box(left - 0.02, seat, right + 0.02, seat + 0.06, "accent")
    for x in (left + 0.01, right - 0.01):
        s.limb(x, seat + 0.05, x, 0.46, thick, thick, "second")


def bird(s: Sketch):
    fat, head = s(0.15, 0.19), s(-0.24, -0.18)
    for x in (-0.05, 0.07):
        s.limb(x, 0.16, x + 0.01, 0.42, 0.018, 0.016, "detail")
        s.limb(x + 0.01, 0.43, x + 0.09, 0.43, 0.016, 0.012, "detail")
    s.polygon([(-0.14, 0.0), (-0.48, s(0.02, 0.08)), (-0.46, s(0.14, 0.20)), (-0.14, 0.14)], "second")
    s.ellipse(0.0, 0.06, 0.27, fat, "body", angle=-0.3)
    s.polygon([(0.30, head - 0.04), (s(0.44, 0.49), head + 0.03), (0.30, head + 0.07)], "accent")
    s.ellipse(0.22, head, 0.125, 0.12, "body")
    s.ellipse(-0.07, 0.05, 0.19, s(0.075, 0.10), "second", angle=s(-0.05, 0.35))
    s.ellipse(0.255, head - 0.02, 0.03, 0.03, "detail")


def flower(s: Sketch):
    head, bend, reach = s(-0.20, -0.14), s(-0.04, 0.04), s(0.155, 0.185)
    s.limb(bend, head, 0.0, 0.48, 0.02, 0.028, "second")
    for side in (-1, 1):
        y = s(0.20, 0.36)
        s.ellipse(side * 0.13, y, s(0.12, 0.15), s(0.045, 0.06), "second", angle=-side * s(0.35, 0.6))
    turn = s(0.0, math.pi / 3)
    for petal in range(6):
        angle = turn + petal * math.pi / 3
        s.ellipse(bend + reach * angle.cos(), head + reach * angle.sin(), 0.13, 0.085, "body", angle=angle)
    middle = s(0.085, 0.11)
    s.ellipse(bend, head, middle, middle, "detail")


OBJECTS = {
    "house": house, "car": car, "tree": tree, "fish": fish, "boat": boat, "cup": cup, "dog": dog, "chair": chair,
    "bird": bird, "flower": flower,
}  # fmt: skip
FACE = ("glasses", "smile", "open mouth", "beard", "hat", "long hair", "fringe", "light hair")
THING = ("textured", "facing left", "large")


def face(s: Sketch, attributes: torch.Tensor):
    """Faces with the ``attributes`` (n, 8) of ``FACE``, 0 or 1. "light hair" is a matter of the palette."""
    glasses, smile, mouth_open, beard, hat, long_hair, fringe, _ = attributes.float().unbind(1)
    wide, tall = s(0.225, 0.255), s(0.29, 0.32)
    eyes, apart, mouth = s(-0.06, -0.03), s(0.095, 0.11), s(0.165, 0.19)
    s.limb(-0.20, 0.22, -0.22, -0.08, 0.14, 0.14, "hair", shown=long_hair)
    s.limb(0.20, 0.22, 0.22, -0.08, 0.14, 0.14, "hair", shown=long_hair)
    s.limb(-0.24, 0.58, 0.24, 0.58, 0.16, 0.16, "cloth")
    s.limb(0.0, 0.2, 0.0, 0.42, 0.095, 0.10, "shade")
    s.ellipse(0.0, -0.11, wide + 0.045, tall - 0.01, "hair")
    for side in (-1, 1):
        s.ellipse(side * (wide + 0.005), 0.01, 0.04, 0.065, "shade")
    s.ellipse(0.0, 0.015, wide, tall, "skin")
    s.ellipse(0.0, 0.235, wide - 0.03, 0.115, "hair", shown=beard)
    s.ellipse(-0.06, -0.215, wide * 0.72, 0.085, "hair", angle=-0.3, shown=fringe)
    s.ellipse(0.13, -0.205, wide * 0.40, 0.065, "hair", angle=0.5, shown=fringe)
    for side in (-1, 1):
        s.limb(side * 0.1, eyes, side * wide, eyes - 0.01, 0.014, 0.014, "dark", shown=glasses)
        s.ellipse(side * apart, eyes, 0.088, 0.078, "dark", shown=glasses)
        s.ellipse(side * apart, eyes, 0.066, 0.056, "lens", shown=glasses)
    s.limb(-0.03, eyes - 0.01, 0.03, eyes - 0.01, 0.014, 0.014, "dark", shown=glasses)
    for side in (-1, 1):
        x, brow = side * apart, eyes - s(0.095, 0.11)
        s.ellipse(x, eyes, 0.055, 0.035, "light")
        s.ellipse(x, eyes + 0.002, 0.028, 0.032, "iris")
        s.ellipse(x - 0.010, eyes - 0.012, 0.010, 0.010, "light")
        s.limb(x - 0.055, eyes - 0.022, x + 0.055, eyes - 0.022, 0.010, 0.010, "dark")
        s.limb(x - side * 0.055, brow, x + side * 0.06, brow + 0.008, 0.017, 0.012, "hair")
    s.limb(0.0, eyes + 0.05, 0.0, 0.085, 0.016, 0.028, "shade")
    curve = 0.055 * smile - 0.004 * (1 - smile)
    half = 0.075 + 0.03 * smile
    s.ellipse(0.0, mouth + 0.35 * curve + 0.018, 0.8 * half, 0.05, "dark", shown=mouth_open)
    s.ellipse(0.0, mouth + 0.35 * curve + 0.040, 0.45 * half, 0.022, "lip", shown=mouth_open)
    for side in (-1, 1):
        s.limb(side * half, mouth - 0.3 * curve, side * 0.45 * half, mouth + 0.45 * curve, 0.014, 0.018, "lip")
    s.limb(-0.45 * half, mouth + 0.45 * curve, 0.45 * half, mouth + 0.45 * curve, 0.018, 0.018, "lip")
    s.box(-0.21, -0.47, 0.21, -0.23, "cloth", shown=hat)
    s.box(-0.21, -0.29, 0.21, -0.23, "dark", shown=hat)
    s.limb(-0.34, -0.21, 0.34, -0.21, 0.035, 0.035, "cloth", shown=hat)


def palette(draw: torch.Generator, thing: dict, bright_behind: torch.Tensor) -> dict[str, torch.Tensor]:
    """Colours (V, 3) of every role, for things with the factors ``thing``: dark before bright backgrounds, and
    bright before dark ones."""
    count = len(bright_behind)

    def paint(hue, saturation, low, high):
        value = torch.where(bright_behind, low, high) + uniform(draw, -0.1, 0.1, count)
        return hsv(hue % 1, uniform(draw, *saturation, count), value)

    def number():
        return torch.rand(count, generator=draw)

    detail = paint(number(), (0.05, 0.4), 0.85, 0.13)  # windows, wheels, eyes: against the body
    tone = number()[:, None]
    skin = torch.lerp(torch.tensor([0.98, 0.82, 0.70]), torch.tensor([0.50, 0.32, 0.22]), tone)
    skin = skin * uniform(draw, 0.92, 1.04, count, 3)
    fair = thing["attributes"][:, -1:].bool()
    hair = torch.where(fair, torch.tensor([0.93, 0.78, 0.42]), torch.tensor([0.24, 0.15, 0.10]))
    return {
        "body": paint(thing["hue"], (0.35, 0.95), 0.42, 0.85),
        "second": paint(thing["hue"] + uniform(draw, 0.2, 0.8, count), (0.3, 0.9), 0.36, 0.78),
        "accent": paint(number(), (0.3, 0.9), 0.50, 0.72),
        "detail": detail,
        "light": torch.tensor([0.95, 0.95, 0.93]).expand(count, 3),
        "dark": torch.tensor([0.10, 0.08, 0.09]).expand(count, 3),
        "skin": skin.clamp(0, 1),
        "shade": 0.78 * skin.clamp(0, 1),
        "lens": (0.7 * skin + 0.25).clamp(0, 1),
        "hair": (hair * uniform(draw, 0.75, 1.1, count, 1) * uniform(draw, 0.95, 1.05, count, 3)).clamp(0, 1),
        "cloth": hsv(thing["hue"], uniform(draw, 0.3, 0.9, count), uniform(draw, 0.3, 0.9, count)),
        "iris": hsv(uniform(draw, 0.05, 0.62, count), uniform(draw, 0.4, 0.8, count), uniform(draw, 0.2, 0.5, count)),
        "lip": torch.lerp(skin, torch.tensor([0.62, 0.10, 0.14]), 0.72).clamp(0, 1),
    }
