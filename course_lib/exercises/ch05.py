"""Checks for the exercises of chapter 05, generative models (000 §2.1; 001 §2.1, §2.2, Eq. 7.1)."""

from collections.abc import Callable

import torch
import torch.nn.functional as F

from .core import Attempt, CheckResult, Wrong, compare, run, tensor


def check_reparameterise(function: Callable) -> CheckResult:
    """Warm-up: ``function(mean, log_variance, noise)`` → z = μ + σ·ε, all (B, D); gradients reach both."""

    def judge(attempt: Attempt) -> str:
        draw = torch.Generator().manual_seed(0)
        for shape in ((5, 3), (2, 7), (4, 1)):
            mean, log_variance, noise = (torch.randn(shape, generator=draw) for _ in range(3))
            sigma = (0.5 * log_variance).exp()
            mistakes = {
                "The network gives ln σ², so exp(log_variance) is the variance. The noise is multiplied by the "
                "standard deviation σ = exp(½·log_variance).": mean + log_variance.exp() * noise,
                "log_variance itself was used as σ; it is ln σ², and may be negative.": mean + log_variance * noise,
                "This is the mean alone: without the noise it is a plain autoencoder.": mean,
                "This is only the noise, scaled: the mean is missing.": sigma * noise,
                "exp(log_variance) would be σ²; exp(2·log_variance) is σ⁴. The half belongs before the exponent: "
                "exp(½·log_variance).": mean + (2 * log_variance).exp() * noise,
            }
            compare(attempt(mean, log_variance, noise), mean + sigma * noise, "z", mistakes)
        for name, place in (("mean", 0), ("log_variance", 1)):
            given = [torch.randn(4, 3, generator=draw) for _ in range(3)]
            given[place].requires_grad_()
            answer = attempt(*given)
            tensor(answer, "z", (4, 3), kind="float")
            if not answer.requires_grad:
                raise Wrong(
                    f"the values are right, but no gradient reaches {name}",
                    "Something cuts the graph: detach, .data, torch.no_grad, .item or a new torch.tensor(…). "
                    "Gradients through the draw are the whole point.",
                )
        return "the draw is right, and gradients pass through it to μ and to ln σ²."

    return run(function, "reparameterise(mean, log_variance, noise)", judge)


def check_kl(function: Callable) -> CheckResult:
    """Core: ``function(mean, log_variance)``, (B, D) each → KL(q(z|x) ‖ N(0, I)) of each picture, (B,), in nats."""

    def judge(attempt: Attempt) -> str:
        draw = torch.Generator().manual_seed(1)
        for batch, units in ((6, 4), (3, 1), (1, 5)):
            mean = torch.randn(batch, units, generator=draw)
            log_variance = torch.randn(batch, units, generator=draw)
            normal = torch.distributions.Normal
            each = torch.distributions.kl_divergence(normal(mean, (0.5 * log_variance).exp()), normal(0.0, 1.0))
            swapped = torch.distributions.kl_divergence(normal(0.0, 1.0), normal(mean, (0.5 * log_variance).exp()))
            compare(attempt(mean, log_variance), each.sum(1), "the KL", _kl_mistakes(each, swapped))
        answer = tensor(attempt(torch.zeros(2, 3), torch.zeros(2, 3)), "the KL", (2,))
        compare(answer, torch.zeros(2), "the KL of N(0, I) with itself")
        return "it is that of torch.distributions, one number for each picture, and 0 for N(0, I) itself."

    return run(function, "kl(mean, log_variance)", judge)


def _kl_mistakes(each: torch.Tensor, swapped: torch.Tensor) -> dict[str, torch.Tensor]:
    return {
        "The sign is turned round: a KL divergence is never negative; ½(μ² + σ² − 1 − ln σ²).": -each.sum(1),
        "This is the mean over the latent units. The units are independent, so their KLs add up: sum over D. A mean "
        "makes the KL D times too weak.": each.mean(1),
        "The factor ½ is missing.": 2 * each.sum(1),
        "This is one number for the whole batch (its sum); give one for each picture: sum over axis 1.": each.sum(),
        "This is one number for the whole batch (its mean); give one for each picture: sum over axis 1.": each.mean(),
        "This is the mean over the batch; give one number for each picture, (B,).": each.sum(1).mean(),
        "These are the KLs of the single units, (B, D); add them up over the units.": each,
        "This is KL(N(0, I) ‖ q); the encoder's distribution q stands first.": swapped.sum(1),
    }


def check_gan_losses(function: Callable) -> CheckResult:
    """Core: ``function(real, fake)``, logits (B,) each → (loss of D, non-saturating loss of G), two means."""

    def judge(attempt: Attempt) -> str:
        draw = torch.Generator().manual_seed(2)
        for count in (6, 9):
            real, fake = (2 * torch.randn(count, generator=draw) for _ in range(2))
            _judge_losses(attempt(real, fake), real, fake)
        far = torch.tensor([300.0, -300.0, 1.0])
        answer = _two(attempt(far, far.flip(0)))
        if not all(torch.isfinite(tensor(one, "a loss", ())) for one in answer):
            raise Wrong(
                "with logits of ±300 a loss is not finite",
                "sigmoid rounds to exactly 0 or 1, and log(0) is −∞. Work on the logits: F.logsigmoid(a) for log D, "
                "F.logsigmoid(−a) for log(1 − D), or F.binary_cross_entropy_with_logits.",
            )
        _judge_losses(answer, far, far.flip(0))
        return "both losses are right, also for logits that a sigmoid rounds to 0 and 1."

    return run(function, "gan_losses(real, fake)", judge)


def _two(answer) -> tuple:
    if not isinstance(answer, tuple | list) or len(answer) != 2:
        raise Wrong(
            f"gan_losses gave {type(answer).__name__}; it should give two things",
            "End with: return discriminator_loss, generator_loss",
        )
    return tuple(answer)


def _judge_losses(answer, real: torch.Tensor, fake: torch.Tensor) -> None:
    told, fooled = _two(answer)
    yes, no = (lambda a: -F.logsigmoid(a).mean()), (lambda a: -F.logsigmoid(-a).mean())
    mistakes = {
        "The labels are swapped: D should say real (1) to real samples and generated (0) to generated ones.": no(real)
        + yes(fake),
        "The sign is turned round: D maximises log D(x) + log(1 − D(G(z))), so it minimises minus that.": -yes(real)
        - no(fake),
        "Only the real samples count here; D must also reject the generated ones.": yes(real),
        "The halves were added and divided by two; Eq. 7.1 adds two expectations.": 0.5 * (yes(real) + no(fake)),
        "These are sums over the batch; the equation has expectations, i.e. means.": len(real) * (yes(real) + no(fake)),
        "A sigmoid was applied twice: the inputs are logits, and the loss with logits has the sigmoid inside.": yes(
            real.sigmoid()
        )
        + no(fake.sigmoid()),
    }
    compare(told, yes(real) + no(fake), "the loss of the discriminator", mistakes)
    mistakes = {
        "This is the saturating loss E[log(1 − D)]: its gradient vanishes when D is sure. The non-saturating one is "
        "−E[log D].": -no(fake),
        "The generator wants D to say real (1) to its samples; this rewards it for being found out.": no(fake),
        "The sign is turned round: a loss is minimised, so it is −E[log D].": -yes(fake),
        "The generator's loss is about its own samples, not about the real ones.": yes(real),
    }
    compare(fooled, yes(fake), "the loss of the generator", mistakes)
