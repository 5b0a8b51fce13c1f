"""Pictures of pretext tasks: every question in a row, said in words as well."""

import numpy as np
import pytest
import torch

from course_lib import show


def test_rows_hold_every_frame_and_say_what_they_show():
    pieces = torch.rand(3, 2, 3, 28, 28, generator=torch.Generator().manual_seed(0))
    figure = show.sample_rows([("order", pieces, "2 1 3"), ("rate", pieces[:1], "rate\n4")], title="Questions")
    assert figure.alt == "Questions. order: 2 1 3; rate: rate, 4"
    lines = [axes.images[0].get_array() for axes in figure.axes if axes.images]
    # Frames are 2 pixels apart, pieces 8.
    assert [line.shape for line in lines] == [(28, 3 * (2 * 28 + 2) + 2 * 8, 3), (28, 2 * 28 + 2, 3)]
    for piece, left in enumerate((0, 66, 132)):
        for frame, shift in enumerate((0, 30)):
            found = lines[0][:, left + shift : left + shift + 28]
            np.testing.assert_allclose(found, pieces[piece, frame].movedim(0, -1).numpy())


def test_no_row_and_a_wrong_shape_are_refused():
    with pytest.raises(ValueError, match="rows is empty"):
        show.sample_rows([])
    with pytest.raises(ValueError, match="pieces is"):
        show.sample_rows([("order", torch.rand(3, 28, 28), "")])
