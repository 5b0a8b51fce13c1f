"""The rasteriser: where things land, how much they cover, what lies over what."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from course_lib.data.worlds.rasteriser import capsule, draw, ellipse, polygon, render

WHITE = (1.0, 1.0, 1.0)
inside = st.floats(14, 34)


def blank(frames=1, height=48, width=48, value=0.0):
    return torch.full((frames, 3, height, width), value)


def flat_disc(centre, radius, colour=WHITE, **kinds):
    return ellipse(torch.tensor([centre]), float(radius), colour, shading=0.0, **kinds)


def centroid(picture):
    weight = picture.mean(0)
    y, x = torch.meshgrid(torch.arange(weight.shape[0]), torch.arange(weight.shape[1]), indexing="ij")
    return (weight * x).sum() / weight.sum(), (weight * y).sum() / weight.sum()


@settings(max_examples=40, deadline=None)
@given(x=inside, y=inside, radius=st.floats(1.0, 10.0))
def test_a_disc_has_its_area_and_its_centroid_to_a_fraction_of_a_pixel(x, y, radius):
    picture = draw(blank(), [flat_disc((x, y), radius)])[0]
    cx, cy = centroid(picture)
    assert abs(cx - x) < 0.1
    assert abs(cy - y) < 0.1
    # coverage falls linearly over one pixel across the edge, which adds pi / 12 to the exact area
    assert float(picture[0].sum()) == pytest.approx(math.pi * (radius**2 + 1 / 12), rel=0.01 + 0.11 / radius**2)


@settings(max_examples=40, deadline=None)
@given(
    x=inside,
    y=inside,
    angle=st.floats(0, 2 * math.pi),
    length=st.floats(0.0, 14.0),
    radius=st.floats(1.0, 4.0),
)
def test_a_capsule_has_its_area_and_its_middle(x, y, angle, length, radius):
    half = torch.tensor([[math.cos(angle), math.sin(angle)]]) * length / 2
    middle = torch.tensor([[x, y]])
    canvas = blank(1, 64, 72)
    picture = draw(canvas, [capsule(middle - half + 8, middle + half + 8, radius, WHITE, shading=0.0)])[0]
    cx, cy = centroid(picture)
    assert abs(cx - x - 8) < 0.1
    assert abs(cy - y - 8) < 0.1
    area = math.pi * (radius**2 + 1 / 12) + 2 * radius * length
    assert float(picture[0].sum()) == pytest.approx(area, rel=0.01 + 0.11 / radius**2)


@settings(max_examples=25, deadline=None)
@given(x=inside, y=inside, angle=st.floats(0, 6.3), side=st.floats(6, 16), clockwise=st.booleans())
def test_a_polygon_has_its_area_whichever_way_round_it_is_given(x, y, angle, side, clockwise):
    turn = angle + torch.arange(4) * (-math.pi / 2 if clockwise else math.pi / 2)
    corners = torch.tensor([x, y]) + side / math.sqrt(2) * torch.stack([turn.cos(), turn.sin()], 1)
    picture = draw(blank(), [polygon(corners[None], WHITE)])[0]
    assert float(picture[0].sum()) == pytest.approx(side**2, rel=0.05)


@settings(max_examples=25, deadline=None)
@given(dx=st.integers(-13, 13), dy=st.integers(-13, 13), x=st.floats(20, 27), y=st.floats(20, 27))
def test_moving_by_whole_pixels_moves_the_picture_and_changes_nothing_else(dx, dy, x, y):
    def scene(step):
        at = torch.tensor([[x, y]]) + step
        return [
            capsule(
                at - 3,
                at + torch.tensor([3.0, 1.0]),
                torch.tensor([[2.5, 1.5]]),
                (0.2, 0.6, 0.9),
                outline=0.4,
            ),
            ellipse(at, torch.tensor([[4.0, 2.0]]), (0.9, 0.3, 0.1), angle=0.7),
        ]

    still = draw(blank(), scene(torch.zeros(2)))
    moved = draw(blank(), scene(torch.tensor([float(dx), float(dy)])))
    assert torch.allclose(moved, still.roll((dy, dx), (2, 3)), atol=2e-4)


def reference(shape_depth, height, width):
    """Coverage pixel by pixel from a depth function, in plain Python."""
    return torch.tensor([[min(1.0, max(0.0, shape_depth(x, y) + 0.5)) for x in range(width)] for y in range(height)])


def test_a_tapered_limb_equals_a_plain_pixel_by_pixel_reference():
    ax, ay, bx, by, r0, r1 = 9.3, 4.7, 40.2, 27.9, 4.0, 1.5

    def depth(x, y):
        t = ((x - ax) * (bx - ax) + (y - ay) * (by - ay)) / ((bx - ax) ** 2 + (by - ay) ** 2)
        t = min(1.0, max(0.0, t))
        return r0 + t * (r1 - r0) - math.hypot(x - ax - t * (bx - ax), y - ay - t * (by - ay))

    limb = capsule(torch.tensor([[ax, ay]]), torch.tensor([[bx, by]]), torch.tensor([[r0, r1]]), WHITE, shading=0.0)
    assert torch.allclose(draw(blank(), [limb])[0, 0], reference(depth, 48, 48), atol=1e-4)


@given(opacity=st.floats(0, 1), back=st.floats(0, 1), front=st.floats(0, 1))
@settings(max_examples=25, deadline=None)
def test_opacity_blends_between_background_and_ink(opacity, back, front):
    picture = draw(blank(value=back), [flat_disc((24, 24), 6, (front,) * 3, opacity=opacity)])
    assert float(picture[0, 0, 24, 24]) == pytest.approx(back + opacity * (front - back), abs=1e-5)
    assert float(picture[0, 0, 2, 2]) == pytest.approx(back)


def test_later_shapes_lie_in_front():
    red, blue = flat_disc((24, 24), 6, (1.0, 0.0, 0.0)), flat_disc((24, 24), 6, (0.0, 0.0, 1.0))
    assert draw(blank(), [red, blue])[0, :, 24, 24].tolist() == [0, 0, 1]
    assert draw(blank(), [blue, red])[0, :, 24, 24].tolist() == [1, 0, 0]


def test_limbs_look_round_and_outlines_are_darker():
    limb = capsule(torch.tensor([[10.0, 24.0]]), torch.tensor([[38.0, 24.0]]), 6.0, (0.5, 0.5, 0.5), shading=1.0)
    column = draw(blank(), [limb])[0, 0, 19:30, 24]
    assert column[2] > column[8]  # lit from above
    assert column.max() > 0.5 > column[9]
    rim = draw(blank(), [flat_disc((24, 24), 6, outline=1.0)])[0, 0, 24]
    assert rim[24] == 1
    assert rim[29] < 0.6


def test_frames_do_not_mix_and_one_row_serves_all():
    places = torch.tensor([[10.0, 10.0], [30.0, 20.0], [20.0, 40.0]])
    several = draw(blank(3), [ellipse(places, 3.0, WHITE), flat_disc((40, 5), 2)])
    for frame, place in enumerate(places):
        alone = draw(blank(1), [ellipse(place[None], 3.0, WHITE), flat_disc((40, 5), 2)])
        assert torch.equal(several[frame], alone[0])


@pytest.mark.parametrize("centre", [(-50.0, 20.0), (20.0, 500.0), (1e7, -1e7)])
def test_what_lies_outside_is_not_drawn_and_does_not_fail(centre):
    assert draw(blank(), [flat_disc(centre, 4)]).sum() == 0


@pytest.mark.parametrize("width", [40, 41, 47, 24])
def test_edges_are_cut_at_any_width(width):
    picture = draw(blank(1, 30, width), [flat_disc((width - 1, 15), 5)])[0, 0]
    assert picture.shape == (30, width)
    assert float(picture.sum()) == pytest.approx(math.pi * 25 / 2 + 5, rel=0.06)  # the left half and the middle column


def test_render_rounds_and_does_not_depend_on_the_chunk():
    spots = torch.rand(37, 2, generator=torch.Generator().manual_seed(0)) * 48
    shapes = [ellipse(spots, 4.0, WHITE)]
    several = [
        render(
            37,
            lambda part: blank(len(range(37)[part]), value=0.25),
            shapes,
            lambda p, _: p * 1.5,
            chunk=chunk,
        )
        for chunk in (1, 7, 100)
    ]
    assert several[0].dtype == torch.uint8
    assert int(several[0].min()) == round(0.25 * 1.5 * 255)
    assert int(several[0].max()) == 255
    assert torch.equal(several[0], several[1])
    assert torch.equal(several[0], several[2])


def test_bad_input_is_named():
    with pytest.raises(ValueError, match="canvas"):
        draw(torch.zeros(1, 1, 8, 8), [])
    with pytest.raises(ValueError, match="shape 1 has coordinates that are not finite"):
        draw(blank(), [flat_disc((4, 4), 1), flat_disc((math.nan, 4), 1)])
    with pytest.raises(ValueError, match="shape 0 has 2 rows; the canvas has 3"):
        draw(blank(3), [ellipse(torch.zeros(2, 2), 1.0, WHITE)])
    with pytest.raises(ValueError, match="colour"):
        ellipse(torch.zeros(2, 2), 1.0, (1.0, 1.0))
    with pytest.raises(ValueError, match="corners"):
        polygon(torch.zeros(1, 2, 2), WHITE)
    with pytest.raises(ValueError, match="start"):
        capsule(torch.zeros(2), torch.zeros(1, 2), 1.0, WHITE)
