"""Check for the exercise of chapter 00: what a clip looks like to a network."""

from collections.abc import Callable

import torch

from .core import Attempt, CheckResult, Wrong, compare, run, tensor


def check_clip_shape(function: Callable) -> CheckResult:
    """Warm-up: ``function(video)`` turns a decoded video, uint8 (T, H, W, C), into a batch of one clip.

    The clip is float32 (1, T, C, H, W) with values in [0, 1], the convention of the whole course.
    """

    def judge(attempt: Attempt) -> str:
        generator = torch.Generator().manual_seed(0)
        for frames, height, width in ((4, 6, 5), (1, 3, 8), (7, 5, 5)):
            video = torch.randint(256, (frames, height, width, 3), generator=generator, dtype=torch.uint8)
            right = (video.float() / 255).permute(0, 3, 1, 2)[None]
            mistakes = {
                "The pixels still run from 0 to 255: divide by 255.": right * 255,
                "The batch axis is missing: unsqueeze(0), or index with None, puts a 1 in front.": right[0],
                "view and reshape keep the order of the numbers and only cut them differently; permute moves an "
                "axis.": (video.float() / 255).reshape(right.shape),
                "Time and channels have changed places: the order is (B, T, C, H, W).": right.transpose(1, 2),
                "Height and width have changed places.": right.transpose(3, 4),
                "The channels are still last: permute moves them before height and width.": right.permute(
                    0, 1, 3, 4, 2
                ),
            }
            answer = attempt(video)
            if isinstance(answer, torch.Tensor) and not answer.is_floating_point():
                raise Wrong(
                    f"the clip is {answer.dtype}; it should be float32",
                    "Networks compute with real numbers: video.float() first, then divide.",
                )
            compare(answer, right, f"the clip of a video {tuple(video.shape)}", mistakes)
            tensor(answer, "the clip", tuple(right.shape), kind="float")
        return "three videos of different sizes became clips (1, T, C, H, W) with values in [0, 1]."

    return run(function, "clip_shape(video)", judge)
