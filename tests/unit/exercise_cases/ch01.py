"""Answers to the exercises of chapter 01."""

from course_lib.exercises import ch01


def perceptron_update(weights, x, target, rate):
    output = 1 if weights @ x > 0 else 0
    return weights + rate * (target - output) * x


def softmax(scores):
    powers = (scores - scores.amax(-1, keepdim=True)).exp()
    return powers / powers.sum(-1, keepdim=True)


def layer_backward(x, weight, upstream):
    return upstream @ weight, upstream.T @ x, upstream.sum(0)


def layer_with(dx=None, dw=None, db=None):
    """The right answer with one of the three replaced."""

    def function(x, w, g):
        right = layer_backward(x, w, g)
        return tuple(wrong(x, w, g) if wrong else good for wrong, good in zip((dx, dw, db), right, strict=True))

    return function


def backward_order(node, parents):
    """By counting: a node goes when all its users have gone."""
    needed = set(depth_first(node, parents))
    users = {name: sum(name in parents[other] for other in needed) for name in needed}
    ready, order = [node], []
    while ready:
        name = ready.pop(0)
        order.append(name)
        for parent in dict.fromkeys(parents[name]):
            users[parent] -= 1
            if users[parent] == 0:
                ready.append(parent)
    return order


def depth_first(node, parents):
    order, seen = [], set()

    def visit(name):
        if name not in seen:
            seen.add(name)
            for parent in parents[name]:
                visit(parent)
            order.append(name)

    visit(node)
    return order[::-1]


# --- typical mistakes
def visit_again(node, parents):
    return [node] + [name for parent in parents[node] for name in visit_again(parent, parents)]


def breadth_first(node, parents):
    order = [node]
    for name in order:
        order += [parent for parent in dict.fromkeys(parents[name]) if parent not in order]
    return order


def softmax_less(shift):
    """Softmax after ``shift(scores)`` was subtracted."""

    def function(scores):
        powers = (scores - shift(scores)).exp()
        return powers / powers.sum(-1, keepdim=True)

    return function


MISTAKES = [
    (ch01.check_perceptron_update, lambda w, x, t, r: w - r * (t - float(w @ x > 0)) * x, "turned round"),
    (ch01.check_perceptron_update, lambda w, x, t, r: w + (t - float(w @ x > 0)) * x, "rate is missing"),
    (ch01.check_perceptron_update, lambda w, x, t, r: w + r * (t - float(w @ x >= 0)) * x, "it fires at 0 too"),
    (ch01.check_perceptron_update, lambda w, x, t, r: w + r * (t - w @ x) * x, "with the weighted sum"),
    (ch01.check_perceptron_update, lambda w, x, t, r: w + r * (t - float(w @ x > 0)), "input is missing"),
    (ch01.check_perceptron_update, lambda w, x, t, r: r * (t - float(w @ x > 0)) * x, "the step, not the new"),
    (ch01.check_perceptron_update, lambda w, x, t, r: w + r * abs(t - float(w @ x > 0)) * x, "Both kinds of mistake"),
    (ch01.check_softmax, softmax_less(lambda s: 0), "exp(1000) is beyond"),
    (ch01.check_softmax, softmax_less(lambda s: s.abs().amax(-1, keepdim=True)), "0 / 0 is not a number"),
    (ch01.check_softmax, softmax_less(lambda s: s.max()), "its own maximum"),
    (ch01.check_softmax, lambda s: s.clamp(-80, 80).softmax(-1), "Clamping makes"),
    (ch01.check_softmax, lambda s: s.softmax(0), "Each column sums to 1"),
    (ch01.check_softmax, lambda s: s.exp() / s.exp().sum(), "This sums over all entries"),
    (ch01.check_softmax, lambda s: s.log_softmax(-1), "logarithm of the probabilities"),
    (ch01.check_softmax, lambda s: s.exp(), "divide them by their sum"),
    (ch01.check_softmax, lambda s: s / s.sum(-1, keepdim=True), "divides the scores"),
    (ch01.check_layer_backward, layer_with(dw=lambda x, w, g: x.T @ g), "here (O, I)"),
    (ch01.check_layer_backward, layer_with(dx=lambda x, w, g: (g @ w).T), "here (N, I)"),
    (ch01.check_layer_backward, layer_with(dw=lambda x, w, g: g.T @ x / len(x)), "The mean belongs to the loss"),
    (ch01.check_layer_backward, layer_with(db=lambda x, w, g: g.mean(0)), "The mean belongs to the loss"),
    (ch01.check_layer_backward, layer_with(db=lambda x, w, g: g), "added to every row"),
    (ch01.check_layer_backward, layer_with(db=lambda x, w, g: g.sum(1)), "not over the outputs"),
    (ch01.check_layer_backward, layer_with(db=lambda x, w, g: g.sum(0, keepdim=True)), "an axis too many"),
    (
        ch01.check_layer_backward,
        layer_with(dx=lambda x, w, g: g @ (w.T if len(w) == w.shape[1] else w)),
        "no transpose here",
    ),
    (ch01.check_layer_backward, lambda x, w, g: (g.T @ x, g @ w, g.sum(0)), "The order is x, weight, bias"),
    (ch01.check_layer_backward, lambda x, w, g: g @ w, "return grad_x, grad_weight, grad_bias"),
    (ch01.check_backward_order, visit_again, "set of what was visited"),
    (ch01.check_backward_order, breadth_first, "count its users"),
    (ch01.check_backward_order, lambda n, p: depth_first(n, p)[::-1], "the other way round"),
    (ch01.check_backward_order, lambda n, p: list(p)[::-1], "do not walk over the whole graph"),
    (ch01.check_backward_order, lambda n, p: depth_first(n, p)[1:], "Start with the node: its own"),
    (ch01.check_backward_order, lambda n, p: [n, *dict.fromkeys(p[n])], "parents of parents"),
    (ch01.check_backward_order, lambda n, p: list(range(len(p))), "keys of parents"),
    (ch01.check_backward_order, lambda n, p: list(dict.fromkeys(visit_again(n, p)[::-1]))[::-1], "a loop that cannot"),
]
RIGHT = [
    (ch01.check_perceptron_update, perceptron_update),
    (ch01.check_perceptron_update, lambda w, x, t, r: w + r * (t - (w @ x > 0).float()) * x),
    (ch01.check_softmax, softmax),
    (ch01.check_softmax, lambda s: (s - s.logsumexp(-1, keepdim=True)).exp()),
    (ch01.check_layer_backward, layer_backward),
    (ch01.check_layer_backward, lambda x, w, g: list(layer_backward(x, w, g))),
    (ch01.check_backward_order, backward_order),
    (ch01.check_backward_order, depth_first),
    (ch01.check_backward_order, lambda n, p: tuple(depth_first(n, p))),
]
