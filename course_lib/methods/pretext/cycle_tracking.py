"""Cycle-consistent tracking (TimeCycle): follow a patch back in time and forth again; it should end where it began.

The idea (Wang et al. 2019; 000 §3.2.2 and Fig. 3.10; 004 §3.4, Fig. 3.2 and eq. 3.3): a tracker that follows things
returns to its start, so the gap between start and end trains the features it tracks with, without any label.

One step of the tracker: affinity between the patch and a frame → localiser, which says where the patch lies there (a
translation and a rotation) → bilinear crop of the frame's features, the patch of the next step.
"""

import math

import torch
import torch.nn.functional as F
from torch import nn

from ...checks import check_choice, check_clips, check_positive
from ...models import output_size
from .correspondence import Correspondence, frame_maps, map_channels

SCALE = 1 / 3  # side of the patch as a share of the frame's: 80 of 240 pixels in 004
RADIUS = SCALE  # the accuracy takes a cycle as closed within half the patch: SCALE, where a frame spans −1 … 1


def affine(place: torch.Tensor) -> torch.Tensor:
    """Places (B, 3), t_x, t_y and the angle α in radians → θ (B, 2, 3), which maps the patch into the frame.

    Both span −1 … 1. θ = [[s cos α, −s sin α, t_x], [s sin α, s cos α, t_y]] with s = 1/3 (004 §3.4).
    """
    x, y, angle = place.unbind(1)
    cos, sin = SCALE * angle.cos(), SCALE * angle.sin()
    return torch.stack([torch.stack([cos, -sin, x], 1), torch.stack([sin, cos, y], 1)], 1)


def crop(pixels: torch.Tensor, theta: torch.Tensor, side: int, wider: float = 1.0) -> torch.Tensor:
    """The bilinear sampler: from images or maps (B, C, H, W) the patches that θ names, (B, C, side, side).

    wider: the patch is cut so many times larger, about the same middle.
    """
    theta = torch.cat([theta[..., :2] * wider, theta[..., 2:]], -1)
    grid = F.affine_grid(theta, [len(pixels), 1, side, side], align_corners=False)
    return F.grid_sample(pixels, grid.to(pixels), padding_mode="border", align_corners=False)


def affinity(patch: torch.Tensor, frame: torch.Tensor, temperature: float) -> torch.Tensor:
    """Where in the frame each cell of the patch belongs: softmax over the frame's cells of x_j·x_i / T.

    patch: (B, D, p, p); frame: (B, D, h, w), of length 1 along D. Returns float32 (B, h w, p, p).
    """
    with torch.autocast(patch.device.type, enabled=False):
        similarity = frame.float().flatten(2).transpose(1, 2) @ patch.float().flatten(2)
        return (similarity / temperature).softmax(1).unflatten(2, patch.shape[-2:])


def grid_distance(first: torch.Tensor, second: torch.Tensor, points: int = 20) -> torch.Tensor:
    """Mean squared distance between a grid of points x points mapped by θ and by another θ (B, 2, 3): (B,)."""
    grids = [F.affine_grid(theta, [len(theta), 1, points, points], align_corners=False) for theta in (first, second)]
    return (grids[0] - grids[1]).square().sum(-1).mean((1, 2))


def soft_inliers(affinities: torch.Tensor, theta: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    """How much of the affinity lies where θ says, (B,) in [0, 1]: a mask of the identity, moved by θ, weighs it.

    Every cell of the patch reads its own affinity map (B, h w, p, p) at the place θ (B, 2, 3) moves it to, between
    cells bilinearly; the mean over the cells. size: (h, w).
    """
    batch, _, side, _ = affinities.shape
    maps = affinities.flatten(2).transpose(1, 2).reshape(-1, 1, *size)
    places = F.affine_grid(theta, [batch, 1, side, side], align_corners=False).reshape(-1, 1, 1, 2)
    return F.grid_sample(maps, places.to(maps), align_corners=False).view(batch, -1).mean(1)


class Localiser(nn.Module):
    """Two convolutions and a linear layer: an affinity (B, cells, p, p) → the patch's place (B, 3), see `affine`."""

    def __init__(self, cells: int, patch: int):
        super().__init__()
        kernel = min(4, (patch + 1) // 2)  # 4 for patches of 10 cells, as in the code of 004
        left = patch - 2 * (kernel - 1)
        self.maps = nn.Sequential(
            nn.Conv2d(cells, 128, kernel), nn.LeakyReLU(0.1), nn.Conv2d(128, 64, kernel), nn.LeakyReLU(0.1)
        )
        self.place = nn.Linear(64 * left * left, 3)
        nn.init.normal_(self.place.weight, std=0.01)
        nn.init.zeros_(self.place.bias)  # the first guess is the middle of the frame

    def forward(self, affinities: torch.Tensor) -> torch.Tensor:
        """Affinities (B, cells, p, p) → (B, 3)."""
        scaled = affinities * affinities.shape[1]  # they sum to one over the cells: about one each is what layers like
        return self.place(self.maps(scaled).flatten(1))


def matched_place(affinities: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    """Where the patch lies without a network, (B, 3), see `affine`: the rigid motion that fits the affinity best.

    Each cell of the patch expects to be at the mean of its affinity map, (B, h w, p, p); the least-squares translation
    and rotation of these points have a closed form (Procrustes). A tenth of the unrotated patch is added to the sum
    that gives the angle, so that it is defined, and zero, where the points fall together.
    """
    batch, _, side, _ = affinities.shape
    identity = torch.eye(2, 3, device=affinities.device)[None]
    cells = F.affine_grid(identity, [1, 1, *size], align_corners=False).view(-1, 2)
    own = SCALE * F.affine_grid(identity, [1, 1, side, side], align_corners=False).view(-1, 2)
    expected = affinities.flatten(2).mT @ cells  # (B, p p, 2)
    centre = expected.mean(1)
    spread = expected - centre[:, None]
    along = (own * spread).sum((1, 2)) + 0.1 * own.square().sum()
    across = (own[:, 0] * spread[..., 1] - own[:, 1] * spread[..., 0]).sum(1)
    return torch.cat([centre, torch.atan2(across, along)[:, None]], 1)


class CycleTracking(Correspondence):
    """The method as a module for `training.fit`; batches are clips (B, k + 1, 3, H, W) in [0, 1], k at least 1.

    The last frame is the target, in which a patch is chosen; the k before it are the past. The stride of the
    `ClipSampler` is the gap between them (004: k = 3, 4 frames apart). Gradients are clipped at norm 10 in 004's code.

    backbone: a 2-D network with ``conv``. image_size: H = W, a multiple of three; a third of it must give a third of
    the cells. embedding: channels in which places are compared (512 in 004). temperature: of the affinity, 512^-1/2 in
    the authors' code. rim: cells cut around the patch before the network and dropped after it; 004 has none, but a
    small patch is mostly border, and the zeros beyond a border tell places apart better than what is seen there.
    localiser: "matched" has no weights, see `matched_place`; "learned" is that of 004, which must first learn to read
    affinities and needs a long training. loss: "grid" compares where start and end lie, and counts soft inliers (as the
    authors' code does); "feature" compares the two patches' features (as 004's text says), which equal features
    everywhere make perfect. weight: λ. max_angle: degrees of the patch's rotation. moving: the patch is drawn among so
    many of the places that change most between the last two frames; 0 draws it anywhere.
    """

    def __init__(
        self,
        backbone: nn.Module,
        *,
        image_size: int,
        embedding: int = 64,
        temperature: float = 512**-0.5,
        rim: int = 2,
        localiser: str = "matched",
        loss: str = "grid",
        weight: float = 0.1,
        max_angle: float = 45.0,
        moving: int = 10,
    ):
        super().__init__()
        self.kind = check_choice("loss", loss, ("grid", "feature"))
        self.weight = check_positive("weight", weight, integer=False)
        self.max_angle = math.radians(check_positive("max_angle", max_angle, integer=False, zero=True))
        self.moving = check_positive("moving", moving, zero=True)
        if moving > 49:
            raise ValueError(f"moving is {moving!r}; there are 49 places, it takes 0 to 49")
        self.backbone, self.image_size = backbone, check_positive("image_size", image_size)
        self.cells = output_size(backbone.conv, image_size)
        self.patch = output_size(backbone.conv, image_size // 3)
        if image_size % 3 or 3 * self.patch != self.cells:
            raise ValueError(
                f"image_size is {image_size}: maps of {self.cells} cells and patches of {self.patch}; it takes sizes "
                "whose third gives a third of the cells"
            )
        self.temperature = check_positive("temperature", temperature, integer=False)
        self.rim = check_positive("rim", rim, zero=True)
        self.projection = nn.Conv2d(map_channels(backbone), check_positive("embedding", embedding), 1)
        check_choice("localiser", localiser, ("learned", "matched"))
        self.localiser = Localiser(self.cells**2, self.patch) if localiser == "learned" else None

    @property
    def chance(self) -> float:
        """Accuracy of guessing the middle of the frame where patches are drawn anywhere (``moving=0``)."""
        return math.pi * RADIUS**2 / (2 * (1 - SCALE)) ** 2

    def embed(self, images: torch.Tensor) -> torch.Tensor:
        """Images (B, 3, H, W) → maps (B, embedding, h, w) of length 1 along the channels."""
        maps = self.projection(frame_maps(self.backbone, images)).relu()
        return F.normalize(maps.float(), dim=1)

    def pretext(self, clips: torch.Tensor, generator: torch.Generator):
        """Inputs: (clips, patches (B, 3, H/3, W/3), with a rim larger, cut from the last frame); targets: their places
        (B, 3), see `affine`.

        Raises ValueError for NaN, for clips of another size, and for fewer than two frames.
        """
        check_clips("clips", clips)
        size = self.image_size
        if clips.shape[1] < 2 or clips.shape[-2:] != (size, size):
            raise ValueError(f"clips is {tuple(clips.shape)}; it takes (B, 2 or more, 3, {size}, {size})")
        batch, room = len(clips), 1 - SCALE
        angle = self.max_angle * (2 * torch.rand(batch, generator=generator) - 1)
        shift = 2 * torch.rand(batch, 2, generator=generator) - 1
        if self.moving:
            # 7 x 7 windows of the patch's size, 1/9 of the frame apart
            change = (clips[:, -1] - clips[:, -2]).abs().mean(1, keepdim=True)
            windows = F.avg_pool2d(F.interpolate(change, (9, 9), mode="area"), 3, 1).flatten(1).cpu()
            pick = torch.randint(self.moving, (batch, 1), generator=generator)
            best = windows.topk(self.moving, dim=1).indices.gather(1, pick)[:, 0]
            centre = (torch.stack([best % 7, best // 7], 1) - 3) * 2 / 9
            shift = (centre + shift / 12).clamp(-room, room)
        else:
            shift = shift * room
        place = torch.cat([shift, angle[:, None]], 1).to(clips.device)
        wider = 1 + 2 * self.rim / self.patch
        return (clips, crop(clips[:, -1], affine(place), round(wider * size / 3), wider)), place

    def locate(self, patch: torch.Tensor, frame: torch.Tensor):
        """One step: a patch's features (B, D, p, p) in a frame's (B, D, h, w) → (place, affinity, new patch)."""
        affinities = affinity(patch, frame, self.temperature)
        place = self.localiser(affinities) if self.localiser else matched_place(affinities, tuple(frame.shape[-2:]))
        return place, affinities, crop(frame, affine(place), self.patch)

    def forward(self, inputs) -> dict[str, list[torch.Tensor]]:
        """Clips and patches → what is found for the cycles of length i = 1 … k, lists of k tensors.

        "long", "skip": places (B, 3) at which the cycle ends that visits every frame, and the one that jumps to frame
        t − i and straight back. "past": places found by that jump. "inliers": of the jump, (B,). "start", "long_patch",
        "skip_patch": features of the patch at the start and the ends.
        """
        clips, patches = inputs
        frames = self.embed(clips.flatten(0, 1)).unflatten(0, clips.shape[:2]).unbind(1)
        inside = slice(self.rim, self.rim + self.patch)
        start, target = self.embed(patches)[..., inside, inside], len(frames) - 1
        found = {name: [] for name in ("long", "skip", "past", "inliers", "start", "long_patch", "skip_patch")}
        back = start
        for i in range(1, target + 1):
            _, _, back = self.locate(back, frames[target - i])  # all cycles share the way back
            forth = back
            for later in range(target - i + 1, target + 1):
                place, _, forth = self.locate(forth, frames[later])
            past, affinities, there = self.locate(start, frames[target - i])
            skip, _, returned = self.locate(there, frames[target])
            inliers = soft_inliers(affinities, affine(past), frames[0].shape[-2:])
            for name, value in zip(found, (place, skip, past, inliers, start, forth, returned), strict=True):
                found[name].append(value)
        return found

    def training_loss(self, clips: torch.Tensor, generator: torch.Generator) -> dict[str, torch.Tensor]:
        """Eq. 3.3 of 004, Σ_i l_sim + λ l_skip + λ l_long, its three sums, and how well the longest cycle closes.

        accuracy: its centre ends within half a patch of the start. error: the distance, in frame sides.
        """
        inputs, place = self.pretext(clips, generator)
        found, theta = self(inputs), affine(place)
        if self.kind == "grid":
            long, skip = ([grid_distance(affine(end), theta).mean() for end in found[key]] for key in ("long", "skip"))
            alike = [-inliers.mean() for inliers in found["inliers"]]
        else:
            start = found["start"][0]
            long, skip = (
                [(end - start).square().sum((1, 2, 3)).add(1e-8).sqrt().mean() for end in found[key]]
                for key in ("long_patch", "skip_patch")
            )
            cells = self.patch**2  # the mean over the patch's cells: a cosine, whatever the grid
            alike = [-(end * start).sum((1, 2, 3)).mean() / cells for end in found["long_patch"]]
        long, skip, alike = sum(long), sum(skip), sum(alike)
        gap = (found["long"][-1][:, :2] - place[:, :2]).norm(dim=1)
        return {
            "loss": alike + self.weight * (skip + long),
            "long": long, "skip": skip, "similarity": -alike,
            "accuracy": (gap < RADIUS).float().mean(), "error": gap.mean() / 2,
        }  # fmt: skip
