"""Video colourisation: copy the colours of a grey video from earlier frames, and learn to follow things.

The idea (Vondrick et al. 2018; 000 §3.2.2 and Fig. 3.9; 002 §4.2.1 and Fig. 4.10): to colour a frame, a network may
only *point* at places of reference frames and copy what colour is there. Pointing at the right place is tracking, so
whatever else is known of the first frame, such as a mask, can be carried along with the same pointer.
"""

import torch
import torch.nn.functional as F
from sklearn.cluster import KMeans
from torch import nn

from ...checks import check_clips, check_images, check_positive
from ...models import output_size
from ...transforms import rgb_to_lab, to_grey
from .correspondence import Correspondence, frame_maps, map_channels, pointer


def colour_clusters(images: torch.Tensor, count: int = 16, *, generator: torch.Generator, pixels: int = 4000):
    """Centres of the colours of ``images`` (N, 3, H, W): k-means on the a and b of Lab, float32 (count, 2).

    pixels: so many, drawn at random, are clustered. Lightness is left out: the grey frame shows it already.
    """
    check_images("images", images)
    check_positive("count", count)
    colours = images.movedim(1, -1).reshape(-1, 3)
    chosen = colours[torch.randint(len(colours), (check_positive("pixels", pixels),), generator=generator)]
    ab = rgb_to_lab(chosen.cpu().float().T[:, :, None])[1:, :, 0].T
    seed = int(torch.randint(2**31, (), generator=generator))
    return torch.from_numpy(KMeans(count, n_init=3, random_state=seed).fit(ab.numpy()).cluster_centers_).float()


class VideoColourisation(Correspondence):
    """The method as a module for `training.fit`; batches are clips (B, T, 3, H, W) in [0, 1], T at least 2.

    The last frame of a clip is the target, all others are references (the paper: three). Frames are those of a video a
    little apart: where nothing moves, the pointer learns to point at its own place.

    backbone: a 2-D network with ``conv``; a small stride (4) keeps the pointer fine. It is fed grey frames, three equal
    channels. colours: (K, 2), centres in the a, b plane of Lab, from `colour_clusters`. embedding: dimensions in which
    places are compared. temperature: divides the similarities.
    """

    def __init__(self, backbone: nn.Module, colours: torch.Tensor, *, embedding: int = 64, temperature: float = 1.0):
        super().__init__()
        if colours.ndim != 2 or colours.shape[1] != 2 or len(colours) < 2:
            raise ValueError(f"colours is {tuple(colours.shape)}; it takes at least two centres, (K, 2)")
        self.backbone = backbone
        self.temperature = check_positive("temperature", temperature, integer=False)
        self.projection = nn.Conv2d(map_channels(backbone), check_positive("embedding", embedding), 1)
        self.register_buffer("colours", colours.float())

    @property
    def chance(self) -> float:
        """Accuracy of guessing one of the K colours. A pointer that stays where it is does better: see "static"."""
        return 1 / len(self.colours)

    def embed(self, images: torch.Tensor) -> torch.Tensor:
        """Images (B, 3, H, W) → a map of embeddings of their grey version, (B, embedding, h, w)."""
        return self.projection(frame_maps(self.backbone, to_grey(images)))

    def quantise(self, images: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
        """The class of the mean colour of every cell: images (..., 3, H, W) → int64 (..., h, w), 0 … K − 1."""
        ab = F.interpolate(rgb_to_lab(images.float()).flatten(0, -4)[:, 1:], size, mode="area").movedim(1, -1)
        with torch.autocast(images.device.type, enabled=False):
            nearest = torch.cdist(ab.flatten(1, 2), self.colours.expand(len(ab), -1, -1)).argmin(2)
        return nearest.view(*images.shape[:-3], *size)

    def pretext(self, clips: torch.Tensor, generator: torch.Generator):
        """Inputs (grey clips (B, T, 3, H, W), colours of the references (B, T − 1, h, w)); targets: the colours of the
        last frame (B, h, w), −100 where no reference shows that colour, so that it could not be copied.

        Nothing is drawn. Raises ValueError for NaN and for fewer than two frames.
        """
        check_clips("clips", clips)
        if clips.shape[1] < 2:
            raise ValueError(f"clips have {clips.shape[1]} frame; colourisation takes a reference and a target")
        classes = self.quantise(clips, tuple(output_size(self.backbone.conv, side) for side in clips.shape[-2:]))
        references, target = classes[:, :-1], classes[:, -1]
        shown = F.one_hot(references.flatten(1), len(self.colours)).amax(1)  # (B, K)
        copied = shown.gather(1, target.flatten(1)).view_as(target) > 0
        return (to_grey(clips), references), torch.where(copied, target, -100)

    def forward(self, inputs) -> torch.Tensor:
        """Grey clips and the references' colours, see `pretext` → log-probabilities of the target's (B, K, h, w)."""
        clips, references = inputs
        maps = self.embed(clips.flatten(0, 1)).unflatten(0, clips.shape[:2]).transpose(1, 2)  # (B, D, T, h, w)
        weight = pointer(maps[:, :, :-1].flatten(2), maps[:, :, -1].flatten(2), self.temperature)
        known = F.one_hot(references.flatten(1), len(self.colours)).to(weight)  # (B, n, K)
        with torch.autocast(weight.device.type, enabled=False):  # bfloat16 has no room for a log of small shares
            colours = (known.mT @ weight.mT).unflatten(2, maps.shape[-2:])
        return colours.clamp(min=1e-8).log()

    def training_loss(self, clips: torch.Tensor, generator: torch.Generator) -> dict[str, torch.Tensor]:
        """Cross-entropy and accuracy over the cells of the target, and the accuracy of copying from the same place."""
        inputs, targets = self.pretext(clips, generator)
        scores, counted = self(inputs), targets >= 0
        return {
            # flat: the gradient for maps fails ("grad_input must be contiguous") if a product comes out transposed
            "loss": F.nll_loss(scores.flatten(2), targets.flatten(1)),
            "accuracy": (scores.argmax(1) == targets)[counted].float().mean(),
            "static": (inputs[1][:, -1] == targets)[counted].float().mean(),
        }
