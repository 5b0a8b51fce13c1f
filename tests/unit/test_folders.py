"""Folders of real files as a `VideoSet`: every layout, official and own splits, key-points, the cache, bad
input."""

import json
import os

import numpy as np
import pytest
import torch
from PIL import Image
from sample_videos import WIDTH, decode_all, number_frame, read_numbers, write_video

from course_lib.data import cache, fetching, folders
from course_lib.data.fetching import FetchError
from course_lib.data.folders import open_folder
from course_lib.data.video import VideoError, fit_frames

SIZE = 16


@pytest.fixture(autouse=True)
def cache_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture(scope="session")
def clip(tmp_path_factory):
    """One small file, copied wherever a layout needs a video."""
    return write_video(tmp_path_factory.mktemp("clip") / "clip.avi", 10, codec="mpeg4", b_frames=0).read_bytes()


def place(clip, *paths):
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(clip)


def opened(path, **options):
    return open_folder(path, size=SIZE, progress=False, **options)


def files(videos):
    return [videos.names["file"][i] for i in videos.video["file"].tolist()]


def labels(videos):
    return [videos.names["activity"][i] for i in videos.video["activity"].tolist()]


# -- any folder ----------------------------------------------------------------------------------------------


def test_a_folder_of_videos_equals_their_plain_decodes(tmp_path):
    lengths = {"b.mp4": 7, "a.mp4": 12, "c10.mp4": 5, "c9.mp4": 6}
    (tmp_path / "in").mkdir()
    for name, length in lengths.items():
        write_video(tmp_path / "in" / name, length)
    videos = opened(tmp_path / "in", split="all")
    assert files(videos) == ["a.mp4", "b.mp4", "c9.mp4", "c10.mp4"]
    assert videos.lengths.tolist() == [12, 7, 6, 5]
    expected = torch.cat([fit_frames(decode_all(tmp_path / "in" / name), SIZE) for name in files(videos)])
    assert torch.equal(videos.frames, expected)
    assert videos.fps == 25.0


def test_stride_and_limits_thin_out(tmp_path, clip):
    place(clip, *(tmp_path / "in" / f"{i}.avi" for i in range(6)))
    videos = opened(tmp_path / "in", split="all", stride=3, max_frames=2, max_videos=3)
    assert files(videos) == ["0.avi", "2.avi", "4.avi"]
    assert videos.lengths.tolist() == [2, 2, 2]
    assert videos.fps == pytest.approx(25 / 3)
    whole = opened(tmp_path / "in", split="all")
    assert torch.equal(videos.frames[:2], whole.frames[[0, 3]])


@pytest.mark.parametrize("count", [2, 3, 5, 23])
def test_train_and_test_share_nothing_and_miss_nothing(tmp_path, clip, count):
    place(clip, *(tmp_path / "in" / f"{i}.avi" for i in range(count)))
    train, test = (set(files(opened(tmp_path / "in", split=s, max_frames=1))) for s in ("train", "test"))
    assert not train & test
    assert len(train | test) == count
    assert len(test) == max(1, count // 5)


def test_the_split_is_the_same_wherever_the_folder_lies(tmp_path, clip):
    found = []
    for base in ("here", "there"):
        place(clip, *(tmp_path / base / "in" / f"{i}.avi" for i in range(9)))
        found.append(files(opened(tmp_path / base / "in", split="test", max_frames=1)))
    assert found[0] == found[1]


def test_clips_of_one_person_stay_on_one_side(tmp_path, clip):
    names = [f"v_Walk_g{g:02d}_c{c:02d}.avi" for g in range(1, 8) for c in (1, 2)]
    place(clip, *(tmp_path / "in" / name for name in names))
    train, test = (opened(tmp_path / "in", split=s, max_frames=1) for s in ("train", "test"))
    groups = [{v.names["group"][i] for i in v.video["group"].tolist()} for v in (train, test)]
    assert groups[0].isdisjoint(groups[1])
    assert len(train) + len(test) == 14
    assert set(labels(train)) == {"Walk"}


def test_clips_of_a_single_person_are_split_all_the_same(tmp_path, clip):
    place(clip, *(tmp_path / "in" / f"v_Walk_g01_c{c:02d}.avi" for c in range(1, 6)))
    train, test = (files(opened(tmp_path / "in", split=s, max_frames=1)) for s in ("train", "test"))
    assert (len(train), len(test)) == (4, 1)
    assert not set(train) & set(test)


def test_one_video_is_split_in_time_with_a_gap(tmp_path):
    path = write_video(tmp_path / "in.mp4", 100)
    train, test = (open_folder(path, split=s, size=32, fit="stretch", progress=False) for s in ("train", "test"))
    everything = fit_frames(decode_all(path), 32, "stretch")
    assert torch.equal(train.frames, everything[:75])
    assert torch.equal(test.frames, everything[80:])
    (tmp_path / "alone").mkdir()
    path.rename(tmp_path / "alone" / "in.mp4")
    assert len(opened(tmp_path / "alone", split="test").frames) == 20
    assert len(opened(tmp_path / "alone", split="all").frames) == 100


def test_synchronised_cameras_are_split_in_time(tmp_path):
    (tmp_path / "in").mkdir()
    for camera in range(3):
        write_video(tmp_path / "in" / f"cam{camera}.mp4", 40)
    train, test = (opened(tmp_path / "in", split=s, split_by="time") for s in ("train", "test"))
    assert len(train) == len(test) == 3
    assert train.lengths.tolist() == [30] * 3
    everything = opened(tmp_path / "in", split="all")
    assert torch.equal(test.frames[8:16], everything.frames[72:80])


def test_a_folder_per_class(tmp_path, clip):
    place(clip, *(tmp_path / "in" / c / f"{i}.avi" for c in ("walk", "run") for i in range(5)))
    train, test = (opened(tmp_path / "in", split=s) for s in ("train", "test"))
    assert labels(train) == ["run"] * 4 + ["walk"] * 4
    assert labels(test) == ["run", "walk"]


def test_folders_of_images_in_natural_order(tmp_path):
    for folder in ("x", "y"):
        (tmp_path / "in" / folder).mkdir(parents=True)
        for number in range(1, 12):
            Image.fromarray(number_frame(number)).save(tmp_path / "in" / folder / f"frame_{number}.png")
    videos = open_folder(tmp_path / "in", split="all", size=WIDTH, fit="pad", progress=False)
    assert videos.lengths.tolist() == [11, 11]
    assert read_numbers(videos.frames[:11, :, 48:80]) == list(range(1, 12))


# -- official layouts ----------------------------------------------------------------------------------------


@pytest.fixture
def ucf(tmp_path, clip):
    names = [f"{c}/v_{c}_g{g:02d}_c01.avi" for c in ("Archery", "Biking") for g in range(1, 5)]
    place(clip, *(tmp_path / "ucf" / "UCF-101" / name for name in names))
    lists = tmp_path / "ucf" / "ucfTrainTestlist"
    lists.mkdir()
    (lists / "classInd.txt").write_text("1 Archery\n2 Biking\n")
    for fold, test in ((1, ("g01", "g02")), (2, ("g03",))):
        (lists / f"testlist{fold:02d}.txt").write_text("".join(f"{n}\n" for n in names if n[-11:-8] in test))
        train = [n for n in names if n[-11:-8] not in test]
        (lists / f"trainlist{fold:02d}.txt").write_text("".join(f"{n} {1 + ('Bik' in n)}\r\n" for n in train))
    return tmp_path / "ucf"


def test_ucf101_uses_its_lists(ucf):
    train, test = opened(ucf), opened(ucf, split="test")
    assert (len(train), len(test), len(opened(ucf, split="all"))) == (4, 4, 8)
    assert labels(test) == ["Archery", "Archery", "Biking", "Biking"]
    assert all("g01" in f or "g02" in f for f in files(test))
    assert len(opened(ucf, split="test", fold=2)) == 2
    with pytest.raises(ValueError, match="fold is 3; .* has 1, 2"):
        opened(ucf, fold=3)


def test_hmdb51_uses_its_lists(tmp_path, clip):
    root = tmp_path / "hmdb"
    marks = {"walk": "1120", "run": "1202"}
    (root / "splits").mkdir(parents=True)
    for label, codes in marks.items():
        names = [f"Film{i}_{label}_f_cm_np1_fr_med_{i}.avi" for i in range(4)]
        place(clip, *(root / label / name for name in names))
        lines = "".join(f"{name} {code} \n" for name, code in zip(names, codes, strict=True))
        (root / "splits" / f"{label}_test_split1.txt").write_text(lines)
    assert labels(opened(root)) == ["run", "walk", "walk"]
    assert labels(opened(root, split="test")) == ["run", "run", "walk"]
    assert len(opened(root, split="all")) == 8
    assert opened(root).names["group"] == ("Film0", "Film1")


def test_kinetics_uses_its_table(tmp_path, clip):
    root = tmp_path / "kinetics"
    place(
        clip,
        root / "train" / "aaaa_000010_000020.mp4",
        root / "val" / "bbbb_000000_000010.mp4",
        root / "train" / "cc.mp4",
    )
    rows = ["dancing,aaaa,10,20,train", "juggling,bbbb,0,10,validate", "juggling,cc,5,15,train"]
    (root / "annotations.csv").write_text("label,youtube_id,time_start,time_end,split\n" + "\n".join(rows))
    assert labels(opened(root)) == ["dancing", "juggling"]
    assert labels(opened(root, split="val")) == ["juggling"]
    with pytest.raises(ValueError, match="split is 'test'; allowed: train, val, all"):
        opened(root, split="test")
    (root / "train" / "cc.mp4").unlink()
    with pytest.raises(VideoError, match="1 of 2 videos of split 'train' are missing"):
        opened(root)
    with pytest.warns(UserWarning, match="1 of 2 videos are broken or missing"):
        assert len(opened(root, skip_broken=True)) == 1


# -- key-points ----------------------------------------------------------------------------------------------


@pytest.fixture
def project(tmp_path):
    """White dots at known places in images of two sizes, labelled; and an unlabelled video."""
    root = tmp_path / "project"
    (root / "labeled-data" / "mouse").mkdir(parents=True)
    (root / "videos").mkdir()
    write_video(root / "videos" / "mouse.mp4", 50)
    rows = ["scorer,me,me,me,me", "bodyparts,nose,nose,paw_left,paw_left", "coords,x,y,x,y"]
    for i, (width, height, x, y) in enumerate([(60, 40, 30, 20), (40, 60, 12, 33), (64, 64, 50, 9), (64, 64, 8, 8)]):
        pixels = np.zeros((height, width, 3), dtype=np.uint8)
        pixels[y - 2 : y + 3, x - 2 : x + 3] = 255
        Image.fromarray(pixels).save(root / "labeled-data" / "mouse" / f"img{i}.png")
        rows.append(
            f"labeled-data/mouse/img{i}.png,{x},{y},," if i else f"labeled-data/mouse/img{i}.png,{x},{y},{x},{y}"
        )
    (root / "CollectedData_me.csv").write_text("\n".join(rows) + "\n")
    return root


@pytest.mark.parametrize("fit", ["crop", "stretch", "pad"])
def test_labels_move_with_the_pixels(project, fit):
    videos = open_folder(project, split="labelled", size=32, fit=fit, progress=False)
    assert (len(videos), len(videos.frames)) == (4, 4)
    assert videos.skeleton.joints == ("nose", "paw_left")
    joints = videos.frame["joints"]
    assert joints.shape == (4, 2, 2)
    assert joints[1:, 1].isnan().all()
    mass = videos.frames[:, 0].float()
    grid = torch.arange(32.0)
    x = (mass.sum(1) * grid).sum(1) / mass.sum((1, 2))
    y = (mass.sum(2) * grid).sum(1) / mass.sum((1, 2))
    assert torch.allclose(joints[:, 0], torch.stack([x, y], 1), atol=0.3)


def test_labels_outside_the_crop_are_not_labels(project):
    videos = open_folder(project, split="labelled", size=32, crop=(20, 0, 40, 40), progress=False)
    assert videos.frame["joints"][:, 0].isnan().any(1).tolist() == [False, True, True, True]


def test_the_unlabelled_video_is_what_is_trained_on(project):
    train = open_folder(project, size=32, joints="paw*", progress=False)
    assert len(train.frames) == 38
    assert train.frame["joints"].shape == (38, 1, 2)
    assert train.frame["joints"].isnan().all()
    assert train.skeleton.joints == ("paw_left",)


def test_a_table_without_videos_is_split_by_image(project):
    (project / "videos" / "mouse.mp4").unlink()
    parts = [files(opened(project, split=s)) for s in ("train", "test")]
    assert sorted(sum(parts, [])) == files(opened(project, split="all"))
    assert len(parts[1]) == 1


def test_paths_in_three_columns_are_read(project):
    table = project / "CollectedData_me.csv"
    rows = table.read_text().splitlines()
    heads = [row.replace(",", ",,,", 1) for row in rows[:3]]
    table.write_text("\n".join(heads + [row.replace("/", ",", 2) for row in rows[3:]]))
    assert len(opened(project, split="labelled")) == 4


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("scorer", "name", "a key-point table starts with scorer"),
        ("coords,x,y", "coords,x,z", "not followed by its y column"),
        ("img1.png,12", "img1.png,left", "row 5: could not convert"),
        ("bodyparts", "individuals", "several animals"),
        ("img2.png", "img1.png", "labelled twice"),
        ("img2.png", "img7.png", r"img7\.png cannot be decoded"),
    ],
)
def test_a_wrong_table_says_what_is_wrong(project, old, new, message):
    table = project / "CollectedData_me.csv"
    table.write_text(table.read_text().replace(old, new, 1))
    with pytest.raises(ValueError, match=message):
        opened(project, split="labelled")


def test_an_unknown_joint_pattern_names_the_joints(project):
    with pytest.raises(ValueError, match=r"joints is 'tail\*'; .* has nose, paw_left"):
        opened(project, joints="tail*")


# -- bad input -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("content", [b"", b"no video at all" * 99, "cut"])
def test_a_broken_video_is_an_error_or_left_out_and_counted(tmp_path, clip, content):
    place(clip, *(tmp_path / "in" / f"{i}.avi" for i in range(4)))
    (tmp_path / "in" / "2.avi").write_bytes(clip[: len(clip) // 2] if content == "cut" else content)
    with pytest.raises(VideoError, match=r"2\.avi"):
        opened(tmp_path / "in", split="all")
    for _ in range(2):  # decoded, then from the cache
        with pytest.warns(UserWarning, match="1 of 4 videos are broken or missing"):
            videos = opened(tmp_path / "in", split="all", skip_broken=True)
        assert files(videos) == ["0.avi", "1.avi", "3.avi"]
        assert videos.names["skipped"] == ("2.avi",)
        assert videos.lengths.tolist() == [10, 10, 10]
    whole = opened(tmp_path / "in" / "3.avi", split="all")
    assert torch.equal(videos.frames[20:], whole.frames)


def test_a_video_that_breaks_half_way_leaves_no_frames(tmp_path, clip, monkeypatch):
    place(clip, *(tmp_path / "in" / f"{i}.avi" for i in range(3)))
    good = folders.iterate

    def breaks(path, *arguments, **options):
        for chunk in good(path, *arguments, **options):
            yield chunk[:4]
            if path.name == "1.avi":
                raise VideoError("half way")
            yield chunk[4:]

    monkeypatch.setattr(folders, "iterate", breaks)
    for cached in (True, False):
        with pytest.warns(UserWarning, match="left out"):
            videos = opened(tmp_path / "in", split="all", skip_broken=True, cache=cached)
        assert videos.lengths.tolist() == [10, 10]
        assert torch.equal(videos.frames[:10], videos.frames[10:])


def test_nothing_but_broken_videos_is_an_error(tmp_path):
    place(b"nothing", tmp_path / "in" / "a.avi", tmp_path / "in" / "b.avi")
    with pytest.raises(VideoError, match="none of the 2 videos"):
        opened(tmp_path / "in", split="all", skip_broken=True)


def test_videos_that_are_too_short(tmp_path, clip):
    place(clip, tmp_path / "in" / "a.avi", tmp_path / "in" / "b.avi")
    with pytest.raises(VideoError, match=r"a\.avi gives 10 frames, min_frames is 16"):
        opened(tmp_path / "in", split="all", min_frames=16)
    frames = opened(tmp_path / "in", split="all").frames[:10]
    looped = opened(tmp_path / "in", split="all", min_frames=16, short="loop")
    assert looped.lengths.tolist() == [16, 16]
    assert torch.equal(looped.frames[:16], torch.cat([frames, frames[:6]]))
    held = opened(tmp_path / "in", split="all", min_frames=12, short="hold")
    assert torch.equal(held.frames[:12], torch.cat([frames, frames[[9, 9]]]))


@pytest.mark.parametrize(
    ("file", "text", "message"),
    [
        ("trainlist01.txt", "walk,run\n1,2\n", "line 1 is 'walk,run'"),
        ("trainlist01.txt", "", "is empty"),
        ("testlist01.txt", None, "is missing"),
    ],
)
def test_a_wrong_split_file_is_named(ucf, file, text, message):
    path = ucf / "ucfTrainTestlist" / file
    path.unlink() if text is None else path.write_text(text)
    with pytest.raises(ValueError, match=message) as error:
        opened(ucf, split=file[: -len("list01.txt")])
    assert file in str(error.value)


def test_a_split_file_of_another_dataset_finds_no_videos(ucf):
    (ucf / "ucfTrainTestlist" / "trainlist01.txt").write_text("Yoga/v_Yoga_g01_c01.avi 1\n")
    with pytest.raises(VideoError, match=r"1 of 1 videos of split 'train' are missing.*v_Yoga_g01_c01\.avi"):
        opened(ucf)


@pytest.mark.parametrize("layout", ["ucf101", "hmdb51", "kinetics", "keypoints"])
def test_a_layout_that_is_not_there_says_what_it_needs(tmp_path, clip, layout):
    place(clip, tmp_path / "in" / "a.avi")
    with pytest.raises(ValueError, match=f"which layout '{layout}' needs|as layout '{layout}' needs"):
        opened(tmp_path / "in", layout=layout)


def test_an_empty_or_missing_folder_is_named(tmp_path):
    with pytest.raises(ValueError, match="holds no videos"):
        opened(tmp_path)
    with pytest.raises(VideoError, match="does not exist"):
        opened(tmp_path / "nowhere")


@pytest.mark.parametrize(
    "options",
    [{"layout": "ucf"}, {"split": "trian"}, {"fit": "zoom"}, {"stride": 0}, {"max_frames": 0},
     {"max_videos": 0}, {"min_frames": 0}, {"short": "pad"}, {"split_by": "frame"}],
)  # fmt: skip
def test_options_are_checked(tmp_path, clip, options):
    place(clip, *(tmp_path / "in" / f"{i}.avi" for i in range(3)))
    with pytest.raises(ValueError, match=f"{next(iter(options))} is"):
        opened(tmp_path / "in", **options)


# -- the cache -----------------------------------------------------------------------------------------------


@pytest.fixture
def counted(monkeypatch):
    """Paths that were decoded."""
    decoded, good = [], folders.iterate
    monkeypatch.setattr(folders, "iterate", lambda path, *a, **k: (decoded.append(path.name), good(path, *a, **k))[1])
    return decoded


def test_decoding_happens_once_and_again_after_a_change(tmp_path, clip, counted):
    place(clip, tmp_path / "in" / "a.avi", tmp_path / "in" / "b.avi")
    first = opened(tmp_path / "in", split="all")
    assert torch.equal(opened(tmp_path / "in", split="all").frames, first.frames)
    assert counted == ["a.avi", "b.avi"]
    os.utime(tmp_path / "in" / "b.avi", (0, 0))
    opened(tmp_path / "in", split="all")
    assert len(counted) == 4
    open_folder(tmp_path / "in", split="all", size=SIZE + 1, progress=False)
    assert len(counted) == 6


def test_memory_and_cache_hold_the_same_frames(tmp_path, clip, cache_folder):
    place(clip, tmp_path / "in" / "a.avi", tmp_path / "in" / "b.avi")
    in_memory = opened(tmp_path / "in", split="all", cache=False)
    assert not cache_folder.exists()
    assert torch.equal(in_memory.frames, opened(tmp_path / "in", split="all").frames)


@pytest.mark.parametrize("damage", ["cut", "flipped", "no index", "wrong index", "no frames"])
def test_a_damaged_cache_is_rebuilt(tmp_path, clip, cache_folder, counted, damage):
    place(clip, tmp_path / "in" / "a.avi", tmp_path / "in" / "b.avi")
    before = opened(tmp_path / "in", split="all").frames.clone()
    frames, index = (next(cache_folder.rglob(name)) for name in ("frames.npy", "about.json"))
    content = bytearray(frames.read_bytes())
    if damage == "cut":
        frames.write_bytes(content[:-100])
    elif damage == "flipped":
        content[-5] ^= 255
        frames.write_bytes(content)
    elif damage == "no index":
        index.unlink()
    elif damage == "wrong index":
        index.write_text(json.dumps({"check": 1}))
    else:
        frames.unlink()
    assert torch.equal(opened(tmp_path / "in", split="all").frames, before)
    assert len(counted) == 4


def test_writing_into_the_frames_does_not_change_the_cache(tmp_path, clip, cache_folder, recwarn):
    place(clip, tmp_path / "in" / "a.avi", tmp_path / "in" / "b.avi")
    videos = opened(tmp_path / "in", split="all")
    stored = next(cache_folder.rglob("frames.npy"))
    before = stored.read_bytes()
    videos.frames.zero_()
    del videos
    assert stored.read_bytes() == before
    assert not recwarn.list


@pytest.mark.parametrize("interruption", [KeyboardInterrupt, OSError(28, "No space left on device")])
def test_an_interrupted_decode_leaves_nothing(tmp_path, clip, cache_folder, monkeypatch, interruption):
    place(clip, tmp_path / "in" / "a.avi", tmp_path / "in" / "b.avi")

    def stop(self, frames):
        raise interruption

    with monkeypatch.context() as patched:
        patched.setattr(cache.FrameWriter, "append", stop)
        with pytest.raises((KeyboardInterrupt, FetchError)) as caught:
            opened(tmp_path / "in", split="all")
    if caught.type is FetchError:
        assert "the disk is full" in str(caught.value)
        assert "COURSE_CACHE" in str(caught.value)
    assert [f for f in (cache_folder / "decoded").iterdir() if not f.name.endswith(".lock")] == []
    assert len(opened(tmp_path / "in", split="all")) == 2


def test_clearing_the_cache_frees_it(tmp_path, clip, cache_folder):
    place(clip, tmp_path / "in" / "a.avi", tmp_path / "in" / "b.avi")
    opened(tmp_path / "in", split="all")
    assert cache.clear_decoded() > 20 * 3 * SIZE * SIZE
    assert not (cache_folder / "decoded").exists()
    assert fetching.cache_root() == cache_folder
