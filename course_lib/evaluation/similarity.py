"""E09: ten similar, ten dissimilar samples per reference (000, 4.6.2, Tables 4.2, 4.3; 003, Tables 2, 3)."""

from dataclasses import dataclass

import torch

from ..checks import check_positive
from .arrays import as_integers
from .retrieval import candidate_similarity


@dataclass(frozen=True)
class SimilarityBenchmark:
    """References with their candidates, the first half of each row similar, the second dissimilar.

    reference int64 (R,), candidates int64 (R, 2 · count): rows of the frames or sequences it was made from.
    """

    reference: torch.Tensor
    candidates: torch.Tensor

    def similarity(self, features) -> torch.Tensor:
        """Similarity of each reference to its candidates, (R, 2 · count), see `candidate_similarity`."""
        return candidate_similarity(features, self.reference, self.candidates)

    def score(self, features) -> float:
        """`ten_ten_score` averaged over the references, in [0, 1]; chance is 0.5."""
        return ten_ten_score(self.similarity(features)).mean().item()


def similarity_benchmark(
    *,
    group,
    generator: torch.Generator,
    phase=None,
    condition=None,
    period: float = 1.0,
    references: int = 30,
    count: int = 10,
    near: float = 0.05,
    far: float = 0.25,
) -> SimilarityBenchmark:
    """References and candidates from known factors, in place of the experts' hand-picked ones.

    phase (N,): position in a cycle of length ``period`` (1.0: cycles; 2π: radians); condition (N,) integers,
    e.g. healthy or impaired; at least one of the two. A candidate is *similar* when every given factor agrees
    (phases at most ``near`` cycles apart, equal conditions) and *dissimilar* when one clearly differs (phases
    at least ``far`` cycles apart, or another condition); what lies between is left out. Rows are frames, or
    sequences with one phase (e.g. of their first frame) or none. group (N,): the subject, animal or video;
    candidates come from other groups than their reference. ``references`` are drawn among the rows with at
    least ``count`` candidates of both kinds; fewer if there are not so many. Raises ValueError when there is
    none.
    """
    rows = len(group)
    group = as_integers("group", group, rows)
    check_positive("references", references)
    check_positive("count", count)
    if phase is None and condition is None:
        raise ValueError("phase and condition are both None; at least one must say what is similar")
    if not 0 <= near < far <= 0.5:
        raise ValueError(f"near is {near!r}, far is {far!r}; they take 0 <= near < far <= 0.5 cycles")
    agree = torch.ones(rows, rows, dtype=torch.bool)
    differ = torch.zeros(rows, rows, dtype=torch.bool)
    if phase is not None:
        gap = phase_gap(phase, period, rows)
        agree &= gap <= near
        differ |= gap >= far
    if condition is not None:
        condition = as_integers("condition", condition, rows)
        same = condition[:, None] == condition
        agree &= same
        differ |= ~same
    other = group[:, None] != group
    agree &= other
    differ &= other
    usable = ((agree.sum(1) >= count) & (differ.sum(1) >= count)).nonzero().squeeze(1)
    if len(usable) == 0:
        raise ValueError(
            f"no row has {count} similar and {count} dissimilar rows of other groups "
            f"(at most {int(agree.sum(1).max())} and "
            f"{int(differ.sum(1).max())}); give more rows or groups, a larger near, a smaller far or count"
        )
    reference = usable[torch.randperm(len(usable), generator=generator)[:references]]
    halves = []
    for allowed in (agree[reference], differ[reference]):
        noise = torch.rand(allowed.shape, generator=generator)
        halves.append(noise.masked_fill(~allowed, 2).argsort(dim=1)[:, :count])
    return SimilarityBenchmark(reference, torch.cat(halves, dim=1))


def ten_ten_score(similarity) -> torch.Tensor:
    """Share of the similar half among the first half after sorting, per reference: (R, 2n) → (R,) in [0, 1].

    The first n columns are the similar candidates. Ties at the cut count by their expected share, so that a
    constant similarity gives 0.5 and not an accident of sorting. Raises ValueError for NaN or an odd number
    of columns.
    """
    similarity = torch.as_tensor(similarity).detach().cpu().float()
    if similarity.ndim != 2 or similarity.shape[1] % 2 or similarity.numel() == 0 or similarity.isnan().any():
        raise ValueError(f"similarity is {tuple(similarity.shape)}; it takes numbers (R, 2n), the first n similar")
    n = similarity.shape[1] // 2
    cut = similarity.sort(dim=1, descending=True).values[:, n - 1 : n]
    above, at = similarity > cut, similarity == cut
    share = at[:, :n].sum(1) / at.sum(1)
    return (above[:, :n].sum(1) + (n - above.sum(1)) * share) / n


def phase_gap(phase, period: float = 1.0, rows: int | None = None) -> torch.Tensor:
    """Circular distance of all pairs of phases (N,), (N, N), in cycles, in [0, 0.5]."""
    phase = torch.as_tensor(phase).detach().cpu().double()
    if phase.ndim != 1 or len(phase) == 0 or (rows is not None and len(phase) != rows) or not phase.isfinite().all():
        raise ValueError(f"phase has shape {tuple(phase.shape)}; it takes finite numbers, one per row")
    cycles = phase / check_positive("period", period, integer=False)
    gap = (cycles[:, None] - cycles).remainder(1)
    return torch.minimum(gap, 1 - gap).float()
