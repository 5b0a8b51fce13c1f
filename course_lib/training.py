"""The one training loop. The same lines use a CPU, a GPU, or several processes started by ``torchrun``.

A method is an ``nn.Module`` with ``training_loss(batch, generator) -> {"loss": scalar, …}``; ``batches`` is a
callable ``batches(generator) -> batch``. All randomness comes from one generator whose state is part of the
checkpoint, so a run that was killed goes on to the same weights (bit for bit on the CPU).

**Several optimisers** (adversarial, bilevel). Such a method has no ``training_loss`` but

* ``optimisers(make) -> {name: optimiser}``: each part of the network with an optimiser of its own;
  ``make(parameters, scale=1.0)`` makes one as `fit` was told to, at ``scale`` times its learning rate;
* ``update(batch, generator, step) -> {"loss": scalar, …}``: one training step. ``step(name, loss)`` takes the gradient
  of ``loss`` with respect to the parameters of optimiser ``name``, and of no others, and moves them. "loss" is watched
  for NaN and recorded with the other parts.

All else is as with one: schedule, clipping (each optimiser by itself), precision, checkpoints, Ctrl-C.

    def update(self, batch, generator, step):
        fake = self.generate(len(batch), generator)
        judged = discriminator_loss(self.discriminator(batch), self.discriminator(fake.detach()))
        step("discriminator", judged)
        fooled = generator_loss(self.discriminator(fake))  # by the discriminator as it is now
        step("generator", fooled)
        return {"loss": judged + fooled, "discriminator": judged, "generator": fooled}

**Several processes** (``torchrun --nproc-per-node 2 train.py``) train one method on one batch:

* ``batches`` gives every process the same, whole batch, for their generators agree; rank r of w keeps rows r, r + w, …
  A tensor with another number of rows than the batch's first goes whole to each, so the parts of a batch stay together;
* what a method draws (``generator`` of ``training_loss``, dropout) comes from a generator of its process;
* gradients and recorded parts are means over the processes. So the size of the batch and the learning rate mean what
  they mean in one process, and a method that draws nothing and normalises over no batch trains as it does there.

Let the number of processes divide the batch, or rows of a smaller share count for more. Batch norm sees a share, not
the batch; at the end all have the running means of rank 0. The checkpoint is rank 0's; each process must be able to
read it. In a script, make the method and the data after ``torch.manual_seed``, equally on all ranks.
"""

import logging
import math
import os
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
# The layouts in which convolutions are fastest, on CPUs as on GPUs: kernels for images have 4 dimensions, for clips 5.
CHANNELS_LAST = {4: torch.channels_last, 5: torch.channels_last_3d}


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

    method: has ``training_loss``, or, with several optimisers, ``optimisers`` and ``update`` (see the module's text).
    optimiser: called as ``optimiser(parameters, lr=lr)``; use ``functools.partial`` for momentum or decay.
    clip_norm: largest gradient norm. precision: as Lightning Fabric ("32-true", "bf16-mixed"); methods with 3-D kernels
    are trained in "32-true" on CPUs whatever it says, see `safe_precision`. fabric: instead of device and precision.
    checkpoint: file to write every ``checkpoint_every`` steps and on Ctrl-C; if it is there, training goes on
    from it; it is removed when training ends, so a finished run is never mistaken for training.
    callbacks: called as ``callback(step, method, parts)`` after each update.
    Raises ValueError for bad arguments or a foreign checkpoint, FloatingPointError when the loss is not finite.
    """
    check_positive("steps", steps)
    check_positive("checkpoint_every", checkpoint_every)
    check_positive("lr", lr, integer=False)
    check_choice("schedule", schedule, SCHEDULES)
    fabric = fabric or make_fabric(device, safe_precision(method, device, precision))
    checkpoint = Path(checkpoint) if checkpoint else None
    method = method.to(fabric.device).train()
    for weight in method.parameters():
        if weight.ndim in CHANNELS_LAST:
            weight.data = weight.data.contiguous(memory_format=CHANNELS_LAST[weight.ndim])
    kind = _SeveralOptimisers if hasattr(method, "optimisers") else _OneOptimiser
    updates = kind(fabric, method, optimiser, lr, clip_norm)
    history, start = History(), 0
    if checkpoint and checkpoint.exists():
        numbers = load_checkpoint(checkpoint, module=method, optimiser=updates.plain, generator=generator)
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
            save_checkpoint(checkpoint, module=method, optimiser=updates.plain, generator=generator, numbers=numbers)

    done, whole = start, True
    interrupt = _Interrupt(wait=checkpoint is not None)
    try:
        for step in range(start, steps):
            whole = False  # from the first draw to the last weight the state is between two steps
            rate = learning_rate(step, steps, lr, schedule, warmup)
            updates.set_rate(rate)
            # Dropout draws from the global generator: seeding it from ours makes it part of the checkpoint.
            seed = int(torch.randint(2**62, (), generator=generator))
            torch.manual_seed(seed + fabric.global_rank)
            batch = batches(generator)
            history.samples += len(_first(batch))
            own = generator
            if fabric.world_size > 1:
                batch = _share(batch, fabric)
                own = torch.Generator().manual_seed(seed + fabric.world_size + fabric.global_rank)
            parts = {k: v.detach() for k, v in updates(batch, own).items()}
            if fabric.world_size > 1:
                parts = fabric.all_reduce(parts, reduce_op="mean")
            done, whole = step + 1, True
            pending.append((step, rate, parts))
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
    if fabric.world_size > 1:
        for buffer in method.buffers():  # the running means of batch norm, of which each process has its own
            torch.distributed.broadcast(buffer, 0)
    if fabric.device.type == "cuda":
        history.peak_mb = torch.cuda.max_memory_allocated(fabric.device) / 2**20
    if checkpoint and fabric.is_global_zero:
        checkpoint.unlink(missing_ok=True)
    method.eval()
    return history


def safe_precision(method: nn.Module, device: torch.device | str, precision: str) -> str:
    """``precision``, but "32-true" for a method with 3-D kernels on a CPU.

    There the bf16 gradient of a kernel is memory that nobody wrote, in either layout, when its input has fewer frames
    than the kernel is deep, but not one (3 x 3 x 3 on 2 frames, as in the last stages of most networks); with some
    strides it even writes where it must not. Seen with torch 2.15; the forward pass is right.
    """
    deep = any(weight.ndim == 5 for weight in method.parameters())
    return "32-true" if deep and torch.device(device).type == "cpu" else precision


def make_fabric(device: torch.device | str = "cpu", precision: str = "32-true") -> Fabric:
    """A launched `Fabric` for one device, or for all processes when ``torchrun`` started this one."""
    device = torch.device(device)
    # Fabric tells its precision at every start, which would stand in every notebook.
    logging.getLogger("lightning_fabric.utilities.rank_zero").setLevel(logging.WARNING)
    if torch.distributed.is_torchelastic_launched():
        processes, nodes = (int(os.environ[name]) for name in ("LOCAL_WORLD_SIZE", "GROUP_WORLD_SIZE"))
        fabric = Fabric(accelerator=device.type, devices=processes, num_nodes=nodes, precision=precision)
    else:
        index = [device.index or 0] if device.type == "cuda" else 1
        fabric = Fabric(accelerator=device.type, devices=index, precision=precision)
    fabric.launch()
    return fabric


class _OneOptimiser:
    """A training step of a method with ``training_loss``. plain: the optimiser, as it is saved."""

    def __init__(self, fabric, method, optimiser, lr, clip_norm):
        parameters = [p for p in method.parameters() if p.requires_grad]
        self.fabric, self.clip_norm = fabric, clip_norm
        self.method, self.optimiser = fabric.setup(method, optimiser(parameters, lr=lr))
        self.method.mark_forward_method("training_loss")
        self.plain = self.optimiser.optimizer

    def set_rate(self, rate):
        for group in self.optimiser.param_groups:
            group["lr"] = rate

    def __call__(self, batch, generator):
        # A marked method is sent through Fabric's own autocast only when something wraps the module (DDP).
        with self.fabric.autocast():
            parts = self.method.training_loss(batch, generator)
        self.fabric.backward(parts["loss"])
        if self.clip_norm is not None:
            self.fabric.clip_gradients(self.method, self.optimiser, max_norm=self.clip_norm)
        self.optimiser.step()
        self.optimiser.zero_grad()
        return parts


class _SeveralOptimisers:
    """A training step of a method with ``optimisers`` and ``update``. plain: name → optimiser, as they are saved.

    The method is not wrapped: DDP expects one backward after one forward, and an update has several. With several
    processes the weights are made equal at the start, and the gradients averaged, here.
    """

    def __init__(self, fabric, method, optimiser, lr, clip_norm):
        self.fabric, self.method, self.clip_norm, self.scales = fabric, method, clip_norm, {}

        def make(parameters, scale: float = 1.0):
            made = optimiser([p for p in parameters if p.requires_grad], lr=lr * scale)
            self.scales[id(made)] = check_positive("scale", scale, integer=False)
            return made

        self.plain = method.optimisers(make)
        if not isinstance(self.plain, dict) or not self.plain or not callable(getattr(method, "update", None)):
            raise ValueError(
                f"method is {type(method).__name__}; one with several optimisers takes optimisers(make), which gives "
                "a dictionary name → optimiser, and update(batch, generator, step)"
            )
        self.wrapped = {name: fabric.setup_optimizers(one) for name, one in self.plain.items()}
        if fabric.world_size > 1:
            for tensor in method.state_dict().values():
                torch.distributed.broadcast(tensor, 0)

    def set_rate(self, rate):
        for one in self.plain.values():
            for group in one.param_groups:
                group["lr"] = rate * self.scales.get(id(one), 1.0)

    def __call__(self, batch, generator):
        cached = torch.is_autocast_cache_enabled()
        torch.set_autocast_cache_enabled(False)  # it keeps bf16 copies of weights, which move within an update
        try:
            with self.fabric.autocast():
                parts = self.method.update(batch, generator, self.step)
        finally:
            torch.set_autocast_cache_enabled(cached)
        if "loss" not in parts:
            raise ValueError(f"update gave the parts {', '.join(parts)}; it takes one called loss")
        return parts

    def step(self, name: str, loss: torch.Tensor) -> None:
        """Minimise ``loss`` by one step of optimiser ``name``; the parameters of the others are left alone."""
        check_choice("name", name, self.plain)
        parameters = [p for group in self.plain[name].param_groups for p in group["params"]]
        with torch.autocast(self.fabric.device.type, enabled=False):
            self.fabric.backward(loss, inputs=parameters)  # the others neither need nor get a gradient
            if self.fabric.world_size > 1:
                for parameter in (p for p in parameters if p.grad is not None):
                    parameter.grad = self.fabric.all_reduce(parameter.grad, reduce_op="mean")
            if self.clip_norm is not None:
                self.fabric.clip_gradients(self.method, self.wrapped[name], max_norm=self.clip_norm)
            self.wrapped[name].step()
            self.wrapped[name].zero_grad()


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


def _first(batch) -> torch.Tensor:
    """The tensor whose rows are the samples of a batch: the batch, or the first of its parts."""
    return batch if isinstance(batch, torch.Tensor) else next(iter(batch))


def _share(batch, fabric):
    """The rows of a batch, a tensor or a sequence of tensors, that this process trains on."""
    rows, rank, processes = len(_first(batch)), fabric.global_rank, fabric.world_size
    if rows < processes:
        raise ValueError(f"batches gave a batch of {rows}; {processes} processes take one of at least {processes}")
    if isinstance(batch, torch.Tensor):
        return batch[rank::processes]
    return tuple(part[rank::processes] if part.shape[:1] == (rows,) else part for part in batch)
