"""Figures of chapter 06."""

import pytest
import torch

from course_lib import show


def test_every_family_is_drawn_and_described():
    figure = show.video_families()
    assert len(figure.axes) == 8
    for name in ("single frame", "LRCN", "two streams", "C3D"):
        assert name in figure.alt


def test_flow_is_drawn_beside_the_picture_and_the_wheel(generator):
    flow = torch.randn(2, 20, 24, generator=generator)
    figure = show.flow_panels(torch.rand(3, 20, 24, generator=generator), {"one": flow, "none": flow * 0})
    assert len(figure.axes) == 4
    assert "one" in figure.alt
    assert len(figure.png()) > 1000
    assert show.flow_panels(torch.rand(1, 20, 24), {"none": flow * 0}, limit=2.0).axes[-1].get_title() == "rim: 2 px"


@pytest.mark.parametrize(
    ("layers", "frames", "unit", "told"),
    [
        ([("conv", 3, 1, 1)], 8, 3, "Unit 4 at the top sees frames 3 to 5 of 8; units per row: [8, 8]"),
        ([("conv", 3, 1, 1)], 8, 0, "sees frames 1 to 2 of 8"),
        ([("conv", 3, 1, 0), ("pool", 2, 2, 0), ("conv", 3, 1, 0)], 12, 0, "1 to 8 of 12; units per row: [12"),
        ([("conv", 5, 2, 2)], 8, 99, "Unit 4 at the top sees frames 5 to 8"),
    ],
)  # fmt: skip
def test_a_unit_sees_the_frames_it_depends_on(layers, frames, unit, told):
    assert told in show.temporal_layers(layers, frames, unit).alt


def test_the_frames_seen_are_those_with_a_gradient(generator):
    layers = [("a", 3, 2, 1), ("b", 3, 1, 1), ("c", 2, 2, 0)]
    signal = torch.rand(1, 1, 16, requires_grad=True)
    maps = signal
    for _, kernel, stride, padding in layers:
        maps = torch.nn.functional.conv1d(maps, torch.ones(1, 1, kernel), stride=stride, padding=padding)
    maps[0, 0, 1].backward()
    seen = signal.grad[0, 0].nonzero().flatten()
    assert f"frames {seen[0] + 1} to {seen[-1] + 1} of 16" in show.temporal_layers(layers, 16, 1).alt


@pytest.mark.parametrize(
    ("draw", "named"),
    [
        (lambda: show.flow_panels(torch.rand(3, 8, 8), {}), "flows"),
        (lambda: show.flow_panels(torch.rand(3, 8, 8), {"a": torch.rand(2, 8, 9)}), "flows"),
        (lambda: show.flow_panels(torch.rand(8, 8), {"a": torch.rand(2, 8, 8)}), "image"),
        (lambda: show.temporal_layers([("conv", 5, 1, 0)], 4), "layers"),
        (lambda: show.temporal_layers([("conv", 3, 1, 1)], 0), "frames"),
    ],
)
def test_bad_input_is_named(draw, named):
    with pytest.raises(ValueError, match=named):
        draw()
