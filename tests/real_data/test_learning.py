"""Real recordings: the method learns from them, and the chapter runs on a folder of them."""

import shutil

import pytest
import torch

from course_lib import notebooks, training
from course_lib.data import ClipSampler, open_folder
from course_lib.evaluation import bootstrap_interval
from course_lib.methods import TemporalPermutation
from course_lib.models import SmallAlexNet

pytestmark = [pytest.mark.real_data, pytest.mark.slow]


def test_order_is_learned_on_a_real_mouse(recording, tmp_path):
    """One video of a mouse on a wheel: the pretext task is solved above chance, with an interval that says so."""
    shutil.copy(recording("mouse_wheel_2views/test_vid.mp4"), tmp_path)
    mouse = open_folder(tmp_path, split="train", size=40, progress=False)
    torch.manual_seed(0)
    method = TemporalPermutation(SmallAlexNet(8, 64, image_size=40), hidden=32)
    batches = ClipSampler(mouse, batch=12, length=6, stride=4)
    generator = torch.Generator().manual_seed(0)
    training.fit(method, batches, steps=150, lr=3e-3, generator=generator, progress=False)
    with torch.inference_mode():
        inputs, labels = method.pretext(batches(generator), generator)
        for _ in range(9):
            more, answers = method.pretext(batches(generator), generator)
            inputs, labels = torch.cat([inputs, more]), torch.cat([labels, answers])
        correct = method.network(inputs).argmax(1) == labels
    pairs = torch.arange(len(labels)) // 2  # a real clip and its shuffled copy are drawn together
    interval = bootstrap_interval(correct, generator, groups=pairs)
    assert interval.low > method.chance, interval


def test_the_chapter_runs_on_a_folder_of_videos(recording, tmp_path):
    for name in ("carphone_pristine.mp4", "bikes.mp4", "v_SoccerJuggling_g23_c01.avi"):
        shutil.copy(recording(f"action_clips/{name}"), tmp_path)
    chapter = notebooks.find("21")
    given = {"preset": "smoke", "dataset": str(tmp_path)}
    done = notebooks.execute(chapter.path, given, progress=False, env={"COURSE_PRESET": None})
    results = notebooks.records(done.notebook)
    assert set(results["pretext_accuracy"]) == {"training videos", "held-out videos"}
