"""What every protocol asks of its arrays; numpy arrays, lists and tensors are all taken."""

import torch


def as_features(argument: str, values, *, rows: int | None = None) -> torch.Tensor:
    """``values`` as a float32 CPU tensor (N, D). Raises ValueError for other shapes, NaN or infinity."""
    features = torch.as_tensor(values).detach().cpu()
    if features.ndim != 2 or features.numel() == 0:
        raise ValueError(f"{argument} has shape {tuple(features.shape)}; it takes (N, D) with N, D > 0")
    features = features.float()
    if not torch.isfinite(features).all():
        bad = int((~torch.isfinite(features)).any(1).nonzero()[0])
        raise ValueError(f"{argument} has NaN or infinite values (first in row {bad}); it takes finite features")
    if rows is not None and len(features) != rows:
        raise ValueError(f"{argument} has {len(features)} rows; it takes {rows}, one per row of what it goes with")
    return features


def as_pair(query_name: str, query, gallery_name: str, gallery) -> tuple[torch.Tensor, torch.Tensor]:
    """Two feature arrays of one dimension D."""
    query, gallery = as_features(query_name, query), as_features(gallery_name, gallery)
    if query.shape[1] != gallery.shape[1]:
        raise ValueError(
            f"{query_name} has {query.shape[1]} dimensions, {gallery_name} has {gallery.shape[1]}; they must agree"
        )
    return query, gallery


def as_integers(argument: str, values, rows: int | None = None) -> torch.Tensor:
    """``values`` as an int64 CPU tensor (rows,): labels, groups or indices. Raises ValueError otherwise."""
    integers = torch.as_tensor(values).detach().cpu()
    if integers.ndim != 1 or integers.is_floating_point() or integers.is_complex():
        raise ValueError(f"{argument} is {tuple(integers.shape)} {integers.dtype}; it takes integers (N,)")
    if rows is not None and len(integers) != rows:
        raise ValueError(f"{argument} has {len(integers)} values; it takes {rows}, one per row")
    return integers.long()


def as_groups(argument: str, values, rows: int) -> torch.Tensor:
    """Groups (rows,), each row its own group when ``values`` is None."""
    return torch.arange(rows) if values is None else as_integers(argument, values, rows)


def as_joints(argument: str, values) -> torch.Tensor:
    """Key-points as float32 (N, J, 2), NaN where not labelled. Raises ValueError for anything else."""
    joints = torch.as_tensor(values).detach().cpu()
    if joints.ndim != 3 or joints.shape[-1] != 2 or joints.numel() == 0:
        raise ValueError(f"{argument} has shape {tuple(joints.shape)}; it takes key-points (N, J, 2), N, J > 0")
    if torch.isinf(joints).any():
        raise ValueError(f"{argument} has infinite coordinates; it takes numbers, or NaN where not labelled")
    return joints.float()
