"""Checks for the exercises of chapter 02, losses and optimisers (seeds 000, §2.3 and §2.4; 002, §2.2)."""

import math
from collections.abc import Callable

import torch

from .core import Attempt, CheckResult, Wrong, compare, run, same, tensor


def check_cross_entropy(function: Callable) -> CheckResult:
    """Warm-up: ``function(logits, targets) -> loss`` is the mean cross-entropy of a batch (000, Eqs. 2.10–2.12).

    logits: float64 (N, C), of any size, 1000 for instance. targets: int64 (N,), the true classes. loss: a scalar
    tensor, in nats.
    """

    def judge(attempt: Attempt) -> str:
        generator = torch.Generator().manual_seed(0)
        for count, classes in ((5, 3), (4, 4), (7, 10)):
            logits = torch.randn(count, classes, generator=generator, dtype=torch.float64)
            targets = torch.randint(classes, (count,), generator=generator)
            compare(attempt(logits, targets), _entropy(logits, targets), "the loss", _entropy_mistakes(logits, targets))
        for scale in (1e3, -1e3):
            logits = torch.tensor([[scale, 0.0, 0.0], [0.0, 0.5, scale]], dtype=torch.float64)
            targets = torch.tensor([0, 1])
            loss = tensor(attempt(logits, targets), "the loss", (), kind="float")
            if not torch.isfinite(loss):
                raise Wrong(
                    f"for logits of {scale:g} the loss is {loss.item()}",
                    "exp(1000) overflows, and log(exp(-1000)) is log(0). Subtract the greatest logit of each row "
                    "first; and take log(sum(exp)), not the log of a softmax.",
                )
            compare(loss, _entropy(logits, targets), f"the loss for logits of {scale:g}")
        return "the mean of -log softmax, and it stands logits of a thousand."

    return run(function, "cross_entropy(logits, targets)", judge)


def _entropy(logits: torch.Tensor, targets: torch.Tensor, dim: int = 1) -> torch.Tensor:
    return -logits.log_softmax(dim)[torch.arange(len(targets)), targets].mean()


def _entropy_mistakes(logits: torch.Tensor, targets: torch.Tensor) -> dict[str, torch.Tensor]:
    right, rows = _entropy(logits, targets), torch.arange(len(targets))
    return {
        "The softmax runs over the samples of the batch; it should run over the classes, axis 1.": _entropy(
            logits, targets, dim=0
        ),
        "This is the sum over the batch; take the mean (Eq. 2.10).": right * len(targets),
        "This is the mean over samples and classes; only the true class of each sample counts.": (
            right / logits.shape[1]
        ),
        "The sign is wrong: log p is negative, the loss is -log p.": -right,
        "Softmax was taken twice: these are logits, not probabilities, before you begin.": _entropy(
            logits.softmax(1), targets
        ),
        "There is no log: this is minus the mean probability of the true class.": -logits.softmax(1)[
            rows, targets
        ].mean(),
        "Each sample's loss over all classes was averaged: pick the true class of row i with "
        "log_p[torch.arange(N), targets].": -logits.log_softmax(1).mean(),
    }


_ADAM = "adam_step(theta, gradient, m, v, t, lr, beta1, beta2, eps)"


def check_adam_step(function: Callable) -> CheckResult:
    """Core: one step of Adam, ``function(theta, gradient, m, v, t, lr, beta1, beta2, eps) -> (theta, m, v)``.

    000, Eqs. 2.27–2.29. theta, gradient, m, v: float64 tensors of one shape; m and v are the averages before the
    step. t: the number of this step, 1 for the first. The new values are returned, the old ones left alone.
    """

    def judge(attempt: Attempt) -> str:
        generator = torch.Generator().manual_seed(0)
        for t, (beta1, beta2), eps in ((3, (0.9, 0.999), 1e-2), (1, (0.8, 0.95), 1e-8), (40, (0.5, 0.9), 1e-1)):
            theta, gradient, m, v = torch.randn(4, 5, generator=generator, dtype=torch.float64)
            m, v = (0 * m, 0 * v) if t == 1 else (m, v**2)
            given = (theta, gradient, m, v, t, 0.1, beta1, beta2, eps)
            answer = attempt(*given)
            if not isinstance(answer, tuple | list) or len(answer) != 3:
                raise Wrong(
                    f"adam_step gave {type(answer).__name__}; it should give three things",
                    "End with: return theta, m, v",
                )
            _judge_adam(answer, given)
        return "averages, bias correction and step are right, at the first step and at the fortieth."

    return run(function, _ADAM, judge)


def _adam(theta, gradient, m, v, t, lr, beta1, beta2, eps, corrected=True, inside=False):
    m, v = beta1 * m + (1 - beta1) * gradient, beta2 * v + (1 - beta2) * gradient**2
    mean, square = (m / (1 - beta1**t), v / (1 - beta2**t)) if corrected else (m, v)
    return theta - lr * mean / ((square + eps).sqrt() if inside else square.sqrt() + eps), m, v


def _judge_adam(answer, given) -> None:
    theta, gradient, m, v, t, lr, beta1, beta2, eps = given
    right = _adam(*given)
    swapped = _adam(theta, gradient, m, v, t, lr, beta2, beta1, eps)
    compare(
        answer[1],
        right[1],
        "m",
        {
            "beta1 and beta2 have changed places: beta1 belongs to m, beta2 to v.": swapped[1],
            "m is the sum of old and new without the factor 1 - beta1 before the gradient.": beta1 * m + gradient,
            "m weighs old and new the wrong way round: the old average keeps the share beta1.": (
                (1 - beta1) * m + beta1 * gradient
            ),
            "Return m itself as the state; the bias correction is for this step only.": right[1] / (1 - beta1**t),
        },
    )
    compare(
        answer[2],
        right[2],
        "v",
        {
            "v averages the squares of the gradient; here it averages the gradient.": beta2 * v
            + (1 - beta2) * gradient,
            "v is the state: keep it uncorrected, and correct a copy of it.": right[2] / (1 - beta2**t),
        },
    )
    compare(
        answer[0],
        right[0],
        "theta",
        {
            "The bias correction is missing: divide m by 1 - beta1**t and v by 1 - beta2**t before the step.": _adam(
                *given, corrected=False
            )[0],
            "eps stands inside the root; it is added after it: v_hat.sqrt() + eps.": _adam(*given, inside=True)[0],
            "The step goes uphill: subtract it.": 2 * theta - right[0],
            "t counts from 1 already: do not add one to it.": _adam(*given[:4], t + 1, *given[5:])[0],
        },
    )


def check_schedule(function: Callable) -> CheckResult:
    """Core: ``function(epoch, peak, warmup, cycle) -> rate``, linear warm-up and then cosine with warm restarts.

    epoch: from 0. During the first ``warmup`` epochs the rate is peak·(epoch+1)/warmup. After that cosines of
    ``cycle`` epochs follow each other, each from peak towards 0 (002, Eq. 2.3 with η_min = 0).
    """

    def judge(attempt: Attempt) -> str:
        for peak, warmup, cycle in ((0.1, 5, 20), (0.01, 0, 10), (2.0, 3, 7)):
            epochs = range(warmup + 3 * cycle + 2)
            rates = [_number(attempt(epoch, peak, warmup, cycle), epoch) for epoch in epochs]
            _judge_schedule(rates, peak, warmup, cycle)
        return "warm-up, cosine and restarts meet where they should."

    return run(function, "schedule(epoch, peak, warmup, cycle)", judge)


def _number(answer, epoch: int) -> float:
    if isinstance(answer, torch.Tensor) and answer.numel() == 1:
        answer = answer.item()
    if isinstance(answer, bool) or not isinstance(answer, int | float) or not math.isfinite(answer):
        raise Wrong(f"the rate of epoch {epoch} is {answer!r:.60}; it should be a finite number")
    return float(answer)


def _rate(epoch, peak, warmup, cycle, *, first=1, last=0, shift=0, again=True):
    """The right rate; the options make the mistakes."""
    if epoch < warmup:
        return peak * (epoch + first) / warmup
    passed = epoch - warmup + shift
    passed = passed % cycle if again else passed
    return peak * 0.5 * (1 + math.cos(math.pi * passed / (cycle - last)))


def _judge_schedule(rates: list[float], peak: float, warmup: int, cycle: int) -> None:
    def series(**mistake):
        return torch.tensor([_rate(e, peak, warmup, cycle, **mistake) for e in range(len(rates))], dtype=torch.float64)

    mistakes = {
        "The warm-up starts at a rate of 0, so its first epoch is lost: use (epoch + 1) / warmup.": series(first=0),
        "Off by one: a cycle of length T divides by T, not by T - 1; the restart comes where 0 would be.": series(
            last=1
        ),
        "The cosine never restarts: take the epochs since the warm-up modulo cycle.": series(again=False),
        "The cosine counts from epoch 0: it should count from the end of the warm-up.": series(shift=warmup),
        "Off by one: the first epoch after the warm-up (and each restart) has the full rate.": series(shift=1),
    }
    compare(torch.tensor(rates, dtype=torch.float64), series(), "the rate of each epoch", mistakes)


def check_ravine(function: Callable) -> CheckResult:
    """Open: ``function(gradient, start, steps) -> point`` ends lower in a ravine than well tuned momentum.

    gradient: a callable, points (2,) → gradient (2,), float64; it may be called ``steps`` times. start: (2,).
    The ravines are ½(θ-c)ᵀH(θ-c) with unknown minimum c and turned by an unknown angle; the greatest curvature is
    1, and the least between 1/30 and 1/100. Momentum has γ = 0.9 and the best of 40 rates, in every ravine anew.
    """

    def judge(attempt: Attempt) -> str:
        generator, steps, gains = torch.Generator().manual_seed(0), 25, []
        for _ in range(6):
            hessian, centre = _ravine(generator)
            start = centre + 3 * torch.nn.functional.normalize(torch.randn(2, generator=generator).double(), dim=0)
            gradient = _Gradient(hessian, centre, steps)
            end = tensor(attempt(gradient, start, steps), "the last point", (2,), kind="float").double()
            gains.append(_judge_ravine(end, start, hessian, centre, steps, gradient))
        times = torch.tensor(gains).log().mean().exp().item()
        return f"lower than tuned momentum in all six ravines, {times:.3g} times in the (geometric) mean."

    return run(function, "my_optimiser(gradient, start, steps)", judge)


class _Gradient:
    """The gradient of a ravine, which counts how often it was asked."""

    def __init__(self, hessian: torch.Tensor, centre: torch.Tensor, most: int):
        self.hessian, self.centre, self.most, self.calls = hessian, centre, most, 0

    def __call__(self, point):
        self.calls += 1
        if self.calls > self.most:
            raise RuntimeError(f"gradient was called more than {self.most} times; that is all you have")
        return self.hessian @ (torch.as_tensor(point).detach().double() - self.centre)

    def __deepcopy__(self, memo):
        return self  # the student's calls are counted here


def _ravine(generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    angle, narrow, *centre = torch.rand(4, generator=generator).tolist()
    cos, sin = math.cos(math.pi * angle), math.sin(math.pi * angle)
    turn = torch.tensor([[cos, -sin], [sin, cos]], dtype=torch.float64)
    least = 1 / (30 + 70 * narrow)
    return turn @ torch.diag(torch.tensor([1.0, least], dtype=torch.float64)) @ turn.T, torch.tensor(centre).double()


def _judge_ravine(end, start, hessian, centre, steps, gradient) -> float:
    """Raises `Wrong`, or returns how many times lower than momentum the point lies."""

    def height(points):
        away = points - centre
        return ((away @ hessian) * away).sum(-1) / 2

    theta, velocity, rates = start.repeat(40, 1), torch.zeros(40, 2).double(), torch.logspace(-2, 0.5, 40)[:, None]
    for _ in range(steps):
        velocity = 0.9 * velocity + (theta - centre) @ hessian
        theta = theta - rates * velocity
    bar, mine = height(theta).min().item(), height(end).item()
    if same(end, start):
        raise Wrong("the point has not moved", "Return the last θ, not the one you were given.")
    if not math.isfinite(mine) or mine > height(start).item():
        raise Wrong(
            "you ended higher than you began",
            "The greatest curvature is 1: plain gradient descent needs a rate below 2.",
        )
    if mine >= bar:
        raise Wrong(
            f"you ended at a height of {mine:.3g} with {gradient.calls} gradients; tuned momentum is at {bar:.3g}",
            "Two successive points and gradients tell the curvature along the last move: s = θ_new - θ_old, "
            "y = g_new - g_old, and s·y / s·s is the curvature. Its reciprocal is a good rate for the next step.",
        )
    return bar / max(mine, 1e-30)
