"""The one training loop. The same lines use a CPU, a GPU, or several processes started by ``torchrun``.

A method is an ``nn.Module`` with ``training_loss(batch, generator) -> {"loss": scalar, …}``; ``batches`` is a
callable ``batches(generator) -> batch``. All randomness comes from one generator whose state is part of the
checkpoint, so a run that was killed goes on to the same weights (bit for bit on the CPU).
"""

import logging
import math
import signal
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd
import torch
from lightning_fabric import Fabric
from torch import nn
from tqdm.auto import tqdm

from .checkpoints import load_checkpoint, save_checkpoint
from .checks import check_choice, check_positive

SCHEDULES = ("constant", "cosine", "step")


@dataclass
class History:
    """What `fit` saw: one row per step in ``frame`` (loss, the method's named parts, lr), and the run's cost."""

    rows: list[dict] = field(default_factory=list)
    seconds: float = 0.0
    samples: int = 0
    peak_mb: float = 0.0

    @property
    def frame(self) -> pd.DataFrame:
        """DataFrame indexed by step."""
        return pd.DataFrame(self.rows).set_index("step") if self.rows else pd.DataFrame()

    @property
    def throughput(self) -> float:
        """Samples (clips or images) per second."""
        return self.samples / self.seconds if self.seconds else float("nan")

    def smooth(self, key: str, window: int = 25) -> pd.Series:
        """A part averaged over the last ``window`` steps."""
        return self.frame[key].rolling(window, min_periods=1).mean()


def learning_rate(step: int, steps: int, lr: float, schedule: str = "constant", warmup: int = 0) -> float:
    """The rate at ``step`` of ``steps``: "constant", "cosine" (to 0) or "step" (÷10 after 4/7, as 000 §3.5).

    000 §3.5 lowers the rate once, after 200 000 of 350 000 iterations. ``warmup`` steps rise linearly.
    """
    if step < warmup:
        return lr * (step + 1) / warmup
    if schedule == "cosine":
        return lr * 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(1, steps - warmup)))
    return lr * (0.1 if schedule == "step" and step >= steps * 4 / 7 else 1.0)


def fit(
    method: nn.Module,
    batches: Callable[[torch.Generator], object],
    *,
    steps: int,
    generator: torch.Generator,
    lr: float = 1e-3,
    optimiser: Callable[..., torch.optim.Optimizer] = torch.optim.AdamW,
    schedule: str = "cosine",
    warmup: int = 0,
    clip_norm: float | None = None,
    device: torch.device | str = "cpu",
    precision: str = "32-true",
    fabric: Fabric | None = None,
    checkpoint: Path | str | None = None,
    checkpoint_every: int = 200,
    callbacks: Sequence[Callable[[int, nn.Module, dict], None]] = (),
    progress: bool = True,
    name: str = "training",
) -> History:
    """Train ``method`` for ``steps`` updates and return its `History`; the method is left in eval mode.

    optimiser: called as ``optimiser(parameters, lr=lr)``; use ``functools.partial`` for momentum or decay.
    clip_norm: largest gradient norm. precision: as Lightning Fabric ("32-true", "bf16-mixed").
    checkpoint: file to write every ``checkpoint_every`` steps and on Ctrl-C; if it is there, training goes on
    from it; it is removed when training ends, so a finished run is never mistaken for training.
    callbacks: called as ``callback(step, method, parts)`` after each update.
    Raises ValueError for bad arguments or a foreign checkpoint, FloatingPointError when the loss is not finite.
    """
    check_positive("steps", steps)
    check_positive("checkpoint_every", checkpoint_every)
    check_positive("lr", lr, integer=False)
    check_choice("schedule", schedule, SCHEDULES)
    fabric = fabric or make_fabric(device, precision)
    checkpoint = Path(checkpoint) if checkpoint else None
    # Convolutions are up to twice as fast in this layout, on CPUs with AMX as on GPUs.
    method = method.to(fabric.device).train()
    for weight in method.parameters():
        if weight.ndim == 4:  # 3-D kernels, with five dimensions, do not have it
            weight.data = weight.data.contiguous(memory_format=torch.channels_last)
    parameters = [p for p in method.parameters() if p.requires_grad]
    wrapped, optim = fabric.setup(method, optimiser(parameters, lr=lr))
    wrapped.mark_forward_method("training_loss")
    history, start = History(), 0
    if checkpoint and checkpoint.exists():
        numbers = load_checkpoint(checkpoint, module=method, optimiser=optim.optimizer, generator=generator)
        history.rows, history.seconds, history.samples = (
            numbers["rows"],
            numbers["seconds"],
            numbers["samples"],
        )
        start = numbers["step"]
    if fabric.device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(fabric.device)

    pending: list[tuple[int, float, dict]] = []  # losses still on the device: read in groups, not step by step
    began = time.perf_counter()
    bar = tqdm(total=steps, initial=start, desc=name, disable=not (progress and fabric.is_global_zero), leave=False)

    def collect():
        for number, rate, parts in pending:
            row = {"step": number, **{k: float(v) for k, v in parts.items()}, "lr": rate}
            if not math.isfinite(row["loss"]):
                raise FloatingPointError(
                    f"{name}: the loss is {row['loss']} at step {number}; try a lower lr than {lr}"
                )
            history.rows.append(row)
        pending.clear()

    def save(done):
        collect()
        if checkpoint and fabric.is_global_zero:
            seconds = history.seconds + time.perf_counter() - began
            numbers = {"step": done, "rows": history.rows, "seconds": seconds, "samples": history.samples}
            save_checkpoint(checkpoint, module=method, optimiser=optim.optimizer, generator=generator, numbers=numbers)

    done, whole = start, True
    interrupt = _Interrupt(wait=checkpoint is not None)
    try:
        for step in range(start, steps):
            whole = False  # from the first draw to the last weight the state is between two steps
            rate = learning_rate(step, steps, lr, schedule, warmup)
            for group in optim.param_groups:
                group["lr"] = rate
            # Dropout draws from the global generator: seeding it from ours makes it part of the checkpoint.
            torch.manual_seed(int(torch.randint(2**62, (), generator=generator)))
            batch = batches(generator)
            # A marked method is sent through Fabric's own autocast only when something wraps the module (DDP).
            with fabric.autocast():
                parts = wrapped.training_loss(batch, generator)
            fabric.backward(parts["loss"])
            if clip_norm is not None:
                fabric.clip_gradients(wrapped, optim, max_norm=clip_norm)
            optim.step()
            optim.zero_grad()
            done, whole = step + 1, True
            pending.append((step, rate, {k: v.detach() for k, v in parts.items()}))
            history.samples += _samples(batch) * fabric.world_size
            for callback in callbacks:
                callback(step, method, parts)
            if done % 25 == 0 or done == steps:
                collect()
                bar.set_postfix({k: f"{history.rows[-1][k]:.3f}" for k in parts}, refresh=False)
            bar.update()
            interrupt.between_steps()
            if checkpoint and done % checkpoint_every == 0 and done < steps:
                save(done)
    except KeyboardInterrupt:
        if whole:
            save(done)
        raise
    finally:
        interrupt.restore()
        bar.close()
    history.seconds += time.perf_counter() - began
    if fabric.device.type == "cuda":
        history.peak_mb = torch.cuda.max_memory_allocated(fabric.device) / 2**20
    if checkpoint and fabric.is_global_zero:
        checkpoint.unlink(missing_ok=True)
    method.eval()
    return history


def make_fabric(device: torch.device | str = "cpu", precision: str = "32-true") -> Fabric:
    """A launched `Fabric` for one device, or for all processes when ``torchrun`` started this one."""
    device = torch.device(device)
    # Fabric tells its precision at every start, which would stand in every notebook.
    logging.getLogger("lightning_fabric.utilities.rank_zero").setLevel(logging.WARNING)
    if torch.distributed.is_torchelastic_launched():
        fabric = Fabric(accelerator=device.type, devices="auto", precision=precision)
    else:
        index = [device.index or 0] if device.type == "cuda" else 1
        fabric = Fabric(accelerator=device.type, devices=index, precision=precision)
    fabric.launch()
    return fabric


class _Interrupt:
    """Ctrl-C that waits for the end of the step, where weights, optimiser and generator agree; a second one does not.

    Signals reach the main thread only; elsewhere, and when nothing is to be saved, Ctrl-C stays as it is.
    """

    def __init__(self, wait: bool):
        self.asked, self.previous = False, None
        if wait and threading.current_thread() is threading.main_thread():
            self.previous = signal.signal(signal.SIGINT, self._ask)

    def _ask(self, *_):
        if self.asked:
            raise KeyboardInterrupt
        self.asked = True

    def between_steps(self):
        if self.asked:
            raise KeyboardInterrupt

    def restore(self):
        if self.previous is not None:
            signal.signal(signal.SIGINT, self.previous)


def _samples(batch) -> int:
    return len(batch) if isinstance(batch, torch.Tensor) else len(next(iter(batch)))
