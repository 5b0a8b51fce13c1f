"""Answers to the exercises of chapter 22."""

import torch
from torch.nn.functional import normalize

from course_lib.exercises import ch22


def undo(tiles, permutations, index):
    return tiles[torch.arange(len(tiles))[:, None], permutations[index].argsort(1)]


def undo_by_placing(tiles, permutations, index):
    placed = torch.empty_like(tiles)
    placed[torch.arange(len(tiles))[:, None], permutations[index]] = tiles
    return placed


def cut(images, grid, size, offsets, step=None):
    cell = images.shape[-1] // grid if step is None else step
    corner = torch.arange(grid) * cell
    rows = (corner.repeat_interleave(grid) + offsets[..., 0])[..., None] + torch.arange(size)
    columns = (corner.repeat(grid) + offsets[..., 1])[..., None] + torch.arange(size)
    sample = torch.arange(len(images))[:, None, None, None]
    return images.permute(0, 2, 3, 1)[sample, rows[..., None], columns[:, :, None]].permute(0, 1, 4, 2, 3)


def topk(queries, query_labels, gallery, gallery_labels, k, score=None, count=lambda hits: hits.any(1)):
    similarity = score(queries, gallery) if score else normalize(queries, dim=1) @ normalize(gallery, dim=1).T
    found = gallery_labels[similarity.topk(k, dim=1).indices]
    return count(found == query_labels[:, None]).float().mean().item()


# --- typical mistakes
def topk_with(**changes):
    return lambda q, a, g, b, k: topk(q, a, g, b, k, **changes)


def cosine(queries, gallery):
    return normalize(queries, dim=1) @ normalize(gallery, dim=1).T


def vote(queries, query_labels, gallery, gallery_labels, k):
    found = gallery_labels[cosine(queries, gallery).topk(k, dim=1).indices]
    return (found.mode(1).values == query_labels).float().mean().item()


def by_column(images, grid, size, offsets):
    return cut(images, grid, size, offsets).unflatten(1, (grid, grid)).transpose(1, 2).flatten(1, 2)


MISTAKES = [
    (ch22.check_undo, lambda t, p, i: t[torch.arange(len(t))[:, None], p[i]], "shuffles once more"),
    (ch22.check_undo, lambda t, p, i: t, "still the shuffled"),
    (ch22.check_undo, lambda t, p, i: undo(t, p, i * 0), "permutation number 0"),
    (ch22.check_undo, lambda t, p, i: undo(t, p, i[:1].expand_as(i)), "of the first picture"),
    (ch22.check_cut, by_column, "order of columns"),
    (ch22.check_cut, lambda i, g, s, o: cut(i, g, s, o.flip(-1)), "exchanged"),
    (ch22.check_cut, lambda i, g, s, o: cut(i, g, s, o * 0), "not used"),
    (ch22.check_cut, lambda i, g, s, o: cut(i, g, s, o[:, :1].expand_as(o)), "of its first tile"),
    (ch22.check_cut, lambda i, g, s, o: cut(i, g, s, o[:1].expand_as(o)), "of the first picture; each"),
    (ch22.check_cut, lambda i, g, s, o: cut(i, g, s, o, step=s), "wider than tiles"),
    (ch22.check_topk, topk_with(score=lambda q, g: q @ g.T), "not normalised"),
    (ch22.check_topk, topk_with(score=lambda q, g: -torch.cdist(q, g)), "Euclidean"),
    (ch22.check_topk, topk_with(score=lambda q, g: -cosine(q, g)), "least similar"),
    (ch22.check_topk, topk_with(count=lambda hits: hits), "mean share"),
    (ch22.check_topk, topk_with(count=lambda hits: hits.all(1)), "all k must be right"),
    (ch22.check_topk, lambda q, a, g, b, k: topk(q, a, g, b, 1), "Only the nearest row"),
    (ch22.check_topk, vote, "a vote"),
    (ch22.check_topk, lambda *given: 100 * topk(*given), "not per cent"),
]
RIGHT = [
    (ch22.check_undo, undo),
    (ch22.check_undo, undo_by_placing),
    (ch22.check_cut, cut),
    (ch22.check_topk, topk),
    (ch22.check_topk, lambda *given: torch.tensor(topk(*given))),
]
