"""Answers to the exercises of chapter 13."""

import torch
import torch.nn.functional as F

from course_lib.exercises import ch13


def mask_of(patches, border):
    mask = torch.zeros(patches.shape[-2:])
    mask[border:-border, border:-border] = 1
    return mask


def hide(patches, noise, border):
    mask = mask_of(patches, border)
    return patches * (1 - mask) + noise * mask


def hide_in_place(patches, noise, border):
    inputs = patches.clone()
    inputs[..., border:-border, border:-border] = noise[..., border:-border, border:-border]
    return inputs


def hinge(real, fake):
    return F.relu(1 - real).mean() + F.relu(1 + fake).mean(), -fake.mean()


def loocv(features, labels, normalise=True, leave_out=True):
    x = F.normalize(features, dim=1) if normalise else features
    similarity = x @ x.T
    if leave_out:
        similarity.fill_diagonal_(-torch.inf)
    return (labels[similarity.argmax(1)] == labels).float().mean().item()


# --- typical mistakes
def upside_down(patches, noise, border):
    mask = mask_of(patches, border)
    return patches * mask + noise * (1 - mask)


def rows_only(patches, noise, border):
    inputs = patches.clone()
    inputs[..., border:-border, :] = noise[..., border:-border, :]
    return inputs


def exchanged(real, fake):
    return F.relu(1 + real).mean() + F.relu(1 - fake).mean(), -fake.mean()


def by_distance(features, labels):
    distance = torch.cdist(features, features).fill_diagonal_(torch.inf)
    return (labels[distance.argmin(1)] == labels).float().mean()


MISTAKES = [
    (ch13.check_hide, upside_down, "see the border only"),
    (ch13.check_hide, lambda e, z, b: e + z * mask_of(e, b), "shines through"),
    (ch13.check_hide, rows_only, "columns are not"),
    (ch13.check_hide, lambda e, z, b: e * (1 - mask_of(e, b)), "should hold the noise"),
    (ch13.check_hinge, exchanged, "exchanged"),
    (ch13.check_hinge, lambda r, f: ((1 - r).mean() + (1 + f).mean(), -f.mean()), "enough is"),
    (ch13.check_hinge, lambda r, f: (hinge(r, f)[0], f.mean()), "The sign"),
    (ch13.check_hinge, lambda r, f: (hinge(r, f)[0], F.relu(1 - f).mean()), "no hinge"),
    (ch13.check_loocv, lambda x, y: loocv(x, y, leave_out=False), "finds itself"),
    (ch13.check_loocv, lambda x, y: loocv(x, y, normalise=False), "dot products"),
    (ch13.check_loocv, by_distance, "Euclidean"),
]
RIGHT = [
    (ch13.check_hide, hide),
    (ch13.check_hide, hide_in_place),
    (ch13.check_hinge, hinge),
    (ch13.check_loocv, loocv),
    (ch13.check_loocv, lambda x, y: torch.tensor(loocv(x, y))),
]
