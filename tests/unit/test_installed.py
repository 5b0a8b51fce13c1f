"""Real images from installed packages: what they are, where they are from, and what happens where they are not."""

import os
import subprocess
import sys
from importlib import resources

import numpy as np
import pytest
import torch
from PIL import Image

from course_lib.data import FetchError, fetch, installed, load
from course_lib.data.video import fit_frames


def test_digits_are_those_of_scikit_learn():
    from sklearn.datasets import load_digits

    known = load_digits()
    train, test, everything = (load("digits", split=split, size=8) for split in ("train", "test", "all"))
    assert (len(train), len(test), len(everything)) == (1000, 797, 1797)
    assert torch.equal(torch.cat([train.frames, test.frames]), everything.frames)
    assert torch.equal(everything.video["label"], torch.from_numpy(known.target))
    assert everything.frames.shape == (1797, 3, 8, 8)
    for channel in everything.frames.unbind(1):
        assert np.array_equal((channel.numpy() * (16 / 255)).round(), known.images)
    assert everything.frames.max() == 255
    assert [everything.names["label"][i] for i in everything.video["label"][:3].tolist()] == ["0", "1", "2"]
    assert (train.lengths == 1).all()


def test_digits_are_resized_as_other_data_is():
    small, large = load("digits", size=8), load("digits", size=20)
    assert torch.equal(large.frames, fit_frames(small.frames, 20))


def test_photographs_are_the_files():
    videos = load("photographs", size=96)
    assert videos.names["name"] == ("china", "flower", "grace hopper")
    assert videos.video["name"].tolist() == [0, 1, 2]
    assert videos.frames.shape == (3, 3, 96, 96)
    file = resources.files("sklearn") / "datasets" / "images" / "flower.jpg"
    with Image.open(str(file)) as image:
        pixels = torch.from_numpy(np.array(image)).permute(2, 0, 1)[None]
    assert torch.equal(videos.frames[1:2], fit_frames(pixels, 96))
    padded = load("photographs", size=96, fit="pad")
    assert torch.equal(padded.frames[1:2], fit_frames(pixels, 96, "pad"))
    assert torch.equal(load("photographs", split="test", size=96).frames, videos.frames)


def test_they_are_found_without_a_network_a_cache_or_a_variable(tmp_path):
    settings = {"COURSE_CACHE": str(tmp_path / "none"), "COURSE_DATA": "", "HTTPS_PROXY": "http://localhost:9"}
    code = "from course_lib import data; print(len(data.load('digits', size=8)), len(data.load('photographs')))"
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env={**os.environ, **settings}
    )
    assert result.stdout.split() == ["1000", "3"]
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize("name", ["digits", "photographs"])
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"split": "val"}, "split is 'val'; allowed: train, test, all"),
        ({"size": 0}, "size is 0"),
        ({"fit": "squeeze"}, "fit is 'squeeze'"),
        ({"max_videos": 3}, "option of .* is 'max_videos'"),
        ({"view": "left"}, "has no views"),
    ],
)
def test_bad_arguments_are_named(name, options, message):
    with pytest.raises(ValueError, match=message):
        load(name, **options)


def test_a_package_without_its_data_is_named(monkeypatch, tmp_path):
    with pytest.raises(FetchError, match="'no_such_package' is not installed; it holds a/b.jpg"):
        installed.file("no_such_package", "a/b.jpg")
    with pytest.raises(FetchError, match="'sklearn' lacks datasets/none.jpg"):
        installed.file("sklearn", "datasets/none.jpg")
    monkeypatch.setattr(installed.resources, "files", lambda package: tmp_path)
    for name, lacking in (("digits", "digits.csv.gz"), ("photographs", "china.jpg")):
        with pytest.raises(FetchError, match=f"'sklearn' lacks .*{lacking}"):
            load(name)


def test_there_is_nothing_to_fetch():
    with pytest.raises(ValueError, match="name is 'digits', which is read from an installed package"):
        fetch("digits")
