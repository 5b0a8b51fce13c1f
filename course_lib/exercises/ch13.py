"""Checks for the exercises of chapter 13, image transformations (seed 001, chapter 4)."""

from collections.abc import Callable

import torch
import torch.nn.functional as F

from .core import Attempt, CheckResult, Wrong, as_scalar, compare, run


def check_hide(function: Callable) -> CheckResult:
    """Warm-up: ``function(patches, noise, border) -> inputs``, what an inpainter with limited context sees (Eq. 4.3).

    patches, noise: (B, C, s, s). border: pixels on each side that are kept; the rest is the noise.
    """

    def judge(attempt: Attempt) -> str:
        generator = torch.Generator().manual_seed(0)
        for count, side, border in ((3, 8, 2), (2, 9, 1), (1, 12, 4)):
            patches, noise = torch.randn(2, count, 3, side, side, generator=generator)
            inner = torch.zeros(side, side, dtype=torch.bool)
            inner[border:-border, border:-border] = True
            rows = torch.zeros(side, side, dtype=torch.bool)
            rows[border:-border] = True
            corner = torch.zeros(side, side, dtype=torch.bool)
            corner[border:, border:] = True
            mistakes = {
                "This keeps the centre and hides the border; the inpainter is to see the border only.": torch.where(
                    inner, patches, noise
                ),
                "The noise is added to the patch: what was in the centre still shines through. There the noise "
                "alone should be.": patches + noise * inner,
                "The centre is empty; it should hold the noise z.": patches * ~inner,
                "Rows are hidden but columns are not: the mask needs border:-border on both axes.": torch.where(
                    rows, noise, patches
                ),
                "The border is kept above and on the left only; border:-border cuts on both sides.": torch.where(
                    corner, noise, patches
                ),
                "Nothing is hidden: this is the patch itself.": patches,
            }
            compare(attempt(patches, noise, border), torch.where(inner, noise, patches), "the input", mistakes)
        return "the border is the patch's, the centre is noise."

    return run(function, "hide(patches, noise, border)", judge)


def check_hinge(function: Callable) -> CheckResult:
    """Core: ``function(real, fake) -> (loss of D, loss of F)``, the hinge losses for logits (B,) of real and of painted
    patches: means of max(0, 1 − real) and of max(0, 1 + fake), added; and minus the mean of fake.
    """

    def judge(attempt: Attempt) -> str:
        generator = torch.Generator().manual_seed(1)
        for count in (6, 40):
            real, fake = 2 * torch.randn(2, count, generator=generator)
            answer = attempt(real, fake)
            if not isinstance(answer, tuple | list) or len(answer) != 2:
                raise Wrong("the answer is not a pair", "Return two numbers: the loss of D, then that of F.")
            caught, fooled = answer
            discriminator = F.relu(1 - real).mean() + F.relu(1 + fake).mean()
            mistakes = {
                "Real and painted are exchanged: D wants large logits for real patches.": F.relu(1 + real).mean()
                + F.relu(1 - fake).mean(),
                "Without max(0, ·) D is paid for logits that are large already; the hinge says: enough is enough.": (
                    1 - real
                ).mean()
                + (1 + fake).mean(),
                "The margin is missing: max(0, 1 − real), not max(0, −real).": F.relu(-real).mean()
                + F.relu(fake).mean(),
                "These are sums; take means over the batch.": F.relu(1 - real).sum() + F.relu(1 + fake).sum(),
                "This is the mean over both halves together; add the two means.": 0.5
                * (F.relu(1 - real).mean() + F.relu(1 + fake).mean()),
            }
            compare(caught, discriminator, "the loss of D", mistakes)
            wrong = {
                "The sign: F wants large logits for what it painted, so it minimises minus their mean.": fake.mean(),
                "F has no hinge: with max(0, ·) it gets no gradient from patches that fool D already.": F.relu(
                    1 - fake
                ).mean(),
                "F does not appear in the logits of real patches.": -fake.mean() + real.mean(),
            }
            compare(fooled, -fake.mean(), "the loss of F", wrong)
        return "D stops where it is sure, F never does."

    return run(function, "hinge(real, fake)", judge)


def check_loocv(function: Callable) -> CheckResult:
    """Core: ``function(features, labels) -> float``: the share of rows whose nearest *other* row, by cosine, has their
    label (001 §4.4.2 with k = 1). features: (N, D), not normalised. labels: int64 (N,).
    """

    def judge(attempt: Attempt) -> str:
        generator = torch.Generator().manual_seed(2)
        for count, classes in ((60, 3), (90, 5)):
            labels = torch.randint(classes, (count,), generator=generator)
            centres = torch.randn(classes, 5, generator=generator)
            features = centres[labels] + 1.2 * torch.randn(count, 5, generator=generator)
            features = features * torch.logspace(-1, 1, count)[torch.randperm(count, generator=generator), None]
            cosine = F.normalize(features, dim=1) @ F.normalize(features, dim=1).T
            self_too = torch.eye(count, dtype=torch.bool)

            def share(similarity, mask=self_too, labels=labels):
                nearest = similarity.masked_fill(mask, -torch.inf).argmax(1)
                return (labels[nearest] == labels).float().mean()

            mistakes = {
                "Every row finds itself: leave it out, e.g. by putting −inf on the diagonal.": torch.tensor(1.0),
                "These are dot products; long rows win them whatever their direction. Normalise first.": share(
                    features @ features.T
                ),
                "These are Euclidean distances; the protocol takes the cosine.": share(
                    -torch.cdist(features, features)
                ),
                "These are the least similar rows.": share(-cosine),
            }
            compare(as_scalar(attempt(features, labels)), share(cosine), "the share", mistakes)
        return "no row voted for itself."

    return run(function, "loocv(features, labels)", judge)
