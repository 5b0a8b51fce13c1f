"""Tiles: the right pixels, no overlap, and back together."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from course_lib.transforms import cut_tiles, join_tiles, resize


def pixel_names(batch, size):
    """Images whose pixel values are all different: value = where it comes from."""
    return torch.arange(batch * 3 * size * size, dtype=torch.float64).reshape(batch, 3, size, size)


@given(st.integers(1, 4), st.integers(1, 6), st.integers(0, 2**31))
def test_full_tiles_join_to_the_image(grid, cell, seed):
    images = pixel_names(2, grid * cell)
    tiles = cut_tiles(images, grid, size=cell, generator=torch.Generator().manual_seed(seed))
    assert tiles.shape == (2, grid * grid, 3, cell, cell)
    assert torch.equal(join_tiles(tiles), images)


@given(st.integers(2, 4), st.integers(3, 7), st.integers(1, 6), st.integers(0, 2**31))
def test_each_tile_is_a_window_of_its_own_cell(grid, cell, size, seed):
    size = min(size, cell)
    images = pixel_names(2, grid * cell)
    tiles = cut_tiles(images, grid, size=size, generator=torch.Generator().manual_seed(seed))
    assert tiles.unique().numel() == tiles.numel()  # no pixel twice: no overlap
    side = grid * cell
    for sample in range(2):
        for index in range(grid * grid):
            corner = int(tiles[sample, index, 0, 0, 0]) % (side * side)
            top, left = divmod(corner, side)
            row, column = divmod(index, grid)
            assert row * cell <= top <= (row + 1) * cell - size
            assert column * cell <= left <= (column + 1) * cell - size
            window = images[sample, :, top : top + size, left : left + size]
            assert torch.equal(tiles[sample, index], window)


def test_places_within_cells_are_random_with_a_generator_and_central_without(generator):
    images = pixel_names(50, 30)
    tiles = cut_tiles(images, 3, size=6, generator=generator)
    corners = tiles[:, 4, 0, 0, 0].long() % 900
    assert len(corners.unique()) > 10
    centred = cut_tiles(images, 3, size=6)[:, 4, 0, 0, 0].long() % 900
    assert (centred == (10 + 2) * 30 + 10 + 2).all()


def test_default_tiles_leave_a_gap(generator):
    assert cut_tiles(torch.rand(1, 3, 64, 64), 3, generator=generator).shape == (1, 9, 3, 18, 18)


def test_wrong_input_is_named():
    with pytest.raises(ValueError, match="size is 11; a cell of a 3×3 grid over 30×30 pixels has 10"):
        cut_tiles(torch.rand(1, 3, 30, 30), 3, size=11)
    with pytest.raises(ValueError, match="grid is 0"):
        cut_tiles(torch.rand(1, 3, 30, 30), 0)
    with pytest.raises(ValueError, match="NaN"):
        cut_tiles(torch.full((1, 3, 6, 6), float("nan")))
    with pytest.raises(ValueError, match="tiles has 5 tiles"):
        join_tiles(torch.zeros(1, 5, 3, 2, 2))


def test_resize_keeps_constants_and_means(generator):
    assert torch.allclose(resize(torch.full((1, 3, 9, 9), 0.25), 5), torch.tensor(0.25))
    images = torch.rand(2, 3, 32, 32, generator=generator)
    torch.testing.assert_close(resize(images, 16).mean((2, 3)), images.mean((2, 3)), atol=0.01, rtol=0)
