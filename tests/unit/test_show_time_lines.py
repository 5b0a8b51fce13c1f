"""Figures of transformed time, clips that play, and the saliency they show."""

import base64
import io
import re

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from course_lib import show
from course_lib.evaluation import guided_backpropagation, input_gradient, video_saliency
from course_lib.models import C3D, R3D, R2Plus1D
from course_lib.transforms import periodic_index, speed_index


def moving(video):
    """The GIF inside the HTML of an animation, as float pictures (T, H, W, 3)."""
    data, metadata = video._repr_mimebundle_()
    assert metadata["image/png"]["alt"] == data["text/plain"]
    coded = re.search(r"data:image/gif;base64,([^\"]+)", data["text/html"]).group(1)
    assert f'alt="{data["text/plain"]}"' in data["text/html"]
    assert sum(len(text) for text in data.values()) < 300_000
    picture = Image.open(io.BytesIO(base64.b64decode(coded)))
    frames = []
    for number in range(picture.n_frames):
        picture.seek(number)
        frames.append(np.asarray(picture.convert("RGB"), dtype=float) / 255)
    return np.stack(frames), picture.info


# --- strips and index against time ---


def test_strip_and_plot_show_the_same_frames():
    frames = torch.arange(40)[:, None, None, None].expand(-1, 3, 8, 10) / 64
    index = {
        "speed": speed_index(torch.tensor([1]))[0],
        "periodic": periodic_index(torch.tensor([17]), torch.tensor([1]))[0],
    }
    figure = show.time_lines(frames, index, title="Time")
    assert len(figure.axes) == 4
    for name, film, plot in zip(index, figure.axes[::2], figure.axes[1::2], strict=True):
        numbers = index[name].tolist()
        assert [int(text.get_text()) for text in film.texts] == numbers
        assert plot.lines[0].get_ydata().tolist() == numbers
        assert f"{name}: {', '.join(map(str, numbers))}" in figure.alt
        canvas = film.images[0].get_array()
        seen = [canvas[1 + place // 8 * 11, 1 + place % 8 * 11, 0] for place in range(16)]
        np.testing.assert_allclose(seen, index[name] / 64)
    assert figure.axes[1].get_ylim() == figure.axes[3].get_ylim()
    assert len(figure.png()) > 1000


def test_strips_of_any_length_and_of_one_frame():
    frames = torch.zeros(70, 1, 6, 6)
    assert len(show.time_lines(frames, {"all": torch.arange(50)}, per_row=10).axes[0].texts) == 50
    assert show.time_lines(frames, {"one": torch.tensor([0])}).png()


@pytest.mark.parametrize(
    ("indices", "message"),
    [
        ({}, "indices has 0 transformations"),
        ({"a": torch.tensor([0, 4])}, r"indices\['a'\] reaches 0 … 4; the video has frames 0 … 3"),
        ({"a": torch.tensor([0.5])}, "it takes integers"),
        ({"a": torch.tensor([[1]])}, "it takes integers"),
    ],
)
def test_wrong_indices_are_named(indices, message):
    with pytest.raises(ValueError, match=message):
        show.time_lines(torch.zeros(4, 3, 8, 8), indices)


# --- animations ---


def test_a_clip_and_its_map_play_side_by_side():
    clip = torch.zeros(6, 3, 16, 16)
    clip[:, 0] = torch.arange(6)[:, None, None] / 5
    bright = torch.zeros(6, 16, 16)
    bright[2:, 8:] = 1
    frames, info = moving(show.animate(clip, {"map": bright}, fps=4))
    assert len(frames) == 6
    assert (frames[:, 0] == 1).all()  # white paper
    assert info["loop"] == 0
    assert info["duration"] == 250
    side = frames.shape[1] - 22
    red = frames[:, 22 + side // 2, side // 2, 0]
    np.testing.assert_allclose(red, np.arange(6) / 5, atol=0.05)
    right = frames[:, 22 + side // 4, -side // 2], frames[:, 22 + 3 * side // 4, -side // 2]
    assert right[0].max() < 0.1
    np.testing.assert_allclose(right[1].max(1) > 0.8, [False, False, True, True, True, True])


def test_moving_pictures_keep_their_colours():
    """Saturated colours that few pixels have, beside a map that takes most of the palette."""
    clip = torch.full((4, 3, 16, 16), 0.6) + 0.2 * torch.rand(4, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    clip[:, :, 4:8, 4:8] = torch.tensor([0.9, 0.1, 0.1])[:, None, None]
    maps = torch.rand(4, 16, 16, generator=torch.Generator().manual_seed(1))
    frames, _ = moving(show.animate(clip, {"map": maps}))
    side = frames.shape[1] - 22
    np.testing.assert_allclose(frames[:, 22 + 3 * side // 8, 3 * side // 8], [[0.9, 0.1, 0.1]] * 4, atol=0.06)


def test_overlay_keeps_the_clip_visible_where_the_map_is_dark():
    clip = torch.rand(3, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    bright = torch.zeros(3, 8, 8)
    bright[:, :4] = 1
    panels = show.animate(clip, {"map": bright}, overlay=True).panels
    grey = clip.mean(1).numpy() * 0.8
    np.testing.assert_allclose(panels["map"][:, 4:], np.repeat(grey[:, 4:, :, None], 3, -1), atol=1e-6)
    assert np.ptp(panels["map"][:, :4].reshape(-1, 3), 0).max() < 1e-6


def test_the_still_version_has_at_most_eight_frames_of_each_panel():
    video = show.animate(torch.zeros(20, 3, 8, 8), {"a": torch.rand(20, 8, 8)}, alt="A test")
    assert [label.get_text() for label in video.strip.axes[0].get_yticklabels()] == ["video", "a"]
    assert len(video.strip.axes[0].get_xticks()) == 8
    assert video.strip.alt == "A test"
    assert "prefers-reduced-motion" in video._repr_mimebundle_()[0]["text/html"]


def test_large_clips_are_made_smaller():
    noise = torch.rand(16, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    big, small = (show.animate(noise, limit=limit).gif for limit in (290_000, 120_000))
    assert len(small) < len(big) < 290_000


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda clip: show.animate(clip, {"a": torch.rand(4, 8, 7)}), r"maps\['a'\] is \(4, 8, 7\); .*\(4, 8, 8\)"),
        (lambda clip: show.animate(clip, {"a": -torch.ones(4, 8, 8)}), "finite numbers >= 0"),
        (lambda clip: show.animate(clip, {"video": torch.rand(4, 8, 8)}), "panel 'video'"),
        (lambda clip: show.animate(clip, fps=0), "fps is 0"),
        (lambda clip: show.animate(clip[0]), "clip is"),
    ],
)
def test_wrong_animations_are_named(call, message):
    with pytest.raises(ValueError, match=message):
        call(torch.zeros(4, 3, 8, 8))


# --- saliency of clips ---


@pytest.mark.parametrize(
    "make",
    [
        lambda: C3D(8, width=4, blocks=(1, 1), dense=1, clip_length=8, image_size=16, norm="batch"),
        lambda: R3D(width=4, blocks=(1, 1)),
        lambda: R2Plus1D(width=4, blocks=(1, 1)),
    ],
    ids=["C3D", "R3D", "R2Plus1D"],
)
def test_saliency_is_the_guided_gradient_without_the_median_of_its_frame(make, generator):
    model, clips = make(), torch.rand(2, 8, 3, 16, 16, generator=generator)
    found = video_saliency(model, clips)
    assert found.shape == (2, 8, 16, 16)
    with guided_backpropagation(model):
        gradient = input_gradient(model, clips, signed=True)
    assert torch.isfinite(gradient).all()
    assert gradient.abs().sum() > 0
    one = gradient[1, 3]
    middle = torch.stack([channel.flatten().sort().values[(16 * 16 - 1) // 2] for channel in one])
    torch.testing.assert_close(found[1, 3], (one - middle[:, None, None]).abs().amax(0))


def test_a_gradient_that_lies_over_the_whole_frame_says_nothing():
    class Mean(nn.Module):
        def __init__(self):
            super().__init__()
            self.relu = nn.ReLU()

        def forward(self, clips):
            return self.relu(clips.mean((1, 2, 3, 4)) + clips[:, 2, 0, 4, 5])

    found = video_saliency(Mean(), torch.rand(1, 4, 3, 8, 8))[0]
    assert found.nonzero().tolist() == [[2, 4, 5]]
    assert float(found[2, 4, 5]) == pytest.approx(1)


def test_saliency_takes_clips():
    model = nn.Sequential(nn.Flatten(), nn.Linear(12, 2), nn.ReLU())
    with pytest.raises(ValueError, match=r"it takes float clips \(B, T, C, H, W\)"):
        video_saliency(model, torch.rand(1, 3, 2, 2))
