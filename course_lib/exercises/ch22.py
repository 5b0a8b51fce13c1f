"""Checks for the exercises of chapter 22, spatial and temporal permutations together (seed 000, §3.4)."""

from collections.abc import Callable

import torch

from .core import Attempt, CheckResult, Wrong, compare, run


def check_undo(function: Callable) -> CheckResult:
    """Warm-up: ``function(tiles, permutations, index) -> tiles`` puts shuffled tiles back in their places.

    tiles: (B, m², C, h, w), shuffled: place j of picture b shows the tile of place ``permutations[index[b], j]``.
    permutations: int64 (P, m²). index: int64 (B,). Returns the tiles of each picture in reading order.
    """

    def judge(attempt: Attempt) -> str:
        generator = torch.Generator().manual_seed(0)
        for pictures, places, count in ((5, 9, 7), (3, 4, 6), (1, 9, 4)):
            tiles = torch.rand(pictures, places, 3, 2, 2, generator=generator)
            orders = _no_involution(count, places, generator)
            index = torch.randint(1, count, (pictures,), generator=generator)
            rows = torch.arange(pictures)[:, None]
            shuffled = tiles[rows, orders[index]]
            mistakes = {
                "This shuffles once more instead of undoing it: which place did tile 0 go to? argsort of a "
                "permutation answers that for all tiles at once.": shuffled[rows, orders[index]],
                "These are still the shuffled tiles.": shuffled,
                "Every picture was treated with permutation number 0; picture b has its own, "
                "permutations[index[b]].": shuffled[rows, orders[:1].argsort(1)],
                "Every picture was treated with the permutation of the first picture; picture b has its own, "
                "permutations[index[b]].": shuffled[rows, orders[index[:1]].argsort(1)],
            }
            compare(attempt(shuffled, orders, index), tiles, "the restored tiles", mistakes)
        return "every tile is back in its place."

    return run(function, "undo(tiles, permutations, index)", judge)


def _no_involution(count: int, places: int, generator: torch.Generator) -> torch.Tensor:
    """Different permutations none of which is its own inverse, so that shuffling twice is not undoing."""
    drawn = torch.rand(50 * count, places, generator=generator).argsort(1).unique(dim=0)
    drawn = drawn[(drawn.gather(1, drawn) != torch.arange(places)).any(1)]
    return drawn[torch.randperm(len(drawn), generator=generator)[:count]]


def check_cut(function: Callable) -> CheckResult:
    """Core: ``function(images, grid, size, offsets) -> tiles`` cuts a tile out of every cell.

    images: (B, C, H, W); a cell is H // grid by W // grid pixels. offsets: int64 (B, grid², 2), the row and the column
    inside its cell at which each tile begins; cells in reading order. Returns (B, grid², C, size, size).
    """

    def judge(attempt: Attempt) -> str:
        generator = torch.Generator().manual_seed(1)
        for count, grid, cell, size in ((3, 3, 7, 5), (2, 2, 6, 4), (1, 3, 5, 5)):
            images = torch.rand(count, 3, grid * cell, grid * cell, generator=generator)
            offsets = torch.randint(cell - size + 1, (count, grid * grid, 2), generator=generator)
            if size < cell:
                offsets[0, 1] = torch.tensor([0, cell - size])  # so that rows and columns cannot be mistaken unseen
            right = _cut(images, grid, size, offsets)
            turned = right.unflatten(1, (grid, grid)).transpose(1, 2).flatten(1, 2)
            mistakes = {
                "The cells are in the order of columns; reading order goes along a row first.": turned,
                "Row and column of the offsets are exchanged: offsets[..., 0] is the row.": _cut(
                    images, grid, size, offsets.flip(-1)
                ),
                "The offsets are not used: every tile begins in the corner of its cell.": _cut(
                    images, grid, size, offsets * 0
                ),
                "All tiles of a picture have the offset of its first tile; each has its own, offsets[b, place].": _cut(
                    images, grid, size, offsets[:, :1].expand_as(offsets)
                ),
                "All pictures have the offsets of the first picture; each has its own, offsets[b, place].": _cut(
                    images, grid, size, offsets[:1].expand_as(offsets)
                ),
                "Cell number k begins at k * size here; cells are wider than tiles: k * (H // grid).": _cut(
                    images, grid, size, offsets, step=size
                ),
            }
            compare(attempt(images, grid, size, offsets), right, "the tiles", mistakes)
        return "each tile is where its offset says, and the cells are in reading order."

    return run(function, "cut(images, grid, size, offsets)", judge)


def _cut(images, grid, size, offsets, step=None):
    step = images.shape[-1] // grid if step is None else step
    pictures = []
    for image, shifts in zip(images, offsets.tolist(), strict=True):
        corners = [(k // grid * step + down, k % grid * step + right) for k, (down, right) in enumerate(shifts)]
        pictures.append(torch.stack([image[:, y : y + size, x : x + size] for y, x in corners]))
    return torch.stack(pictures)


def check_topk(function: Callable) -> CheckResult:
    """Core: ``function(queries, query_labels, gallery, gallery_labels, k) -> float``, the protocol of 000, Table 3.4.

    queries (Q, D), gallery (N, D): features; labels int64 (Q,), (N,). The share of queries, in [0, 1], whose class
    occurs at least once among the k rows of the gallery with the greatest cosine similarity.
    """

    def judge(attempt: Attempt) -> str:
        generator = torch.Generator().manual_seed(5)
        for k in (5, 1, 3):
            queries, gallery = torch.randn(40, 6, generator=generator), torch.randn(60, 6, generator=generator)
            # Rows of very different lengths: otherwise a dot product ranks as the cosine does.
            gallery = gallery * torch.logspace(-1, 1, 60)[torch.randperm(60, generator=generator), None]
            labels = [torch.randint(5, (count,), generator=generator) for count in (40, 60)]
            answer = attempt(queries, labels[0], gallery, labels[1], k)
            _judge_share(answer, queries, labels[0], gallery, labels[1], k)
        return "cosine similarity, and one right neighbour among the k is enough."

    return run(function, "topk(queries, query_labels, gallery, gallery_labels, k)", judge)


def _judge_share(answer, queries, query_labels, gallery, gallery_labels, k) -> None:
    if isinstance(answer, torch.Tensor) and answer.numel() == 1:
        answer = answer.item()
    if not isinstance(answer, int | float) or isinstance(answer, bool):
        raise Wrong(f"the result is of type {type(answer).__name__}; it should be one number")
    cosine = torch.nn.functional.normalize(queries, dim=1) @ torch.nn.functional.normalize(gallery, dim=1).T

    def hits(similarity, count=k):
        return gallery_labels[similarity.topk(count, dim=1).indices] == query_labels[:, None]

    right = hits(cosine).any(1).float().mean().item()
    if abs(answer - right) < 1e-6:
        return
    mistakes = {
        "The vectors are not normalised: long rows of the gallery win a dot product whatever their direction.": hits(
            queries @ gallery.T
        ).any(1),
        "These are the neighbours by Euclidean distance; the protocol takes the cosine.": hits(
            -torch.cdist(queries, gallery)
        ).any(1),
        "These are the k least similar rows.": hits(-cosine).any(1),
        "This is the mean share of right neighbours; one among the k is enough: any(dim=1).": hits(cosine).float(),
        "Here all k must be right; one among the k is enough: any(dim=1).": hits(cosine).all(1),
        "Only the nearest row was looked at; one among the k nearest is enough.": hits(cosine, 1).any(1),
        "This is a vote of the k neighbours; one right among the k is enough.": gallery_labels[
            cosine.topk(k, dim=1).indices
        ]
        .mode(1)
        .values
        == query_labels,
    }
    for hint, wrong in mistakes.items():
        if abs(answer - wrong.float().mean().item()) < 1e-6:
            raise Wrong(f"the share is {answer:.4f} for k = {k}; it should be {right:.4f}", hint)
    if abs(answer - 100 * right) < 1e-4:
        raise Wrong(f"the share is {answer:.2f}; it should lie in [0, 1]", "Give a share, not per cent.")
    raise Wrong(f"the share is {answer:.4f} for k = {k}; it should be {right:.4f}")
