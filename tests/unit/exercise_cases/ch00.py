"""Answers to the exercises of chapter 00."""

from course_lib.exercises import ch00


def clip_shape(video):
    return (video.float() / 255).permute(0, 3, 1, 2)[None]


def changed_in_place(video):
    video[:] = 0
    return clip_shape(video)


MISTAKES = [
    (ch00.check_clip_shape, lambda v: v.float().permute(0, 3, 1, 2)[None], "divide by 255"),
    (ch00.check_clip_shape, lambda v: clip_shape(v)[0], "batch axis is missing"),
    (
        ch00.check_clip_shape,
        lambda v: (v / 255).reshape(1, len(v), 3, v.shape[1], v.shape[2]),
        "only cut them differently",
    ),
    (ch00.check_clip_shape, lambda v: clip_shape(v).transpose(1, 2), "Time and channels"),
    (ch00.check_clip_shape, lambda v: clip_shape(v).transpose(3, 4), "Height and width"),
    (ch00.check_clip_shape, lambda v: (v / 255)[None], "still last"),
    (ch00.check_clip_shape, lambda v: v.permute(0, 3, 1, 2)[None], "video.float()"),
    (ch00.check_clip_shape, changed_in_place, "work on a copy"),
]
RIGHT = [(ch00.check_clip_shape, clip_shape)]
