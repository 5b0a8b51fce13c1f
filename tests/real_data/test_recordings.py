"""Real recordings: what is decoded equals a plain full decode, whatever codec, container and layout."""

import csv
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from sample_videos import LENIENT, decode_all

from course_lib.data import ClipSampler, decode, load, open_folder, probe, video
from course_lib.data.video import fit_frames

pytestmark = pytest.mark.real_data

ZOO = {
    "RATRACE_wave_f_nm_np1_fr_goo_37.avi": 72,  # xvid: 73 packets, 72 pictures
    "SchoolRulesHowTheyHelpUs_wave_f_nm_np1_ba_med_0.avi": 74,
    "arm_wrestling.mp4": 280,
    "basketball.mp4": 333,
    "bikes.mp4": 250,
    "carphone_pristine.mp4": 120,
    "dance_street.avi": 205,
    "dog_clip.avi": 296,
    "exercise_wave_jump_three.avi": 393,
    "golf_swing.mp4": 264,
    "hmdb51_Turnk_r_Pippi_Michel_cartwheel_f_cm_np2_le_med_6.avi": 83,  # a title that is not UTF-8
    "kinetics_R6llTwEh07w.mp4": 303,
    "kinetics_SOX5yA1l24A.mp4": 332,
    "pedestrians_vtest.avi": 795,  # msmpeg4
    "v_ApplyEyeMakeup_g01_c01.avi": 164,  # packets without times
    "v_SoccerJuggling_g23_c01.avi": 240,
    "walk_and_flip.mp4": 230,  # vp9, 1768 pixels wide
}


def plain_frames(path, indices):
    """The plain decode, keeping only some frames: whole videos at full size do not fit into memory."""
    import av

    kept = {}
    with av.open(str(path), **LENIENT) as container:
        container.streams.video[0].thread_type = "AUTO"
        for position, frame in enumerate(container.decode(video=0)):
            if position in indices:
                kept[position] = torch.from_numpy(frame.to_ndarray(format="rgb24")).permute(2, 0, 1)
    return torch.stack([kept[i] for i in indices]), position + 1


@pytest.mark.parametrize("name", ZOO)
@pytest.mark.parametrize("backend", ["av", "torchcodec"])
def test_the_frame_asked_for_is_the_frame_that_comes(recording, name, backend):
    if backend == "torchcodec" and not video.has_torchcodec():
        pytest.skip("torchcodec cannot be imported")
    path, count = recording(f"action_clips/{name}"), ZOO[name]
    indices = [count - 1, 0, count // 2, count // 3, count // 3 + 1]
    expected, length = plain_frames(path, sorted(indices))
    assert length == count
    frames = decode(path, indices, backend=backend)
    assert torch.equal(frames[torch.tensor(indices).argsort()], expected)


def test_the_zoo_is_one_folder_of_videos(recording):
    folder = recording("action_clips")
    parts = {s: open_folder(folder, split=s, size=32, stride=8, progress=False) for s in ("train", "test")}
    videos = {v.names["file"][i]: (v, i) for v in parts.values() for i in range(len(v))}
    assert {name: -(-count // 8) for name, count in ZOO.items()} == {
        name: int(v.lengths[i]) for name, (v, i) in videos.items()
    }
    v, i = videos["golf_swing.mp4"]
    expected = fit_frames(decode_all(folder / "golf_swing.mp4")[::8], 32)
    assert torch.equal(v.frames[v.starts[i] : v.starts[i + 1]], expected)
    with open(folder / "labels.csv", newline="") as file:
        for row in csv.DictReader(file):
            info = probe(folder / row["file"])
            assert (info.width, info.height) == (int(row["width"]), int(row["height"]))
            assert info.fps == pytest.approx(float(row["fps"]), abs=0.02)


def test_the_mouse_on_the_wheel_in_two_views(recording):
    folder = recording("mouse_wheel_2views")
    assert (probe(folder / "test_vid.mp4").frames, probe(folder / "test_vid.mp4").fps) == (994, 250.0)
    whole = open_folder(folder, split="all", progress=False)
    assert len(whole.frames) == 994
    for i in (0, 500, 993):
        assert torch.equal(whole.frames[i], fit_frames(decode(folder / "test_vid.mp4", [i]), 64)[0])
    train, test = (open_folder(folder, split=s, progress=False) for s in ("train", "test"))
    assert len(train.frames) + len(test.frames) < 994
    clips = ClipSampler(train, batch=4, length=8, stride=4)(torch.Generator().manual_seed(0))
    assert clips.shape == (4, 8, 3, 64, 64)
    assert clips.diff(dim=1).abs().mean() > 0  # it moves
    labelled = open_folder(folder, split="labelled", fit="pad", progress=False)
    assert (len(labelled), len(labelled.skeleton.joints)) == (71, 17)


@pytest.mark.parametrize(
    ("name", "count", "joints"), [("mouse_reaching/frames", 33, 5), ("mouse_openfield/frames_m4s1", 16, 4)]
)
def test_labels_of_real_projects_lie_where_they_were_set(recording, name, count, joints):
    folder = recording(name)
    with open(folder / "keypoints.csv", newline="") as file:
        rows = list(csv.reader(file))[3:]
    videos = open_folder(folder, split="all", size=128, fit="pad", progress=False)
    assert (len(videos), len(videos.skeleton.joints)) == (count, joints) == (len(rows), len(rows[0]) // 2)
    by_file = {Path(row[0]).name: row[1:] for row in rows}
    for i, file in enumerate(videos.names["file"]):
        with Image.open(folder / file) as image:
            width, height = image.size
            pixels = torch.from_numpy(np.array(image.convert("RGB"))).permute(2, 0, 1)[None]
        assert torch.equal(videos.frames[i], fit_frames(pixels, 128, "pad")[0])
        given = torch.tensor([float(v or "nan") for v in by_file[Path(file).name]]).reshape(-1, 2)
        scale = 128 / max(width, height)
        border = torch.tensor([max(0, height - width), max(0, width - height)]) * scale / 2
        assert torch.allclose(videos.frame["joints"][i], given * scale + border, atol=1.5, equal_nan=True)


def test_an_open_field_seeks_through_a_long_video(recording):
    path = recording("mouse_openfield/m3v1.mp4")
    indices = [2329, 1200, 1199, 7]
    expected, length = plain_frames(path, sorted(indices))
    assert length == 2330
    assert torch.equal(decode(path, indices)[[3, 2, 1, 0]], expected)


def test_folders_of_ucf101_frames_split_by_person(recording):
    folder = recording("ucf101_eye_makeup_frames")
    parts = [open_folder(folder, split=s, size=32, progress=False) for s in ("train", "test")]
    assert sum(len(p) for p in parts) == 38
    assert all(p.lengths.tolist() == [25] * len(p) for p in parts)
    persons = [{p.names["group"][i] for i in p.video["group"].tolist()} for p in parts]
    assert persons[0].isdisjoint(persons[1])
    assert len(persons[0] | persons[1]) == 19
    name = parts[0].names["file"][0]
    with Image.open(folder / name / "i_0025.jpg") as image:
        last = torch.from_numpy(np.array(image)).permute(2, 0, 1)[None]
    assert torch.equal(parts[0].frames[24], fit_frames(last, 32)[0])


def test_four_cameras_are_split_in_time(recording):
    folder = recording("multiview_walk_4cams/single_person")
    train, test = (
        open_folder(folder, split=s, size=32, stride=5, split_by="time", progress=False) for s in ("train", "test")
    )
    assert (train.lengths.tolist(), test.lengths.tolist()) == ([15] * 4, [4] * 4)
    expected, _ = plain_frames(folder / "cam02.mp4", list(range(80, 100, 5)))
    assert torch.equal(test.frames[4:8], fit_frames(expected, 32))


def test_any_of_them_by_name(recording, monkeypatch):
    monkeypatch.setenv("COURSE_DATA", str(recording("mouse_reaching").parent))
    assert len(load("mouse_reaching/frames", split="all", progress=False)) == 33
