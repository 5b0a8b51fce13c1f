"""Temporal segment networks: a few snippets of the whole video, one consensus (Wang et al. 2016; 004 §2.2.1)."""

import torch
from torch import nn

from ..checks import check_choice, check_positive


def segment_indices(
    length: int, segments: int, batch: int, *, snippet: int = 1, generator: torch.Generator | None = None
) -> torch.Tensor:
    """First frames of one snippet in each of ``segments`` equal parts of a video, int64 (batch, segments).

    With a generator, anywhere in its part (training); without, in the middle (testing). Raises ValueError if the
    parts are shorter than a snippet.
    """
    for name, value in (("length", length), ("segments", segments), ("batch", batch), ("snippet", snippet)):
        check_positive(name, value)
    edges = [number * length // segments for number in range(segments + 1)]
    if min(after - before for before, after in zip(edges, edges[1:], strict=False)) < snippet:
        raise ValueError(f"length is {length!r}; {segments} segments with snippets of {snippet} take more frames")
    edges = torch.tensor(edges, device="cpu")  # indices stay on the CPU, whatever the default device is
    room = edges.diff() - snippet + 1
    if generator is None:
        return (edges[:-1] + (room - 1) // 2).expand(batch, -1)
    return edges[:-1] + (torch.rand(batch, segments, generator=generator) * room).long()


class TSN(nn.Module):
    """TSN(T₁, …, T_K) = H(1/K · Σ F(T_k; W)): features of K snippets, brought to a consensus (AR8).

    backbone F: images (N, C, H, W) → (N, D) for snippets of one frame, clips (N, snippet, C, H, W) → (N, D) for longer
    ones. consensus: "mean" (the paper's choice) or "max". H is the classifier that comes after, as for every backbone.
    """

    def __init__(self, backbone: nn.Module, segments: int = 3, *, snippet: int = 1, consensus: str = "mean"):
        super().__init__()
        self.consensus = check_choice("consensus", consensus, ("mean", "max"))
        self.segments, self.snippet = check_positive("segments", segments), check_positive("snippet", snippet)
        self.backbone, self.features = backbone, backbone.features

    def forward(self, clips: torch.Tensor, generator: torch.Generator | None = None) -> torch.Tensor:
        """Clips (B, T, C, H, W) → (B, features). generator: draw the snippets at random, as in training."""
        starts = segment_indices(clips.shape[1], self.segments, len(clips), snippet=self.snippet, generator=generator)
        index = (starts[..., None] + torch.arange(self.snippet, device="cpu")).to(clips.device)  # (B, K, snippet)
        rows = torch.arange(len(clips), device=clips.device)[:, None, None]
        snippets = clips[rows, index].flatten(0, 1)
        each = self.backbone(snippets.squeeze(1) if self.snippet == 1 else snippets).unflatten(0, starts.shape)
        return each.mean(1) if self.consensus == "mean" else each.amax(1)
