"""Answers to the exercises of chapter 06."""

import torch

from course_lib.exercises import ch06


def mid_planes(n, m, t, d):
    return t * d * d * n * m // (d * d * n + t * m)


def flow_step(flow, ix, iy, it, alpha, *, start="mean", base="mean", sign=-1, smooth=2, change=1):
    mean = ch06.neighbour_mean(flow) if start == "mean" else flow
    gradient = torch.stack([ix, iy])
    left = (gradient * mean).sum(0) + change * it
    floor = {0: 0.0, 1: alpha, 2: alpha**2}[smooth]
    return (mean if base == "mean" else flow) + sign * gradient * left / (floor + ix**2 + iy**2)


def flow_step_with(**changes):
    return lambda flow, ix, iy, it, alpha: flow_step(flow, ix, iy, it, alpha, **changes)


def inflate(weight, depth):
    return weight[:, :, None].repeat(1, 1, depth, 1, 1) / depth


def centre(weight, depth):
    new = torch.zeros(*weight.shape[:2], depth, *weight.shape[2:])
    new[:, :, depth // 2] = weight
    return new


def consensus(scores, segments):
    part = scores.shape[1] // segments
    return scores[:, (part - 1) // 2 :: part].mean(1)


RIGHT = [
    (ch06.check_mid_planes, mid_planes),
    (ch06.check_mid_planes, lambda n, m, t, d: torch.tensor(mid_planes(n, m, t, d))),
    (ch06.check_flow_step, flow_step),
    (ch06.check_flow_step, lambda *given: tuple(flow_step(*given))),
    (ch06.check_inflate, inflate),
    (ch06.check_inflate, lambda w, t: torch.stack([w / t] * t, 2)),
    (ch06.check_consensus, consensus),
]
MISTAKES = [
    (ch06.check_mid_planes, lambda n, m, t, d: t * d * d * n * m / (d * d * n + t * m), "whole: round down"),
    (ch06.check_mid_planes, lambda n, m, t, d: mid_planes(n, m, t, d) + 1, "Rounded up"),
    (ch06.check_mid_planes, lambda n, m, t, d: t * d * d * n * m // (d * d * m + t * n), "swapped"),
    (ch06.check_mid_planes, lambda n, m, t, d: t * d * n * m // (d * n + t * m), "d must be squared"),
    (ch06.check_mid_planes, lambda n, m, t, d: t * d * d * n * m // (d * d * n + m), "t is missing"),
    (ch06.check_mid_planes, lambda n, m, t, d: n, "solve for M"),
    (ch06.check_mid_planes, lambda n, m, t, d: "45", "Return an int"),
    (ch06.check_flow_step, flow_step_with(sign=1), "wrong way"),
    (ch06.check_flow_step, flow_step_with(start="flow", base="flow"), "Nothing couples"),
    (ch06.check_flow_step, flow_step_with(base="flow"), "subtracted from the old flow"),
    (ch06.check_flow_step, flow_step_with(smooth=1), "alpha is squared"),
    (ch06.check_flow_step, flow_step_with(smooth=0), "lacks alpha"),
    (ch06.check_flow_step, flow_step_with(change=0), "It is missing"),
    (ch06.check_flow_step, flow_step_with(change=-1), "wrong sign"),
    (ch06.check_inflate, lambda w, t: w[:, :, None].repeat(1, 1, t, 1, 1), "not divided"),
    (ch06.check_inflate, centre, "by the centre"),
    (ch06.check_inflate, lambda w, t: inflate(w, t) / t, "divided twice"),
    (ch06.check_inflate, lambda w, t: torch.stack([w / t] * t), "wrong axis"),
    (ch06.check_inflate, lambda w, t: torch.stack([w / t] * t, -1), "wrong axis"),
    (ch06.check_consensus, lambda s, k: s.mean(1), "All frames"),
    (ch06.check_consensus, lambda s, k: consensus(s, k) * k, "summed"),
    (ch06.check_consensus, lambda s, k: s[:, :: s.shape[1] // k].mean(1), "first frame of each part"),
    (ch06.check_consensus, lambda s, k: s[:, :k].mean(1), "from one part"),
    (
        ch06.check_consensus,
        lambda s, k: s.unflatten(1, (-1, k))[:, (s.shape[1] // k - 1) // 2].mean(1),
        "wrong way round",
    ),
    (ch06.check_consensus, lambda s, k: s[:, (s.shape[1] // k - 1) // 2 :: s.shape[1] // k].amax(1), "maximum"),
]
