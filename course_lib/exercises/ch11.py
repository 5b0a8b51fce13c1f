"""Checks for the exercises of chapter 11, contrastive learning on images (002 §4.1.3, eqs. 1, 2; 001 §2.4)."""

from collections.abc import Callable

import torch
import torch.nn.functional as F

from .core import Attempt, CheckResult, Wrong, as_scalar, compare, run


def check_enqueue(function: Callable) -> CheckResult:
    """Warm-up: ``function(queue, keys, oldest) -> (queue, oldest)``, MoCo's queue (002 §4.1.3).

    queue: (K, D). keys: (B, D), B divides K. oldest: the row from which on the oldest keys stand.
    """

    def judge(attempt: Attempt) -> str:
        for places, batch in ((6, 2), (4, 4)):
            draw = torch.Generator().manual_seed(places)
            queue, oldest = torch.randn(places, 3, generator=draw), 0
            for turn in range(places // batch + 1):
                keys = torch.randn(batch, 3, generator=draw)
                right = queue.clone()
                right[oldest : oldest + batch] = keys
                answer = attempt(queue.clone(), keys, oldest)
                if not isinstance(answer, tuple | list) or len(answer) != 2:
                    raise Wrong("enqueue should give two things", "End with: return queue, oldest")
                after = (oldest + batch) % places
                mistakes = {
                    "The newest keys were replaced; the queue is first in, first out: begin at `oldest`.": torch.cat(
                        [queue[:-batch], keys]
                    ),
                    "The keys stand at the front of the queue whatever `oldest` says.": torch.cat(
                        [keys, queue[batch:]]
                    ),
                    "The queue has grown; it keeps K rows.": torch.cat([queue, keys]),
                    "The queue is what it was: put the keys in.": queue,
                }
                compare(answer[0], right, f"the queue after batch {turn + 1}", mistakes)
                compare(
                    as_scalar(answer[1]),
                    torch.tensor(after),
                    "oldest",
                    {
                        "`oldest` runs past the end of the queue: take it modulo K.": torch.tensor(oldest + batch),
                        "`oldest` has not moved: the next batch would replace these keys.": torch.tensor(oldest),
                        "`oldest` moves by one; a whole batch was put in.": torch.tensor((oldest + 1) % places),
                    },
                )
                queue, oldest = right, after
        return "first in, first out"

    return run(function, "enqueue(queue, keys, oldest)", judge)


def check_uniformity(function: Callable) -> CheckResult:
    """Core: ``function(features) -> number``, log E exp(−2 ‖x − y‖²), rows of length 1 (001 §2.4)."""

    def judge(attempt: Attempt) -> str:
        for rows in (5, 8):
            features = torch.randn(rows, 4, generator=torch.Generator().manual_seed(rows)) * 2
            unit = F.normalize(features, dim=1)
            squared = torch.pdist(unit).square()
            whole = torch.cdist(unit, unit).square()

            def of(squares, t=2):
                return squares.mul(-t).exp().mean().log()

            mistakes = {
                "The rows are not of length 1 yet: normalise them.": of(torch.pdist(features).square()),
                "The pairs of a row with itself are in the mean; leave the diagonal out.": of(whole),
                "The logarithm of the mean is asked, not the mean of the logarithms (which is −2 times the mean "
                "squared distance).": squared.mul(-2).mean(),
                "The distances should be squared.": of(squared.sqrt()),
                "The factor 2 in the exponent is missing.": of(squared, 1),
                "The logarithm is missing.": of(squared).exp(),
            }
            compare(as_scalar(attempt(features)), of(squared), "the uniformity", mistakes)
        same = torch.ones(6, 3)
        compare(as_scalar(attempt(same)), torch.tensor(0.0), "the uniformity of a collapsed network", {})
        return "0 when collapsed, and the lower the more even"

    return run(function, "uniformity(features)", judge)


def check_supcon(function: Callable) -> CheckResult:
    """Core: ``function(z, labels, tau) -> loss``, NT-Xent with all rows of the same label as positives (002 §4.1.3).

    z: (N, D), of any length. labels: (N,), each at least twice.
    """

    def judge(attempt: Attempt) -> str:
        for labels in ([0, 1, 0, 1, 1], [2, 2, 0, 0, 0, 2, 2]):
            labels = torch.tensor(labels)
            count, tau = len(labels), 0.5
            z = torch.randn(count, 4, generator=torch.Generator().manual_seed(count)) * 2
            unit, itself = F.normalize(z, dim=1), torch.eye(count, dtype=torch.bool)
            same = (labels[:, None] == labels) & ~itself

            def loss(similar, positives=same, among=~itself, itself=itself):
                logs = similar - similar.masked_fill(~among, float("-inf")).logsumexp(1, keepdim=True)
                return -((logs * positives).sum(1) / positives.sum(1)).mean()

            similar = unit @ unit.T / tau
            logs = similar - similar.masked_fill(itself, float("-inf")).logsumexp(1, keepdim=True)
            mistakes = {
                "The embeddings are to be normalised first: cosines.": loss(z @ z.T / tau),
                "tau is not used: divide the cosines by it.": loss(similar * tau),
                "A row is in its own denominator: the sum is over all a ≠ i.": loss(similar, among=same | ~same),
                "A row is a positive of itself: take the diagonal out of the positives.": loss(
                    similar, positives=same | itself
                ),
                "The mean runs over all pairs; each anchor should count once, with the mean over its own positives.": -(
                    logs[same].mean()
                ),
                "Positives are missing from the denominator: it holds all a ≠ i, positives and negatives.": loss(
                    similar, among=~same & ~itself
                ),
            }
            compare(as_scalar(attempt(z, labels, tau)), loss(similar), "the loss", mistakes)
        return "with one positive for each row this is NT-Xent"

    return run(function, "supcon(z, labels, tau)", judge)
