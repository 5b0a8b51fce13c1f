"""Checks for the exercises of chapter 20, the surveyed pretext tasks on video (002 §4.2; 000 §3.2)."""

from collections.abc import Callable

import torch

from .core import Attempt, CheckResult, Wrong, compare, run


def check_turn(function: Callable) -> CheckResult:
    """Warm-up: ``function(clips) -> (turned, labels)``, all quarter turns of each clip (3-D rotation, 002 §4.2.3).

    clips: (B, T, C, S, S). turned: (4B, T, C, S, S), the four turns of a clip in turn, anticlockwise. labels: (4B,),
    0 … 3.
    """

    def judge(attempt: Attempt) -> str:
        for batch, frames in ((3, 2), (1, 4)):
            clips = torch.rand(batch, frames, 3, 6, 6, generator=torch.Generator().manual_seed(batch))
            turned, labels = _two(attempt(clips), "turn", "return turned, labels")
            every = [clips.rot90(k, (-2, -1)) for k in range(4)]
            right = torch.stack(every, 1).flatten(0, 1)
            mistakes = {
                "Every unturned clip comes first, then all turned by 90°; the four turns of one clip should follow one "
                "another: stack on a new axis 1, then flatten.": torch.cat(every),
                "These turn clockwise; torch.rot90 with the axes (-2, -1) turns anticlockwise.": torch.stack(
                    [clips.rot90(-k, (-2, -1)) for k in range(4)], 1
                ).flatten(0, 1),
                "Every clip stands there four times as it was; turn the copies.": clips.repeat_interleave(4, 0),
            }
            compare(turned, right, "the clips", mistakes)
            compare(
                labels,
                torch.arange(4).repeat(batch),
                "the labels",
                {
                    "The labels are those of four blocks; the four turns of a clip follow one another: "
                    "0, 1, 2, 3, 0, 1, …": torch.arange(4).repeat_interleave(batch),
                    "The labels are in degrees; classes are numbers from 0 on.": 90 * torch.arange(4).repeat(batch),
                },
            )
        return "four ways up, and each clip beside its own turns"

    return run(function, "turn(clips)", judge)


def check_triplets(function: Callable) -> CheckResult:
    """Core: ``function(frames, outside) -> (triplets, labels)`` of Shuffle & Learn (000 §3.3, B10).

    frames: int64 (B, 5), a < b < c < d < e. outside: bool (B,), where true the false triplet is (b, a, d), else
    (b, e, d). triplets: (2B, 3), a true one before its false one. labels: (2B,), 1 for true.
    """

    def judge(attempt: Attempt) -> str:
        for batch in (6, 1):
            draw = torch.Generator().manual_seed(batch)
            frames = torch.rand(batch, 20, generator=draw).argsort(1)[:, :5].sort(1).values
            outside = torch.arange(batch) % 2 == 0
            found, labels = _two(attempt(frames, outside), "triplets", "return triplets, labels")
            a, b, c, d, e = frames.unbind(1)

            def pairs(true, false):
                return torch.stack([torch.stack(true, 1), torch.stack(false, 1)], 1).flatten(0, 1)

            wrong = torch.where(outside, a, e)
            mistakes = {
                "a and e are exchanged: where `outside` is true the false triplet is (b, a, d).": pairs(
                    (b, c, d), (b, torch.where(outside, e, a), d)
                ),
                "The odd frame of the false triplet should stand in the middle; the outer two, b and d, are the same "
                "in both, or they would give the answer away.": pairs((b, c, d), (wrong, b, d)),
                "The false triplet stands before the true one.": pairs((b, wrong, d), (b, c, d)),
                "True and false triplets stand in two blocks; stack them on a new axis 1, then flatten.": torch.cat(
                    [torch.stack((b, c, d), 1), torch.stack((b, wrong, d), 1)]
                ),
                "`outside` is not used: all false triplets are (b, a, d).": pairs((b, c, d), (b, a, d)),
            }
            compare(found, pairs((b, c, d), (b, wrong, d)), "the triplets", mistakes)
            mistakes = {"The labels are turned round: 1 is the true triplet.": torch.tensor([0, 1] * batch)}
            compare(labels, torch.tensor([1, 0] * batch), "the labels", mistakes)
        return "the same outer frames in both, so only the middle one tells"

    return run(function, "triplets(frames, outside)", judge)


def check_copy_colours(function: Callable) -> CheckResult:
    """Core: ``function(reference, target, colours, tau) -> (B, m, K)``, the pointer of 002 §4.2.1.

    reference: (B, n, D). target: (B, m, D). colours: those of the reference, (B, n, K). tau: divides the similarities.
    """

    def judge(attempt: Attempt) -> str:
        for number, (places, asked) in enumerate(((5, 7), (4, 4))):
            draw = torch.Generator().manual_seed(number)
            reference, target = torch.randn(2, places, 3, generator=draw), torch.randn(2, asked, 3, generator=draw)
            colours, tau = torch.rand(2, places, 2, generator=draw), 0.5
            similar = target @ reference.mT
            right = (similar / tau).softmax(2) @ colours
            mistakes = {
                "The softmax runs over the places of the target; each place of the target distributes its attention "
                "over the reference, so the rows of (B, m, n) sum to one.": (similar / tau).softmax(1) @ colours,
                "tau is not used: divide the similarities by it.": similar.softmax(2) @ colours,
                "The similarities are multiplied by tau; they should be divided.": (similar * tau).softmax(2) @ colours,
                "The softmax is missing: attention is positive and sums to one.": similar / tau @ colours,
                "These are the attentions; the colours are still to be copied with them.": (similar / tau).softmax(2),
            }
            if places == asked:
                mistakes["Reference and target are exchanged."] = (similar.mT / tau).softmax(2) @ colours
            compare(attempt(reference, target, colours, tau), right, "the colours", mistakes)
        return "colours are copied, never invented"

    return run(function, "copy_colours(reference, target, colours, tau)", judge)


def _two(answer, name: str, hint: str):
    if not isinstance(answer, tuple | list) or len(answer) != 2:
        raise Wrong(f"{name} gave {type(answer).__name__}; it should give two things", f"End with: {hint}")
    return answer
