"""Answers to the exercises of chapter 02."""

import math

import torch

from course_lib.exercises import ch02


def cross_entropy(logits, targets):
    highest = logits.amax(1, keepdim=True)
    log_sum = highest[:, 0] + (logits - highest).exp().sum(1).log()
    return (log_sum - logits[torch.arange(len(targets)), targets]).mean()


def entropy_with(log_p, reduce=torch.mean):
    """The right answer with other log-probabilities, or reduced in another way."""
    return lambda z, t: reduce(-log_p(z)[torch.arange(len(t)), t])


def adam(theta, gradient, m, v, t, lr, beta1, beta2, eps):
    m = beta1 * m + (1 - beta1) * gradient
    v = beta2 * v + (1 - beta2) * gradient * gradient
    return theta - lr * (m / (1 - beta1**t)) / ((v / (1 - beta2**t)).sqrt() + eps), m, v


def adam_uncorrected(theta, gradient, m, v, t, lr, beta1, beta2, eps):
    m, v = beta1 * m + (1 - beta1) * gradient, beta2 * v + (1 - beta2) * gradient**2
    return theta - lr * m / (v.sqrt() + eps), m, v


def adam_inside(theta, gradient, m, v, t, lr, beta1, beta2, eps):
    m, v = beta1 * m + (1 - beta1) * gradient, beta2 * v + (1 - beta2) * gradient**2
    return theta - lr * (m / (1 - beta1**t)) / (v / (1 - beta2**t) + eps).sqrt(), m, v


def adam_swapped(theta, gradient, m, v, t, lr, beta1, beta2, eps):
    return adam(theta, gradient, m, v, t, lr, beta2, beta1, eps)


def adam_returns_corrected(theta, gradient, m, v, t, lr, beta1, beta2, eps):
    theta, m, v = adam(theta, gradient, m, v, t, lr, beta1, beta2, eps)
    return theta, m / (1 - beta1**t), v


def adam_of_gradient(theta, gradient, m, v, t, lr, beta1, beta2, eps):
    return theta, beta1 * m + (1 - beta1) * gradient, beta2 * v + (1 - beta2) * gradient


def adam_late(theta, gradient, m, v, t, lr, beta1, beta2, eps):
    return adam(theta, gradient, m, v, t + 1, lr, beta1, beta2, eps)


def schedule(epoch, peak, warmup, cycle):
    if epoch < warmup:
        return peak * (epoch + 1) / warmup
    return peak * (1 + math.cos(math.pi * ((epoch - warmup) % cycle) / cycle)) / 2


def schedule_from_zero(epoch, peak, warmup, cycle):
    return peak * epoch / warmup if epoch < warmup else schedule(epoch, peak, warmup, cycle)


def schedule_off_by_one(epoch, peak, warmup, cycle):
    if epoch < warmup:
        return schedule(epoch, peak, warmup, cycle)
    return peak * (1 + math.cos(math.pi * ((epoch - warmup) % cycle) / (cycle - 1))) / 2


def schedule_without_restart(epoch, peak, warmup, cycle):
    if epoch < warmup:
        return schedule(epoch, peak, warmup, cycle)
    return peak * (1 + math.cos(math.pi * (epoch - warmup) / cycle)) / 2


def schedule_from_the_start(epoch, peak, warmup, cycle):
    return schedule(epoch, peak, warmup, cycle) if epoch < warmup else schedule(epoch + warmup, peak, warmup, cycle)


def barzilai_borwein(gradient, start, steps):
    theta, g = start, gradient(start)
    rate = 1.0
    for _ in range(steps - 1):
        new = theta - rate * g
        g_new = gradient(new)
        s, y = new - theta, g_new - g
        if s @ y <= 1e-300:
            return new
        rate, theta, g = (s @ s) / (s @ y), new, g_new
    return theta - rate * g


def descend(rate, momentum=0.0, extra=0):
    def function(gradient, start, steps):
        theta, velocity = start, 0.0
        for _ in range(steps + extra):
            velocity = momentum * velocity + gradient(theta)
            theta = theta - rate * velocity
        return theta

    return function


MISTAKES = [
    (ch02.check_cross_entropy, entropy_with(lambda z: z.softmax(1).log()), "exp(1000) overflows"),
    (
        ch02.check_cross_entropy,
        entropy_with(lambda z: (z.exp() / z.exp().sum(1, keepdim=True)).log()),
        "exp(1000) overflows",
    ),
    (ch02.check_cross_entropy, entropy_with(lambda z: z.log_softmax(0)), "over the classes, axis 1"),
    (ch02.check_cross_entropy, entropy_with(lambda z: z.log_softmax(1), torch.sum), "take the mean (Eq. 2.10)"),
    (ch02.check_cross_entropy, entropy_with(lambda z: -z.log_softmax(1)), "The sign is wrong"),
    (ch02.check_cross_entropy, entropy_with(lambda z: z.softmax(1).log_softmax(1)), "Softmax was taken twice"),
    (ch02.check_cross_entropy, entropy_with(lambda z: z.softmax(1)), "There is no log"),
    (ch02.check_cross_entropy, lambda z, t: -z.log_softmax(1).mean(), "pick the true class"),
    (ch02.check_cross_entropy, lambda z, t: cross_entropy(z, t) / z.shape[1], "over samples and classes"),
    (ch02.check_adam_step, adam_uncorrected, "The bias correction is missing"),
    (ch02.check_adam_step, adam_inside, "eps stands inside the root"),
    (ch02.check_adam_step, adam_swapped, "have changed places"),
    (ch02.check_adam_step, adam_returns_corrected, "for this step only"),
    (ch02.check_adam_step, adam_of_gradient, "averages the squares"),
    (ch02.check_adam_step, adam_late, "do not add one to it"),
    (ch02.check_adam_step, lambda *given: adam(*given)[0], "return theta, m, v"),
    (ch02.check_schedule, schedule_from_zero, "its first epoch is lost"),
    (ch02.check_schedule, schedule_off_by_one, "not by T - 1"),
    (ch02.check_schedule, schedule_without_restart, "modulo cycle"),
    (ch02.check_schedule, schedule_from_the_start, "from the end of the warm-up"),
    (ch02.check_ravine, descend(1.9), "s·y / s·s is the curvature"),
    (ch02.check_ravine, descend(0.3, 0.9), "s·y / s·s is the curvature"),
    (ch02.check_ravine, descend(2.5), "needs a rate below 2"),
    (ch02.check_ravine, lambda gradient, start, steps: start, "Return the last θ"),
]
RIGHT = [
    (ch02.check_cross_entropy, cross_entropy),
    (ch02.check_cross_entropy, torch.nn.functional.cross_entropy),
    (ch02.check_adam_step, adam),
    (ch02.check_schedule, schedule),
    (ch02.check_schedule, lambda *given: torch.tensor(schedule(*given))),
    (ch02.check_ravine, barzilai_borwein),
]
