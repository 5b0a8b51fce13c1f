"""E05: what can be read out of frozen features? A linear and a two-layer probe (000, 3.4.2, Table 3.5)."""

from dataclasses import dataclass

import torch
from torch import nn
from torch.nn.functional import cross_entropy

from ..checks import check_positive
from .arrays import as_groups, as_integers, as_pair

PENALTIES = (10.0, 1.0, 0.1, 0.01, 0.001, 0.0001)


@dataclass(frozen=True)
class ProbeResult:
    """What a classifier said about the N test rows.

    accuracy in [0, 1]; predictions int64 (N,), labels as given; correct bool (N,), for `bootstrap_interval`;
    scores float32 (N, C), higher is more likely, columns in the order of ``classes`` int64 (C,);
    l2: the weight of the penalty used (linear and two-layer probes).
    """

    accuracy: float
    predictions: torch.Tensor
    correct: torch.Tensor
    scores: torch.Tensor
    classes: torch.Tensor
    l2: float | None = None

    @classmethod
    def of(cls, scores, classes, labels, l2=None) -> "ProbeResult":
        predictions = classes[scores.argmax(1)]
        correct = predictions == labels
        return cls(correct.float().mean().item(), predictions, correct, scores, classes, l2)


def linear_probe(
    train_x,
    train_y,
    test_x,
    test_y,
    *,
    l2: float | None = None,
    groups=None,
    generator: torch.Generator | None = None,
    iterations: int = 200,
) -> ProbeResult:
    """Multinomial logistic regression on standardised features, fitted by L-BFGS.

    Minimises mean cross entropy + l2/2 · ‖W‖² (scikit-learn's C is 1 / (N · l2)); the bias is free. train_x
    (N, D) and test_x (M, D) are standardised with the mean and deviation of the *train* rows. l2: None
    chooses it from `PENALTIES` on a quarter of the train rows, held out by whole ``groups`` (which video or
    subject a train row comes from; each row its own by default), drawn by ``generator`` (a fixed one if
    None). Raises ValueError for NaN, lengths that do not fit, fewer than two classes, test labels not seen in
    training.
    """
    data, classes, labels = _prepare(train_x, train_y, test_x, test_y)
    x, y, test = data
    check_positive("iterations", iterations)
    if l2 is None:
        l2 = _choose_l2(x, y, len(classes), as_groups("groups", groups, len(x)), generator, iterations)
    elif not l2 > 0:
        raise ValueError(f"l2 is {l2!r}; it takes a number > 0, or None to choose it on held-out train rows")
    weight, bias = _fit_logistic(x, y, len(classes), l2, iterations)
    return ProbeResult.of(test @ weight + bias, classes, labels, l2)


def mlp_probe(
    train_x,
    train_y,
    test_x,
    test_y,
    *,
    generator: torch.Generator,
    hidden: int = 256,
    steps: int = 500,
    batch: int = 256,
    lr: float = 3e-3,
    l2: float = 0.05,
) -> ProbeResult:
    """The seeds' non-linear probe: two fully connected layers with a ReLU between, on standardised features.

    Trained by AdamW with cosine decay from ``lr`` and weight decay ``l2``, ``steps`` batches; weights and
    batches come from ``generator``. Inputs and errors as for `linear_probe`.
    """
    (x, y, test), classes, labels = _prepare(train_x, train_y, test_x, test_y)
    for name, value in {"hidden": hidden, "steps": steps, "batch": batch}.items():
        check_positive(name, value)
    net = nn.Sequential(nn.Linear(x.shape[1], hidden), nn.ReLU(), nn.Linear(hidden, len(classes)))
    for layer in (net[0], net[2]):
        nn.init.kaiming_normal_(layer.weight, nonlinearity="relu", generator=generator)
        nn.init.zeros_(layer.bias)
    optimiser = torch.optim.AdamW(net.parameters(), lr=check_positive("lr", lr, integer=False), weight_decay=l2)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    for _ in range(steps):
        pick = torch.randint(len(x), (min(batch, len(x)),), generator=generator)
        optimiser.zero_grad()
        cross_entropy(net(x[pick]), y[pick]).backward()
        optimiser.step()
        schedule.step()
    with torch.no_grad():
        return ProbeResult.of(net(test), classes, labels, l2)


def group_result(result: ProbeResult, labels, groups) -> ProbeResult:
    """The same prediction per *group* (video): softmax scores averaged over the rows of a group.

    labels, groups: int64 (N,), the test rows'. Rows of the result are the sorted groups. Raises ValueError
    when rows of one group have different labels.
    """
    labels, groups = (as_integers(n, v, len(result.scores)) for n, v in (("labels", labels), ("groups", groups)))
    unique, member = groups.unique(return_inverse=True)
    label = torch.zeros_like(unique).index_put_((member,), labels)
    if (label[member] != labels).any():
        mixed = int(groups[(label[member] != labels).nonzero()[0]])
        raise ValueError(f"labels differ inside group {mixed}; a group (video) has one label")
    shape = (len(unique), result.scores.shape[1])
    mean = torch.zeros(shape).index_add_(0, member, result.scores.softmax(1))
    mean /= torch.bincount(member)[:, None]
    return ProbeResult.of(mean, result.classes, label, result.l2)


def _prepare(train_x, train_y, test_x, test_y):
    x, test = as_pair("train_x", train_x, "test_x", test_x)
    y, labels = as_integers("train_y", train_y, len(x)), as_integers("test_y", test_y, len(test))
    classes, target = y.unique(return_inverse=True)
    if len(classes) < 2:
        raise ValueError(f"train_y has one class, {classes.tolist()}; a probe takes at least two")
    unseen = sorted(set(labels.tolist()) - set(classes.tolist()))
    if unseen:
        raise ValueError(f"test_y has classes {unseen} that train_y lacks; a probe cannot predict them")
    mean, deviation = x.mean(0), x.std(0, correction=0)
    # A unit that never varies carries nothing; dividing by its rounding error would make it the loudest.
    scale = torch.where(deviation > 1e-6 * (1 + mean.abs()), deviation, torch.inf)
    return ((x - mean) / scale, target, (test - mean) / scale), classes, labels


def _fit_logistic(x, y, classes, l2, iterations, start=None):
    weight = torch.zeros(x.shape[1], classes) if start is None else start[0].clone()
    bias = torch.zeros(classes) if start is None else start[1].clone()
    parameters = [weight.requires_grad_(), bias.requires_grad_()]
    optimiser = torch.optim.LBFGS(
        parameters,
        max_iter=iterations,
        tolerance_grad=1e-5,
        tolerance_change=1e-9,
        history_size=20,
        line_search_fn="strong_wolfe",
    )

    def closure():
        optimiser.zero_grad()
        loss = cross_entropy(torch.addmm(bias, x, weight), y) + l2 / 2 * weight.square().sum()
        loss.backward()
        return loss

    optimiser.step(closure)
    return weight.detach(), bias.detach()


def _choose_l2(x, y, classes, groups, generator, iterations):
    generator = generator or torch.Generator().manual_seed(0)
    unique, member = groups.unique(return_inverse=True)
    if len(unique) < 2:
        raise ValueError("groups has one group, so none can be held out to choose l2; give l2, or more groups")
    # Groups in a random order, then by class, so that each class gives about a quarter of its groups.
    order = torch.randperm(len(unique), generator=generator)
    label = torch.zeros(len(unique), dtype=torch.int64).index_put_((member,), y)
    order = order[label[order].argsort(stable=True)]
    held = torch.zeros(len(unique), dtype=torch.bool)
    held[order[1::4]] = True
    held = held[member]
    best, start = (-torch.inf, None), None
    for l2 in PENALTIES:  # from the strongest: each solution starts the next, weaker one
        start = _fit_logistic(x[~held], y[~held], classes, l2, iterations, start)
        likelihood = -cross_entropy(x[held] @ start[0] + start[1], y[held]).item()
        best = max(best, (likelihood, l2))
    return best[1]
