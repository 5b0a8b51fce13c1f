"""Checks for the exercises of chapter 01, neural networks (seed 000, §2.1, §2.2 and §2.4)."""

from collections.abc import Callable

import torch
import torch.nn.functional as F

from .core import Attempt, CheckResult, Wrong, compare, run, same, tensor


def check_perceptron_update(function: Callable) -> CheckResult:
    """Warm-up: ``function(weights, x, target, rate) -> weights`` is one step of the perceptron's learning rule.

    weights: (D,). x: (D,), its first entry 1, so that the first weight is the bias. target: 0 or 1. rate: η.
    The neuron fires when the weighted sum is > 0 (000, Eq. 2.2); the new weights are w + η (target − output) x.
    """

    def judge(attempt: Attempt) -> str:
        generator = torch.Generator().manual_seed(0)
        cases = [(torch.zeros(3), torch.tensor([1.0, 0.0, 1.0]), target, 1.0) for target in (0, 1)]
        for number in range(40):
            w, x = torch.randn(4, generator=generator), torch.randn(4, generator=generator)
            cases.append((w, torch.cat([torch.ones(1), x[1:]]), number % 2, 0.25))
        for w, x, target, rate in cases:
            score = w @ x
            output = float(score > 0)
            expected = w + rate * (target - output) * x
            mistakes = {
                "Both kinds of mistake move the weights the same way: use target - output, with its sign.": w
                + rate * abs(target - output) * x,
                "The sign is turned round: a neuron that should have fired needs a larger sum, so x is added.": w
                - rate * (target - output) * x,
                "The learning rate is missing: multiply the step by rate.": w + (target - output) * x,
                "The neuron fires only when the sum is greater than 0; here it fires at 0 too.": w
                + rate * (target - float(score >= 0)) * x,
                "The step compares the target with the weighted sum; compare it with the output, 1 if the sum is "
                "> 0 and else 0. The perceptron changes nothing when the output is right.": w
                + rate * (target - score) * x,
                "The input is missing: each weight moves in proportion to its own x_i.": w + rate * (target - output),
                "This is the step, not the new weights: add it to the old ones.": rate * (target - output) * x,
            }
            compare(attempt(w, x, target, rate), expected, "the new weights", mistakes)
        return "right answers change nothing, and wrong ones move the line towards the example."

    return run(function, "perceptron_update(weights, x, target, rate)", judge)


def check_softmax(function: Callable) -> CheckResult:
    """Core: ``function(scores) -> probabilities``, softmax over the last axis, also of very large scores (000,
    §2.2).
    """

    def judge(attempt: Attempt) -> str:
        generator = torch.Generator().manual_seed(0)
        for shape in ((4, 4), (3, 5), (2, 3, 6), (7,)):
            scores = 3 * torch.randn(shape, generator=generator)
            small = scores.exp()
            mistakes = {
                "This sums over all entries; each row needs a sum of its own (dim=-1, keepdim=True).": small
                / small.sum(),
                "Each column sums to 1 here, each row should: the classes are on the last axis, dim=-1.": small
                / small.sum(0, keepdim=True),
                "This is the logarithm of the probabilities.": scores.log_softmax(-1),
                "The exponentials are right; divide them by their sum.": small,
                "This divides the scores by their sum; softmax takes their exponentials first.": scores
                / scores.sum(-1, keepdim=True),
            }
            compare(attempt(scores), scores.softmax(-1), "the result", mistakes)
        _judge_large(attempt)
        return "every row sums to 1, and scores in the thousands do no harm."

    return run(function, "softmax(scores)", judge)


def _judge_large(attempt: Attempt) -> None:
    def judge(scores, what, hint):
        answer = tensor(attempt(scores), "the result", tuple(scores.shape), kind="float")
        if not answer.isfinite().all():
            raise Wrong(f"{what} the result holds {answer[~answer.isfinite()][0].item()}", hint)
        clamped = torch.full_like(scores, 1 / scores.shape[-1])
        mistakes = {"Clamping makes different scores equal; only their differences count, so subtract.": clamped}
        compare(answer, scores.softmax(-1), f"{what} the result", mistakes)

    one = torch.tensor([[1000.0, 1001.0, 999.0]])
    judge(
        one,
        "for scores near 1000",
        "exp(1000) is beyond any float. Softmax does not change when the same number is subtracted from all scores: "
        "subtract the greatest.",
    )
    judge(
        -one,
        "for scores near -1000",
        "exp(-1000) is 0, and 0 / 0 is not a number. Subtract the greatest score itself, not its absolute value: that "
        "makes one of the exponentials 1.",
    )
    judge(
        torch.cat([one, -one]),
        "for rows of very different size",
        "One maximum for everything leaves the smaller rows with 0 / 0: subtract from each row its own maximum "
        "(amax(-1, keepdim=True)).",
    )


def check_layer_backward(function: Callable) -> CheckResult:
    """Core: ``function(x, weight, upstream) -> (grad_x, grad_weight, grad_bias)`` of y = x Wᵀ + b (000, Eq. 2.20).

    x: (N, I). weight: (O, I), as in torch.nn.Linear. upstream: (N, O), the gradient of the loss with respect to y.
    """

    def judge(attempt: Attempt) -> str:
        generator = torch.Generator().manual_seed(0)
        for count, inputs, outputs in ((5, 3, 4), (3, 4, 4), (2, 2, 2), (1, 6, 2)):
            x, g = (torch.randn(count, size, generator=generator) for size in (inputs, outputs))
            w = torch.randn(outputs, inputs, generator=generator)
            answer = attempt(x, w, g)
            if not isinstance(answer, tuple | list) or len(answer) != 3:
                raise Wrong(
                    f"layer_backward gave {type(answer).__name__}; it should give three things",
                    "End with: return grad_x, grad_weight, grad_bias",
                )
            _judge_gradients(answer, x, w, g)
        return "all three gradients are those of autograd."

    return run(function, "layer_backward(x, weight, upstream)", judge)


def _judge_gradients(answer, x, w, g) -> None:
    leaves = [x.clone().requires_grad_(), w.clone().requires_grad_(), torch.zeros(len(w), requires_grad=True)]
    dx, dw, db = torch.autograd.grad(F.linear(*leaves), leaves, g)
    if same(answer[0], dw) and same(answer[1], dx) and not same(dw, dx):
        raise Wrong("the first two gradients are in each other's place", "The order is x, weight, bias.")
    transposed = "This is the transpose of the gradient; a gradient has the shape of what it belongs to, here {}."
    summed = "Divided by N? The mean belongs to the loss; its 1/N is in upstream already. Sum over the batch."
    compare(
        answer[1],
        dw,
        "grad_weight",
        {transposed.format("(O, I)"): dw.T, summed: dw / len(x)},
    )
    square = (
        {"Going back, the matrix is used the other way round: no transpose here.": g @ w.T}
        if len(w) == w.shape[1]
        else {}
    )
    compare(answer[0], dx, "grad_x", {transposed.format("(N, I)"): dx.T, **square})
    compare(
        answer[2],
        db,
        "grad_bias",
        {
            "The bias is added to every row of the batch, so its gradient is the sum over the batch.": g,
            summed: db / len(x),
            "Sum over the batch (axis 0), not over the outputs.": g.sum(1),
            "The sum over the batch has shape (O,), as the bias has; there is an axis too many.": db[None],
        },
    )


def check_backward_order(function: Callable) -> CheckResult:
    """Core: ``function(node, parents) -> order``: the order in which gradients can be sent back (000, §2.4).

    parents: name → names of the nodes it is computed from. order: starts with ``node``; holds every node that it
    depends on, each once, and each after *all* nodes that use it. Any valid order is right.
    """
    graphs = [
        ("c", {"a": [], "b": ["a"], "c": ["b"]}),
        ("y", {"x": [], "w": [], "z": ["w", "x"], "y": ["z"]}),
        ("d", {"a": [], "b": ["a"], "c": ["a"], "d": ["b", "c"]}),  # a diamond
        ("e", {"a": [], "b": ["a"], "c": ["b"], "d": ["c"], "e": ["a", "d"]}),  # a short and a long way to a
        ("e", {"a": [], "b": ["a"], "c": ["b"], "d": ["c"], "e": ["d", "a"]}),
        ("loss", {"x": [], "sq": ["x", "x"], "other": ["sq"], "loss": ["sq"]}),  # "other" is not needed
        ("44", {str(n): [str(n - 1), str(n - 2)] if n > 1 else [] for n in range(45)}),  # 10^9 ways to the end
    ]

    def judge(attempt: Attempt) -> str:
        for node, parents in graphs:
            _judge_order(attempt(node, parents), node, parents)
        return "every node waits for all nodes that use it, and is there once."

    return run(function, "backward_order(node, parents)", judge, seconds=2.0)


def _ancestors(node: str, parents: dict[str, list[str]]) -> set[str]:
    found, waiting = set(), [node]
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += parents[name]
    return found


def _judge_order(order, node: str, parents: dict[str, list[str]]) -> None:
    needed = _ancestors(node, parents)
    if not isinstance(order, list | tuple):
        raise Wrong(f"the order is of type {type(order).__name__}; it should be a list of names")
    order = list(order)
    strangers = [name for name in order if not isinstance(name, str) or name not in parents]
    if strangers:
        raise Wrong(f"{strangers[0]!r} is no node of the graph", "The order holds names, keys of parents.")
    told = f"for the graph {parents} and node {node!r} it gave {order}"
    if len(set(order)) < len(order):
        raise Wrong(f"{told}: a node stands there twice", "Keep a set of what was visited, and return at once there.")
    if node not in order:
        raise Wrong(f"{told}: the node itself is missing", "Start with the node: its own gradient is 1.")
    if missing := needed - set(order):
        raise Wrong(
            f"{told}: {sorted(missing)[0]!r} is missing",
            "The parents of parents belong to it, down to nodes without parents.",
        )
    if extra := set(order) - needed:
        raise Wrong(
            f"{told}: {sorted(extra)[0]!r} is there, though {node!r} does not depend on it",
            "Start from the node and walk to its parents; do not walk over the whole graph.",
        )
    place = {name: number for number, name in enumerate(order)}
    if all(place[name] < place[parent] for name in order for parent in parents[name]):
        return
    turned = all(place[name] > place[parent] for name in order for parent in parents[name])
    hint = (
        "Parents come before children here; that is the order of the forward pass. Return it the other way round."
        if turned
        else "A node has to wait for all nodes that use it, not only for the first that is met: count its users among "
        "the nodes needed, and let it go when the count is down to 0."
    )
    raise Wrong(f"{told}: a node stands before one that uses it", hint)
