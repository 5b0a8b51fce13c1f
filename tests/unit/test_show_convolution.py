"""Figures of convolutions: they tell the numbers they draw and refuse what they cannot draw."""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

from course_lib import show

IMAGE = torch.arange(12.0).view(4, 3)
KERNEL = torch.tensor([[1.0, 0.0], [-1.0, 2.0]])


@given(st.integers(1, 2), st.integers(0, 1), st.integers(1, 2), st.data())
def test_every_step_tells_the_value_that_torch_gives(stride, padding, dilation, data):
    full = F.conv2d(IMAGE[None, None], KERNEL[None, None], None, stride, padding, dilation).flatten()
    place = data.draw(st.integers(0, len(full) - 1))
    figure = show.sliding_window(IMAGE, KERNEL, place, stride=stride, padding=padding, dilation=dilation)
    assert isinstance(figure, show.Figure)
    assert figure.alt.endswith(f"= {full[place]:g}")


def test_a_step_can_be_drawn_and_the_map_so_far_is_filled():
    figure = show.sliding_window(IMAGE, KERNEL, 2)
    written = [text for text in figure.axes[3].texts]
    assert len(written) == 3
    assert figure.png()[:4] == b"\x89PNG"


def test_maps_with_an_image_and_peaks():
    maps = [torch.randn(6, 8), torch.rand(3, 4)]
    figure = show.response_maps(maps, image=torch.rand(3, 6, 8), titles=["edge", "blob"], peaks=True)
    assert "2 maps. edge, blob" in figure.alt
    assert figure.png()[:4] == b"\x89PNG"
    assert show.response_maps(torch.zeros(5, 4, 4), columns=3).png()
    assert len(show.response_maps(torch.rand(4, 5, 5), pictures=2, columns=2).axes) == 4 + 2  # two colour bars


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"place": 6}, "place is 6"),
        ({"place": 0, "stride": 0}, "stride is 0"),
        ({"place": 0, "padding": -1}, "padding is -1"),
        ({"place": 0, "dilation": 5}, "kernel spans"),
    ],
)
def test_impossible_steps_are_named(arguments, named):
    with pytest.raises(ValueError, match=named):
        show.sliding_window(IMAGE, KERNEL, **arguments)


def test_what_is_no_map_is_named():
    with pytest.raises(ValueError, match="both take"):
        show.sliding_window(IMAGE[None], KERNEL, 0)
    with pytest.raises(ValueError, match="maps is"):
        show.response_maps(torch.zeros(2, 3, 4, 4))
    with pytest.raises(ValueError, match="maps is"):
        show.response_maps([])
    with pytest.raises(ValueError, match="pictures is -1"):
        show.response_maps(torch.zeros(2, 4, 4), pictures=-1)
    with pytest.raises(ValueError, match="titles"):
        show.response_maps(torch.zeros(2, 4, 4), titles=["one"])
