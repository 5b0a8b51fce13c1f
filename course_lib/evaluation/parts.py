"""E02: percentage of correct parts by copying the nearest frame's key-points (000, Table 3.2; 003, Table 5).

Table 3.2 of the seeds mixes two kinds of mean: that of the two supervised methods weighs each row by its
limbs (1 torso, 2 upper legs, ..., 1 head: 67.8 and 85.0), the others are plain means of the six rows (with
which the two would be 70.6 and 86.9). `pcp` therefore gives both, and a comparison takes the same one for
all.
"""

from collections.abc import Sequence

import torch

from ..checks import check_choice
from .arrays import as_joints
from .retrieval import nearest


def nearest_pose(query_x, train_x, train_joints, *, query_groups=None, train_groups=None) -> torch.Tensor:
    """Key-points of the train frame nearest (cosine) to each query: (Q, D), (M, D), (M, J, 2) → (Q, J, 2).

    They are copied as they are, in pixels of a person-centred crop, as the seeds do.
    """
    joints = as_joints("train_joints", train_joints)
    if len(joints) != len(train_x):
        raise ValueError(f"train_joints has {len(joints)} rows; train_x has {len(train_x)}")
    return joints[nearest(query_x, train_x, query_groups=query_groups, gallery_groups=train_groups).squeeze(1)]


def limb_correct(predicted, true, limbs: Sequence[tuple[int, int]], convention: str = "strict") -> torch.Tensor:
    """Is each limb found? (N, J, 2) twice → float (N, L): 1 yes, 0 no, NaN where the truth is not labelled.

    A limb is found when its ends are off by at most half of the true limb's length: both ends ("strict", the
    usual PCP), or their mean ("average", the looser reading of the seeds' "distance between the true limb
    location and the predicted location"). A key-point the prediction lacks is never found. Joints are
    compared by their index: left and right are those of whoever labelled them (the seeds': the observer's).
    """
    predicted, true = as_joints("predicted", predicted), as_joints("true", true)
    check_choice("convention", convention, ("strict", "average"))
    if predicted.shape != true.shape:
        raise ValueError(f"predicted has shape {tuple(predicted.shape)}, true {tuple(true.shape)}; they must agree")
    ends = torch.as_tensor(limbs)
    if ends.ndim != 2 or ends.shape[1] != 2 or len(ends) == 0 or ends.min() < 0 or ends.max() >= true.shape[1]:
        raise ValueError(f"limbs is {limbs!r}; it takes pairs of joints 0 … {true.shape[1] - 1}")
    length = (true[:, ends[:, 0]] - true[:, ends[:, 1]]).norm(dim=-1)
    error = (predicted - true).norm(dim=-1).nan_to_num(nan=torch.inf)[:, ends]  # (N, L, 2)
    off = error.amax(-1) if convention == "strict" else error.mean(-1)
    return torch.where(length.isnan(), torch.nan, (off <= length / 2).float())


def pcp(
    predicted,
    true,
    limbs: Sequence[tuple[int, int]],
    parts: Sequence[str],
    convention: str = "strict",
) -> dict[str, float]:
    """{part: %, ..., "mean": plain mean of the parts, "weighted mean": weighted by numbers of limbs}.

    limbs and parts as in `data.videos.Skeleton`: ``parts[l]`` is the row that limb l counts in. Each part is
    the mean over its labelled limbs in all N images, NaN (and in neither mean) if none is labelled. Raises
    ValueError for shapes that do not fit and when nothing at all is labelled.
    """
    if len(parts) != len(limbs):
        raise ValueError(f"parts has {len(parts)} names; there are {len(limbs)} limbs")
    correct = limb_correct(predicted, true, limbs, convention)
    if correct.isnan().all():
        raise ValueError("true has no limb with both key-points labelled")
    names = list(dict.fromkeys(parts))
    columns = {name: [i for i, part in enumerate(parts) if part == name] for name in names}
    table = torch.stack([correct[:, columns[name]].nanmean() for name in names]) * 100
    weight = torch.tensor([float(len(columns[name])) for name in names]) * ~table.isnan()
    weighted = (table.nan_to_num() * weight).sum() / weight.sum()
    return dict(zip(names, table.tolist(), strict=True)) | {
        "mean": table.nanmean().item(),
        "weighted mean": weighted.item(),
    }
