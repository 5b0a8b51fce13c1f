"""`VideoSet` and its samplers: the index arithmetic, against plain Python."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from course_lib.checks import check_clips, check_images
from course_lib.data.videos import ClipSampler, FrameSampler, VideoSet

lengths = st.lists(st.integers(1, 12), min_size=1, max_size=6)


def make(lengths):
    """Frame i is filled with i; video factor "who", frame factor "when"."""
    total = sum(lengths)
    starts = torch.tensor([0, *torch.tensor(lengths).cumsum(0)])
    frames = torch.arange(total, dtype=torch.uint8)[:, None, None, None].expand(total, 3, 2, 2).clone()
    when = torch.cat([torch.arange(n) for n in lengths])
    return VideoSet("made", frames, starts, video={"who": 10 * torch.arange(len(lengths))}, frame={"when": when})


def plain_clips(lengths, length, stride):
    """All (video, first frame within it) of clips that fit."""
    span = (length - 1) * stride + 1
    return [(v, t) for v, n in enumerate(lengths) for t in range(n - span + 1)]


@given(lengths, st.integers(1, 6), st.integers(1, 3))
def test_clip_starts_are_all_clips_that_stay_inside_their_video(lengths, length, stride):
    videos, expected = make(lengths), plain_clips(lengths, length, stride)
    if not expected:
        with pytest.raises(ValueError, match=f"length|the longest video of 'made' has {max(lengths)}"):
            videos.clip_starts(length, stride)
        return
    starts = videos.clip_starts(length, stride)
    assert starts.tolist() == [int(videos.starts[v]) + t for v, t in expected]
    first, last = videos.video_of_frame[starts], videos.video_of_frame[starts + (length - 1) * stride]
    assert torch.equal(first, last)


@given(lengths)
def test_factors_per_frame(lengths):
    videos = make(lengths)
    assert videos.factor("who").tolist() == [10 * v for v, n in enumerate(lengths) for _ in range(n)]
    assert videos.factor("when").tolist() == [t for n in lengths for t in range(n)]
    assert videos.lengths.tolist() == lengths
    assert len(videos) == len(lengths)


@given(lengths, st.data())
def test_select_keeps_the_chosen_videos_whole_and_in_order(lengths, draw):
    videos = make(lengths)
    order = draw.draw(st.lists(st.integers(0, len(lengths) - 1), min_size=1, max_size=5))
    chosen = videos.select(torch.tensor(order))
    assert chosen.lengths.tolist() == [lengths[v] for v in order]
    assert chosen.video["who"].tolist() == [10 * v for v in order]
    expected = [i for v in order for i in range(int(videos.starts[v]), int(videos.starts[v + 1]))]
    assert chosen.frames[:, 0, 0, 0].tolist() == expected
    assert chosen.frame["when"].tolist() == [t for v in order for t in range(lengths[v])]
    keep = torch.zeros(len(lengths), dtype=torch.bool)
    keep[order] = True
    assert torch.equal(videos.select(keep).frames, videos.select(torch.tensor(sorted(set(order)))).frames)


@given(lengths, st.data())
def test_gather_takes_any_shape_and_gives_floats(lengths, draw):
    videos = make(lengths)
    index = torch.tensor(draw.draw(st.lists(st.integers(0, sum(lengths) - 1), min_size=6, max_size=6))).reshape(2, 3)
    pixels = videos.gather(index)
    assert pixels.shape == (2, 3, 3, 2, 2)
    assert pixels.dtype == torch.float32
    assert torch.equal(pixels[..., 0, 0, 0], index / 255)


def test_gather_gives_the_whole_range():
    frames = torch.tensor([0, 255], dtype=torch.uint8)[:, None, None, None]
    assert VideoSet("x", frames, torch.tensor([0, 2])).gather(torch.tensor([0, 1])).flatten().tolist() == [
        0.0,
        1.0,
    ]


@given(lengths, st.integers(1, 4), st.integers(1, 2), st.integers(0, 5))
def test_sampled_clips_are_real_clips_and_repeat_with_the_seed(lengths, length, stride, seed):
    videos, possible = make(lengths), plain_clips(lengths, length, stride)
    if not possible:
        return
    sampler = ClipSampler(videos, batch=5, length=length, stride=stride)
    clips = sampler(torch.Generator().manual_seed(seed))
    assert clips.shape == (5, length, 3, 2, 2)
    drawn = (clips[:, :, 0, 0, 0] * 255).round().long()
    firsts = {int(videos.starts[v]) + t for v, t in possible}
    assert all(int(first) in firsts for first in drawn[:, 0])
    assert torch.equal(drawn, drawn[:, :1] + stride * torch.arange(length))
    assert torch.equal(clips, sampler(torch.Generator().manual_seed(seed)))


def test_every_clip_is_as_likely_as_any_other(generator):
    videos = make([3, 9])
    drawn = ClipSampler(videos, batch=9000, length=3).draw(generator)[:, 0]
    share = torch.bincount(drawn, minlength=12)[videos.clip_starts(3)] / 9000
    assert torch.allclose(share, torch.full((8,), 1 / 8), atol=0.02)  # 5 standard deviations


def test_given_starts_limit_what_is_drawn(generator):
    sampler = ClipSampler(make([9]), batch=50, length=2, starts=torch.tensor([2, 5]))
    assert set(sampler.draw(generator)[:, 0].tolist()) == {2, 5}


def test_frames_come_with_their_labels(generator):
    videos = make([4, 5])
    images, labels = FrameSampler(videos, videos.factor("who"), batch=400)(generator)
    frame = (images[:, 0, 0, 0] * 255).round().long()
    assert torch.equal(labels, videos.factor("who")[frame])
    assert set(frame.tolist()) == set(range(9))


# -- bad input -----------------------------------------------------------------------------------------------


def test_a_clip_longer_than_the_longest_video_is_an_error():
    with pytest.raises(
        ValueError, match="a clip of 5 frames with stride 3 spans 13 frames; the longest video .* has 8"
    ):
        ClipSampler(make([8, 4]), batch=1, length=5, stride=3)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"frames": torch.full((6, 3, 2, 2), float("nan"))}, "frames is .*float32; it takes uint8"),
        ({"frames": torch.zeros(6, 2, 2, dtype=torch.uint8)}, "frames is"),
        ({"starts": torch.tensor([0, 5])}, "starts must run from 0 to 6"),
        ({"starts": torch.tensor([1, 6])}, "starts must run"),
        ({"starts": torch.tensor([0, 3, 3, 6])}, "video 1 of 'bad' has no frames"),
        ({"video": {"who": torch.zeros(3)}}, r"video\['who'\] has 3 rows; there are 1 videos"),
        ({"frame": {"when": torch.zeros(5)}}, r"frame\['when'\] has 5 rows; there are 6 frames"),
    ],
)
def test_pieces_that_do_not_fit_are_refused(change, message):
    good = {
        "name": "bad",
        "frames": torch.zeros(6, 3, 2, 2, dtype=torch.uint8),
        "starts": torch.tensor([0, 6]),
    }
    assert VideoSet(**good)
    with pytest.raises(ValueError, match=message):
        VideoSet(**{**good, **change})


def test_wrong_requests_name_the_argument():
    videos = make([4])
    for request, message in (
        (lambda: videos.gather(torch.tensor([4])), "index reaches 4 … 4; frames are 0 … 3"),
        (lambda: videos.gather(torch.tensor([-1])), "index reaches -1"),
        (lambda: videos.factor("whom"), "factor 'whom' is not known for 'made'; known: .'when', 'who'"),
        (lambda: videos.select(torch.zeros(1, dtype=torch.bool)), "keep selects none of the 1 videos"),
        (lambda: videos.clip_starts(0), "length is 0"),
        (lambda: ClipSampler(videos, batch=0, length=1), "batch is 0"),
        (
            lambda: ClipSampler(videos, batch=1, length=3, starts=torch.tensor([0, 2])),
            "starts is .* clips of 3",
        ),
        (lambda: FrameSampler(videos, torch.zeros(3), batch=1), "labels has 3 rows"),
    ):
        with pytest.raises(ValueError, match=message):
            request()


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_nan_pixels_are_refused(value):
    clips = torch.zeros(2, 3, 1, 4, 4)
    clips[1, 2, 0, 3, 3] = value
    with pytest.raises(ValueError, match="clips contains NaN or infinite"):
        check_clips("clips", clips)
    with pytest.raises(ValueError, match="images contains NaN or infinite"):
        check_images("images", clips[1])
