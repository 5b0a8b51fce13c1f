"""Decoding: the frame asked for is the frame that comes, in every container; broken files say so."""

import av
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sample_videos import (
    HEIGHT,
    WIDTH,
    decode_all,
    h264_or_mpeg4,
    number_frame,
    read_numbers,
    write_video,
    write_with_dropped_frames,
)

from course_lib.data import video
from course_lib.data.video import (
    VideoError,
    clip_indices,
    crop_frames,
    decode,
    fit_box,
    fit_frames,
    iterate,
    probe,
)

FRAMES = 60
# Times with gaps of one to three periods: the rate varies.
UNEVEN = list(np.cumsum([1 + (i * 7) % 3 for i in range(FRAMES)]))


CONTAINERS = {
    "b-frames.mp4": {},
    "matroska.mkv": {},
    "late-start.mp4": {"times": [90 + i for i in range(FRAMES)]},
    "late-start.mkv": {"times": [90 + i for i in range(FRAMES)]},
    "uneven-rate.mp4": {"times": UNEVEN},
    "stream.ts": {},
    "old.avi": {"codec": "mpeg4", "b_frames": 0},
    "old-b.avi": {"codec": "mpeg4", "b_frames": 2},
    "one-group.mp4": {"gop": 250},
    "no-b.mp4": {"b_frames": 0},
}
NAMES = tuple(CONTAINERS)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("videos")
    return {name: write_video(folder / name, FRAMES, **options) for name, options in CONTAINERS.items()}


@pytest.mark.parametrize("name", NAMES)
def test_all_frames_come_in_order_and_equal_a_plain_decode(files, name):
    frames = decode(files[name])
    assert read_numbers(frames) == list(range(FRAMES))
    assert torch.equal(frames, decode_all(files[name]))
    assert frames.dtype == torch.uint8
    assert frames.shape == (FRAMES, 3, HEIGHT, WIDTH)


@pytest.mark.parametrize("name", NAMES)
@given(indices=st.lists(st.integers(0, FRAMES - 1), min_size=1, max_size=6))
def test_any_list_of_indices_gives_those_frames(files, name, indices):
    assert read_numbers(decode(files[name], indices)) == indices


@given(st.lists(st.integers(0, FRAMES - 1), min_size=6, max_size=6))
def test_indices_keep_their_shape(files, indices):
    clips = decode(files["b-frames.mp4"], torch.tensor(indices).reshape(2, 3), size=16)
    assert clips.shape == (2, 3, 3, 16, 16)
    assert torch.equal(clips.flatten(0, 1), decode(files["b-frames.mp4"], indices, size=16))


def test_sparse_frames_do_not_decode_the_whole_video(files, monkeypatch):
    if h264_or_mpeg4() != "libx264":
        pytest.skip("no h264 encoder here: nothing to seek in")
    decoded = []
    seek = video._seek_frames
    monkeypatch.setattr(video, "_seek_frames", lambda *a: (decoded.append(f) or f for f in seek(*a)))
    assert read_numbers(decode(files["b-frames.mp4"], [3, 50], backend="av")) == [3, 50]
    assert len(decoded) == 2


def test_a_container_with_wrong_times_falls_back_to_counting(files, monkeypatch):
    index = video._index(files["b-frames.mp4"])
    shifted = video._Index(index.info, tuple(t + 1 for t in index.times), index.keys, True, index.container)
    monkeypatch.setattr(video, "_index", lambda path: shifted)
    assert read_numbers(decode(files["b-frames.mp4"], [3, 17, 50], backend="av")) == [3, 17, 50]


def test_packets_without_a_picture_are_no_frames(tmp_path):
    path = write_with_dropped_frames(tmp_path / "dropped.avi", 30)
    assert probe(path).frames == 33  # packets; "at most"
    assert read_numbers(decode(path)) == list(range(30))
    assert read_numbers(decode(path, [29, 3, 4, 18])) == [29, 3, 4, 18]
    with pytest.raises(ValueError, match="has only 30 frames"):
        decode(path, [30])


def test_probe_reads_length_rate_and_size(files):
    info = probe(files["b-frames.mp4"])
    assert (info.frames, info.fps, info.width, info.height) == (FRAMES, 25.0, WIDTH, HEIGHT)
    assert info.seconds == pytest.approx(FRAMES / 25)
    assert probe(files["old.avi"]).codec == "mpeg4"


def test_iterate_takes_every_nth_frame_up_to_a_limit(files):
    chunks = list(iterate(files["b-frames.mp4"], stride=4, max_frames=11))
    assert read_numbers(torch.cat(chunks)) == list(range(0, 44, 4))
    assert read_numbers(torch.cat(list(iterate(files["no-b.mp4"])))) == list(range(FRAMES))


def test_titles_that_are_not_utf8_do_not_matter(tmp_path):
    path = write_video(tmp_path / "title.avi", 4, codec="mpeg4", b_frames=0, metadata={"title": "QQQQ"})
    path.write_bytes(path.read_bytes().replace(b"QQQQ", b"\xff\xfe\xe9\xe8"))
    assert read_numbers(decode(path)) == [0, 1, 2, 3]


def test_a_phone_held_upright_gives_upright_frames(tmp_path):
    path = write_video(tmp_path / "turned.mp4", 3)
    content = bytearray(path.read_bytes())
    at = content.index(b"tkhd") + 4 + 40  # the matrix of the track header, version 0
    quarter = [0, 1 << 16, 0, -(1 << 16), 0, 0, 0, 0, 1 << 30]  # 90 degrees clockwise
    content[at : at + 36] = np.array(quarter, dtype=">i4").tobytes()
    path.write_bytes(content)
    frames = decode(path)
    assert frames.shape == (3, 3, WIDTH, HEIGHT)
    assert read_numbers(frames.rot90(1, (2, 3))) == [0, 1, 2]


# -- clips ---------------------------------------------------------------------------------------------------


@given(frames=st.integers(1, 30), length=st.integers(1, 40), start=st.integers(0, 40), stride=st.integers(1, 5))
def test_short_clips_do_what_was_asked(frames, length, start, stride):
    wanted = [start + stride * t for t in range(length)]
    if wanted[-1] < frames:
        assert clip_indices(frames, length, start=start, stride=stride).tolist() == wanted
    else:
        with pytest.raises(ValueError, match="length is"):
            clip_indices(frames, length, start=start, stride=stride)
    assert clip_indices(frames, length, start=start, stride=stride, short="loop").tolist() == [
        i % frames for i in wanted
    ]
    held = clip_indices(frames, length, start=start, stride=stride, short="hold").tolist()
    assert held == [min(i, frames - 1) for i in wanted]


def test_the_policy_for_short_clips_is_checked():
    with pytest.raises(ValueError, match="short is 'repeat'; allowed: error, loop, hold"):
        clip_indices(4, 8, short="repeat")
    with pytest.raises(ValueError, match="start is -1"):
        clip_indices(4, 2, start=-1)


# -- size ----------------------------------------------------------------------------------------------------


@given(
    height=st.integers(20, 90), width=st.integers(20, 90), size=st.integers(16, 64),
    fit=st.sampled_from(["crop", "stretch", "pad"]), x=st.floats(0.35, 0.65), y=st.floats(0.35, 0.65),
)  # fmt: skip
def test_a_point_moves_with_the_picture(height, width, size, fit, x, y):
    """The centre of mass of a blob is where `fit_box` sends the blob."""
    rows, columns = torch.arange(height).float(), torch.arange(width).float()
    distance = (rows[:, None] - y * height).square() + (columns - x * width).square()
    blob = (255 * (-distance / 18).exp()).round().to(torch.uint8).expand(1, 3, height, width)
    scale_x, scale_y, shift_x, shift_y = fit_box(width, height, size, fit)

    def centre(pixels):
        mass = pixels[0, 0].float()
        grid = torch.arange(mass.shape[0]).float(), torch.arange(mass.shape[1]).float()
        return (mass.sum(0) @ grid[1] / mass.sum()).item(), (mass.sum(1) @ grid[0] / mass.sum()).item()

    fitted = fit_frames(blob, size, fit)
    assert fitted.shape == (1, 3, size, size)
    if fit == "crop" and max(width, height) > 1.3 * min(width, height):
        return  # the blob may be cut
    before, after = centre(blob), centre(fitted)
    assert after[0] == pytest.approx(before[0] * scale_x + shift_x, abs=0.25)
    assert after[1] == pytest.approx(before[1] * scale_y + shift_y, abs=0.25)


def test_pad_keeps_everything_and_crop_keeps_the_centre():
    wide = torch.zeros(1, 3, 32, 96, dtype=torch.uint8)
    wide[..., :8] = 255
    assert fit_frames(wide, 32, "crop").max() == 0
    padded = fit_frames(wide, 32, "pad")
    assert padded.max() == 255
    assert padded[..., :10, :].max() == padded[..., -10:, :].max() == 0


def test_crop_takes_a_box_inside_the_picture(files):
    frames = decode(files["no-b.mp4"], [5], crop=(0, 16, 128, 32))
    assert torch.equal(frames, decode_all(files["no-b.mp4"])[5:6, :, 16:32])
    with pytest.raises(ValueError, match="crop is"):
        crop_frames(frames, (0, 0, 500, 10))


# -- bad input -----------------------------------------------------------------------------------------------


def test_a_missing_video_is_named(tmp_path):
    with pytest.raises(VideoError, match=r"nowhere\.mp4 is missing"):
        decode(tmp_path / "nowhere.mp4")


def test_an_empty_video_is_named(tmp_path):
    (tmp_path / "empty.mp4").touch()
    with pytest.raises(VideoError, match=r"empty\.mp4 is empty"):
        probe(tmp_path / "empty.mp4")


@pytest.mark.parametrize("content", [b"this is a text, not a video\n" * 50, bytes(5000)])
def test_a_file_of_another_kind_is_named(tmp_path, content):
    (tmp_path / "notes.mp4").write_bytes(content)
    with pytest.raises(VideoError, match=r"notes\.mp4 cannot be decoded"):
        decode(tmp_path / "notes.mp4")


def test_a_folder_is_no_video(tmp_path):
    with pytest.raises(VideoError, match="is not a file"):
        probe(tmp_path)


def test_a_file_with_sound_only_is_named(tmp_path):
    with av.open(str(tmp_path / "sound.mp4"), "w") as container:
        stream = container.add_stream("aac", rate=8000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), dtype=np.float32), format="fltp", layout="mono")
        frame.sample_rate = 8000
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    with pytest.raises(VideoError, match="no video stream"):
        probe(tmp_path / "sound.mp4")


@pytest.mark.parametrize(
    ("name", "options"), [("cut.avi", {"codec": "mpeg4", "b_frames": 0}), ("cut.mp4", {}), ("cut.mkv", {})]
)
@pytest.mark.parametrize("part", [0.3, 0.7])
def test_a_truncated_video_is_an_error_or_gives_only_true_frames(tmp_path, name, options, part):
    whole = write_video(tmp_path / name, 120, **options).read_bytes()
    (tmp_path / name).write_bytes(whole[: int(len(whole) * part)])
    if name.endswith(".mkv"):  # made for streaming: it does not say how long it should be
        numbers = read_numbers(decode(tmp_path / name))
        whole_part = len(numbers) - 3  # of the last group only the frames before the cut are there
        assert numbers[:whole_part] == list(range(whole_part))
        assert len(numbers) < 120
    else:
        with pytest.raises(VideoError, match=rf"{name} (is truncated|cannot be decoded|holds no video)"):
            decode(tmp_path / name)


def test_a_truncated_video_with_its_index_in_front_is_an_error(tmp_path):
    path = tmp_path / "front.mp4"
    with av.open(str(path), "w", options={"movflags": "faststart"}) as container:
        stream = container.add_stream("mpeg4", rate=25)
        stream.width, stream.height = WIDTH, HEIGHT
        for number in range(60):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(number_frame(number), format="rgb24")))
        container.mux(stream.encode(None))
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * 0.6)])
    with pytest.raises(VideoError, match=r"front\.mp4 is truncated: it should hold 60 frames"):
        decode(path, [0])


@pytest.mark.parametrize("name", ["b-frames.mp4", "old.avi"])
def test_an_index_past_the_end_says_how_many_frames_there_are(files, name):
    with pytest.raises(ValueError, match="has only 60 frames"):
        decode(files[name], [0, 60])


@pytest.mark.parametrize("indices", [[-1], [], [0.5], [True]])
def test_indices_that_are_none_are_refused(files, indices):
    with pytest.raises(ValueError, match="indices"):
        decode(files["no-b.mp4"], indices)


@pytest.mark.parametrize("options", [{"size": 0}, {"size": 8, "fit": "zoom"}, {"backend": "opencv"}])
def test_options_are_checked(files, options):
    with pytest.raises(ValueError, match=f"{list(options)[-1]} is"):
        decode(files["no-b.mp4"], [0], **options)


# -- torchcodec ----------------------------------------------------------------------------------------------


@pytest.mark.skipif(not video.has_torchcodec(), reason="torchcodec cannot be imported")
@pytest.mark.parametrize("name", NAMES)
def test_torchcodec_gives_the_same_frames(files, name):
    wanted = [59, 0, 13, 13, 37]
    assert torch.equal(decode(files[name], wanted, backend="torchcodec"), decode(files[name], wanted, backend="av"))
    thinned = [torch.cat(list(iterate(files[name], 24, stride=7, backend=b))) for b in ("torchcodec", "av")]
    assert torch.equal(*thinned)


@pytest.mark.skipif(video.has_torchcodec(), reason="torchcodec can be imported")
def test_torchcodec_is_refused_where_it_is_not(files):
    with pytest.raises(ValueError, match="torchcodec"):
        decode(files["no-b.mp4"], [0], backend="torchcodec")
