"""B08: the nearest neighbour by key-points, the bound of what neighbours can reach (000, Table 3.2)."""

import torch

from ..evaluation.arrays import as_joints
from ..evaluation.pose import joint_distance, normalise_joints


def nearest_by_joints(query_joints, train_joints, *, query_groups=None, train_groups=None) -> torch.Tensor:
    """Row of the train pose nearest to each query: (Q, J, 2), (M, J, 2) → int64 (Q,).

    Poses are compared as they are copied for PCP, in pixels, by the mean distance of the joints known in
    both. Groups: a neighbour of the query's own group is not taken. Raises ValueError when a query has no
    comparable train pose.
    """
    query, train = as_joints("query_joints", query_joints), as_joints("train_joints", train_joints)
    if (query_groups is None) != (train_groups is None):
        raise ValueError("query_groups and train_groups go together; only one was given")
    distance = torch.cat([joint_distance(piece, train) for piece in query.split(1024)])
    if query_groups is not None:
        distance[torch.as_tensor(query_groups)[:, None] == torch.as_tensor(train_groups)] = torch.inf
    best = distance.min(1)
    if best.values.isinf().any():
        row = int(best.values.isinf().nonzero()[0])
        raise ValueError(f"query_joints row {row} shares too few joints with every train pose outside its group")
    return best.indices


class JointSimilarity:
    """Similarity of the rows of one set of poses, for `pose_auc`: minus the distance of normalised joints.

    joints (F, J, 2); ``limbs`` and ``root`` as for `evaluation.normalise_joints`. On a `pose_benchmark` made
    with the same ones it scores 1 by construction: the bound, not a result.
    """

    def __init__(self, joints, limbs=None, root=()):
        self.poses = normalise_joints(joints, limbs, root)

    def __call__(self, query: torch.Tensor, candidates: torch.Tensor) -> torch.Tensor:
        gap = (self.poses[query][:, None] - self.poses[candidates]).norm(dim=-1)
        return -gap.nanmean(-1)
