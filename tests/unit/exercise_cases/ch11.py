"""Answers to the exercises of chapter 11."""

import torch
import torch.nn.functional as F

from course_lib.exercises import ch11


def enqueue(queue, keys, oldest):
    queue = queue.clone()
    queue[oldest : oldest + len(keys)] = keys
    return queue, (oldest + len(keys)) % len(queue)


def uniformity(features, t=2.0, normalise=True, power=2):
    features = F.normalize(features, dim=1) if normalise else features
    return torch.pdist(features).pow(power).mul(-t).exp().mean().log()


def supcon(z, labels, tau, positive_itself=False, denominator_itself=False):
    z, itself = F.normalize(z, dim=1), torch.eye(len(z), dtype=torch.bool)
    similar = z @ z.T / tau
    same = (labels[:, None] == labels) & (torch.ones_like(itself) if positive_itself else ~itself)
    among = similar if denominator_itself else similar.masked_fill(itself, float("-inf"))
    logs = similar - among.logsumexp(1, keepdim=True)
    return -((logs * same).sum(1) / same.sum(1)).mean()


def over_all_pairs(z, labels, tau):
    z, itself = F.normalize(z, dim=1), torch.eye(len(z), dtype=torch.bool)
    logs = (z @ z.T / tau).masked_fill(itself, -1e9).log_softmax(1)
    return -logs[(labels[:, None] == labels) & ~itself].mean()


def without_positives(z, labels, tau):
    z, same = F.normalize(z, dim=1), labels[:, None] == labels
    similar = z @ z.T / tau
    logs = similar - similar.masked_fill(same, float("-inf")).logsumexp(1, keepdim=True)
    same = same & ~torch.eye(len(z), dtype=torch.bool)
    return -((logs * same).sum(1) / same.sum(1)).mean()


def with_the_diagonal(features):
    features = F.normalize(features, dim=1)
    return torch.cdist(features, features).square().mul(-2).exp().mean().log()


MISTAKES = [
    (ch11.check_enqueue, lambda q, k, o: (torch.cat([q[: -len(k)], k]), enqueue(q, k, o)[1]), "newest keys were"),
    (ch11.check_enqueue, lambda q, k, o: (torch.cat([k, q[len(k) :]]), enqueue(q, k, o)[1]), "whatever `oldest` says"),
    (ch11.check_enqueue, lambda q, k, o: (torch.cat([q, k]), o), "has grown"),
    (ch11.check_enqueue, lambda q, k, o: (q, (o + len(k)) % len(q)), "put the keys in"),
    (ch11.check_enqueue, lambda q, k, o: (enqueue(q, k, o)[0], o + len(k)), "modulo K"),
    (ch11.check_enqueue, lambda q, k, o: (enqueue(q, k, o)[0], o), "has not moved"),
    (ch11.check_enqueue, lambda q, k, o: (enqueue(q, k, o)[0], (o + 1) % len(q)), "moves by one"),
    (ch11.check_uniformity, lambda x: uniformity(x, normalise=False), "not of length 1 yet"),
    (ch11.check_uniformity, with_the_diagonal, "leave the diagonal out"),
    (
        ch11.check_uniformity,
        lambda x: -2 * torch.pdist(F.normalize(x, dim=1)).square().mean(),
        "mean of the logarithms",
    ),
    (ch11.check_uniformity, lambda x: uniformity(x, power=1), "should be squared"),
    (ch11.check_uniformity, lambda x: uniformity(x, t=1.0), "factor 2"),
    (ch11.check_uniformity, lambda x: uniformity(x).exp(), "logarithm is missing"),
    (ch11.check_supcon, lambda z, y, tau: supcon(z, y, 1.0), "tau is not used"),
    (ch11.check_supcon, lambda z, y, tau: supcon(z, y, tau, denominator_itself=True), "its own denominator"),
    (ch11.check_supcon, over_all_pairs, "each anchor should count once"),
    (ch11.check_supcon, without_positives, "Positives are missing"),
]
RIGHT = [
    (ch11.check_enqueue, enqueue),
    (ch11.check_uniformity, uniformity),
    (ch11.check_supcon, supcon),
]
