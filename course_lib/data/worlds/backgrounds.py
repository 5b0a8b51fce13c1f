"""What stands behind the subject, and the camera: textures, drift, light and sensor noise, per video.

A background is a function of standard normal numbers (layout, colours, noise grids). ``identity`` mixes a video's own
numbers with those of one of a few shared scenes, sqrt(identity) to sqrt(1 - identity), so that pictures keep the
same statistics at any setting and only *what is unique to a video* changes.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F

from .draws import hsv, smooth_noise, stream

OCTAVES = (3, 6, 13, 27, 55)  # cells of the noise grids across the texture
WEIGHTS = (0.9, 0.7, 0.5, 0.4, 0.35)
POSTS = 7  # upright things along the wall
LAYOUT = 40 + 5 * POSTS
POOL = 4  # shared scenes when identity is 0
CHUNK = 64  # textures painted together


@dataclass
class Backdrop:
    """Textures and camera of V videos, ready for `rasteriser.render`.

    texture: float32 (S, 3, T, T). corner: (F, 2) where each frame begins in its texture, sub-pixel.
    scene: (F,) its texture. gain: (F, 3) light. noise: standard deviation of the sensor noise.
    """

    texture: torch.Tensor
    corner: torch.Tensor
    scene: torch.Tensor
    gain: torch.Tensor
    noise: float
    grain: torch.Tensor
    grain_start: torch.Tensor
    size: int

    def to(self, device) -> "Backdrop":
        """The same on another device."""
        moved = {k: v.to(device) if isinstance(v, torch.Tensor) else v for k, v in vars(self).items()}
        return Backdrop(**moved)

    def __call__(self, frames: slice) -> torch.Tensor:
        """The empty scene, float32 (n, 3, size, size): a window of the texture, shifted with sub-pixel accuracy."""
        side, reach = self.texture.shape[-1], self.size + 1
        corner = self.corner[frames]
        whole = corner.floor()
        x, y = (corner - whole)[:, :, None, None, None].unbind(1)
        start = self.scene[frames] * (3 * side * side) + whole[:, 1].long() * side + whole[:, 0].long()
        steps = torch.arange(3, device=start.device)[:, None] * side * side
        steps = steps + torch.arange(reach, device=start.device) * side
        flat = self.texture.view(-1)
        rows = flat.as_strided((len(flat) - reach + 1, reach), (1, 1))  # every run of `reach` pixels, no copy
        window = rows.index_select(0, (start[:, None, None] + steps).view(-1)).view(-1, 3, reach, reach)
        window = torch.lerp(window[:, :, :-1], window[:, :, 1:], y)
        return torch.lerp(window[..., :-1], window[..., 1:], x)

    def develop(self, picture: torch.Tensor, frames: slice) -> torch.Tensor:
        """Light and noise of the camera on drawn frames, float to float."""
        picture = picture * self.gain[frames, :, None, None]
        if self.noise:
            run = 3 * self.size * self.size
            rows = self.grain.as_strided((len(self.grain) - run + 1, run), (1, 1))
            picture = picture.add_(rows.index_select(0, self.grain_start[frames]).view_as(picture))
        return picture


def backdrop(
    seed: int,
    split: str,
    videos: int,
    length: int,
    size: int,
    *,
    identity: float = 1.0,
    drift: float = 4.0,
    noise: float = 0.02,
    light: float = 1.0,
    horizon: float = 0.68,
    pool: int = POOL,
    still: bool = False,
) -> tuple[Backdrop, torch.Tensor]:
    """Scenes for ``videos`` x ``length`` frames; returns them and the scene number of each video, int64 (V,).

    identity: share of what is unique to a video, 0 … 1. drift: pixels the camera wanders (standard deviation).
    light: 0 constant … 1 strongly different exposure and tint. horizon: height of the floor line, of the frame.
    still: the camera does not move at all.
    """
    draw = stream(seed, split, "scenes")
    scene = torch.randint(pool, (videos,), generator=draw)
    painted = videos if identity else pool  # with shared scenes only, each is painted once
    side = size + 2 * (size // 4) + 1
    texture, tint = torch.empty(painted, 3, side, side), torch.empty(painted, 4)
    shared = _numbers(stream(seed, "shared scenes"), pool)
    for begin in range(0, painted, CHUNK):
        part = slice(begin, min(begin + CHUNK, painted))
        numbers = shared
        if identity:
            own, weight = _numbers(draw, part.stop - part.start), identity**0.5
            rest = (1 - identity) ** 0.5
            numbers = [weight * o + rest * s[scene[part]] for o, s in zip(own, shared, strict=True)]
        texture[part] = _paint(numbers, side, (horizon * size + size // 4) / side)
        tint[part] = numbers[0][:, 36:40]
    which = torch.arange(videos) if identity else scene
    camera = stream(seed, split, "camera")
    wander = torch.stack([smooth_noise(camera, videos, length), 0.4 * smooth_noise(camera, videos, length)], -1)
    wander = wander * (0.0 if still else drift)
    margin = size // 4
    corner = (margin + wander).clamp_(0, side - size - 1.001).view(-1, 2)
    level = (0.18 * light * tint[:, :1] + 0.06 * light * tint[:, 1:])[which]
    flicker = 1 + 0.03 * light * smooth_noise(camera, videos, length, 8)
    gain = (level.exp()[:, None] * flicker[..., None]).view(-1, 3)
    frames = videos * length
    grain = torch.randn(1 << 18, generator=camera).mul_(noise)
    if grain.numel() < 2 * 3 * size * size:
        grain = grain.repeat(-(-2 * 3 * size * size // grain.numel()))
    begin = torch.randint(grain.numel() - 3 * size * size, (frames,), generator=camera)
    picture_of = which.repeat_interleave(length)
    scenes = pool + which if identity else scene  # a scene of its own has a number of its own
    return Backdrop(texture, corner, picture_of, gain, noise, grain, begin, size), scenes


def _numbers(generator, count):
    """The standard normal numbers of ``count`` scenes: layout and one grid per octave."""
    layout = torch.randn(count, LAYOUT, generator=generator)
    return [layout, *(torch.randn(count, 2, n, n, generator=generator) for n in OCTAVES)]


def _paint(numbers, side, horizon):
    """Scenes (n, 3, side, side) in [0, 1] from their numbers: wall, upright things, floor with stripes."""
    layout, *grids = numbers
    count, unit = len(layout), torch.special.ndtr(layout)  # uniform in [0, 1]
    noise = torch.zeros(count, 2, side, side)
    for octave, (grid, weight) in enumerate(zip(grids, WEIGHTS, strict=True)):
        strength = weight * (0.35 + 1.1 * unit[:, 30 + octave, None, None, None])
        noise += strength * F.interpolate(grid, size=(side, side), mode="bicubic", align_corners=False)
    across = torch.linspace(0, 1, side).view(1, 1, 1, side)
    down = torch.linspace(0, 1, side).view(1, 1, side, 1)

    def number(index):
        return unit[:, index].view(-1, 1, 1, 1)

    def colour(index, saturation=0.65, dark=0.2, bright=0.9):
        value = dark + (bright - dark) * unit[:, index + 2]
        return hsv(unit[:, index], saturation * unit[:, index + 1], value).view(count, 3, 1, 1)

    wall, second, floor, line = colour(0), colour(3), colour(6, 0.6, 0.25, 0.8), colour(9, 0.3, 0.5, 1.0)
    rows = noise[:, :1]
    mix = torch.sigmoid(2.2 * rows + 3 * (down - 0.4) * (number(12) - 0.5))
    picture = wall + (second - wall) * mix
    for post in range(POSTS):  # trees, columns, adverts, people far away: soft uprights
        at = 40 + 5 * post
        centre, width = number(at), 0.015 + 0.1 * number(at + 1) ** 2
        top = horizon * (0.15 + 0.75 * number(at + 2))
        soft = 0.012
        inside = torch.sigmoid((width - (across - centre).abs()) / soft) * torch.sigmoid((down - top) / soft)
        paint = hsv(unit[:, at + 3], 0.5 * unit[:, at + 4], 0.15 + 0.75 * unit[:, (at + 6) % LAYOUT])
        picture = torch.lerp(picture, paint.view(count, 3, 1, 1), inside * 0.85)
    level = horizon + 0.05 * (number(13) - 0.5) * 2 + 0.012 * noise[:, 1:]
    ground = torch.sigmoid((down - level) / 0.008)
    depth = (down - horizon).clamp(min=0.02)
    tracks = (across - 0.5 - 0.6 * (number(14) - 0.5)) / (depth + 0.1) * (0.6 + 1.2 * number(15))
    stripes = torch.exp(-(((((tracks + number(16)) % 1) - 0.5) / 0.06) ** 2)) * (number(17) > 0.45)
    boards = torch.exp(-((((0.12 / depth * (1 + 2 * number(18)) + number(19)) % 1 - 0.5) / 0.08) ** 2)) * (
        number(20) > 0.6
    )
    lower = floor * (1.1 - 0.5 * (down - horizon)) + 0.10 * noise[:, 1:]
    lower = torch.lerp(lower, line.expand_as(lower), (stripes + boards).clamp(0, 1) * 0.6)
    picture = torch.lerp(picture + 0.07 * noise[:, 1:], lower, ground)
    shade = 1 - 0.25 * torch.exp(-(((down - level) / 0.02) ** 2))  # a little darker where wall meets floor
    slope = 1 + 0.35 * (number(21) - 0.5) * (across - 0.5) * 2
    return (picture * shade * slope).clamp_(0.02, 0.98)
