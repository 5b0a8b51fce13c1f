"""The catalogue: every name loads or says how to get it; the five kinds; what is unknown is met with help."""

import hashlib
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from sample_videos import decode_all, write_video
from test_fetching import make_archive

from course_lib import data
from course_lib.data import catalogue, worlds
from course_lib.data.arrays import open_faces
from course_lib.data.catalogue import Catalogue, fetch, load
from course_lib.data.fetching import FetchError
from course_lib.data.video import fit_frames

DATASETS = Path(catalogue._FILE).parent


@pytest.fixture(autouse=True)
def folders(tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("COURSE_DATA", str(tmp_path / "data"))
    (tmp_path / "data").mkdir()


@pytest.fixture
def use(tmp_path, monkeypatch):
    """Read another catalogue: ``use(toml text)``."""

    def write(text):
        (tmp_path / "catalogue.toml").write_text(text)
        monkeypatch.setattr(catalogue, "_FILE", tmp_path / "catalogue.toml")
        monkeypatch.setattr(Catalogue.read.__func__, "__defaults__", (tmp_path / "catalogue.toml",))

    return write


COMMON = 'title = "T"\ncard = "cards/t.md"\nlicence = "MIT"\n'


# -- the catalogue that is shipped ---------------------------------------------------------------------------


def test_every_entry_has_a_card_and_a_licence():
    for entry in Catalogue.read().values():
        card = DATASETS / entry.card
        assert card.is_file(), f"{entry.name} has no card {entry.card}"
        assert entry.licence
        if entry.kind != "world":
            assert entry.citation
            assert entry.licence.split()[0].strip("(),;") in card.read_text(), f"{entry.card} names another licence"


def test_every_card_of_a_real_dataset_is_in_the_catalogue():
    assert {p.name for p in (DATASETS / "cards").glob("*.md")} == {Path(e.card).name for e in Catalogue.read().values()}


def test_the_worlds_of_the_catalogue_are_those_that_exist():
    assert {e.name for e in Catalogue.read().values() if e.kind == "world"} == set(worlds.__all__)


def test_what_may_not_be_passed_on_is_marked():
    restricted = ("GPL", "research", "non-commercial", "YouTube", "films", "Flickr")
    for entry in Catalogue.read().values():
        assert bool(entry.use) == any(word in entry.licence for word in restricted), entry.name


def test_every_fetched_file_has_a_sha256():
    for entry in Catalogue.read().values():
        if entry.kind in ("url", "package"):
            assert len(bytes.fromhex(entry.source["sha256"])) == 32
            assert entry.source.get("version", "") in entry.source.get("file", "")


# -- names ---------------------------------------------------------------------------------------------------


def test_a_world_is_called_with_its_options():
    videos = load("sport_poses", split="test", size=24, seed=3, videos=2, length=4)
    same = worlds.sport_poses(split="test", size=24, seed=3, videos=2, length=4)
    assert torch.equal(videos.frames, same.frames)
    with pytest.raises(ValueError, match="option of 'sport_poses' is 'lenght'.*Did you mean 'length'"):
        load("sport_poses", lenght=4)


def test_an_unknown_name_is_met_with_the_nearest(tmp_path):
    with pytest.raises(
        ValueError, match=r"'miror_mouse' is unknown. Did you mean 'mirror_mouse'\? Known: .*COURSE_DATA"
    ):
        load("miror_mouse")
    with pytest.raises(ValueError, match="name is 'miror_mouse'.*Did you mean"):
        fetch("miror_mouse")
    with pytest.raises(ValueError, match="unknown"):
        load("")


def test_a_path_is_a_dataset(tmp_path):
    write_video(tmp_path / "data" / "walk.mp4", 40)
    expected = fit_frames(decode_all(tmp_path / "data" / "walk.mp4"), 16)
    for name in (
        tmp_path / "data" / "walk.mp4",
        str(tmp_path / "data"),
        "walk.mp4",
    ):  # the last through COURSE_DATA
        assert torch.equal(load(name, split="all", size=16, progress=False).frames, expected)
    with pytest.raises(ValueError, match="option of 'walk.mp4' is 'strid'.*Did you mean 'stride'"):
        load("walk.mp4", strid=2)


def test_the_public_names_are_there_and_cost_nothing():
    assert set(data.__all__) <= set(dir(data))
    for name in data.__all__:
        assert getattr(data, name)
    with pytest.raises(AttributeError, match="no attribute 'lod'"):
        _ = data.lod
    costly = ("torch", "av", "pooch", "torchvision")
    code = f"import sys, course_lib.data; print([m for m in {costly} if m in sys.modules])"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


# -- kinds ---------------------------------------------------------------------------------------------------


def test_a_package_is_fetched_verified_and_never_run(tmp_path, use, monkeypatch):
    write_video(tmp_path / "clip.mp4", 30)
    content = (tmp_path / "clip.mp4").read_bytes()
    index = tmp_path / "simple" / "my-pack"
    index.mkdir(parents=True)
    members = [("my_pack-1.0/data/clip.mp4", content), ("my_pack-1.0/setup.py", b"open('ran', 'w')")]
    archive = make_archive(index / "my_pack-1.0.tar.gz", members)
    (index / "index.html").write_text('<a href="my_pack-1.0.tar.gz">my_pack-1.0.tar.gz</a>')
    monkeypatch.setenv("PIP_INDEX_URL", (tmp_path / "simple").as_uri())
    monkeypatch.setenv("PIP_NO_INDEX", "0")
    sha256 = hashlib.sha256(archive.read_bytes()).hexdigest()
    table = (
        f'[mine]\nkind = "package"\n{COMMON}package = "my-pack"\nversion = "1.0"\n'
        'file = "my_pack-1.0.tar.gz"\n'
        'root = "my_pack-1.0/data"\nmembers = ["*.mp4"]\nviews = { left = { crop = [0, 0, 64, 32] } }\n'
    )
    use(table + f'sha256 = "{"0" * 64}"\n')
    with pytest.raises(FetchError, match="not the 0000"):
        load("mine", progress=False)
    use(table + f'sha256 = "{sha256}"\n')
    videos = load("mine", split="all", size=16, view="left", progress=False)
    assert torch.equal(videos.frames, fit_frames(decode_all(tmp_path / "clip.mp4")[..., :64], 16))
    assert videos.name == "mine"
    archive.unlink()  # what is fetched stays
    assert (fetch("mine", progress=False) / "clip.mp4").read_bytes() == content
    assert not list(tmp_path.rglob("setup.py"))
    with pytest.raises(ValueError, match="view is 'right'; allowed: left"):
        load("mine", view="right")


def test_a_url_is_fetched_as_one_file_or_an_archive(tmp_path, use):
    video = write_video(tmp_path / "clip.mp4", 30)
    archive = make_archive(tmp_path / "x.zip", [("a/clip.mp4", video.read_bytes()), ("a/b.txt", b"")])
    text = ""
    for name, file, more in (("one", video, ""), ("zipped", archive, 'members = ["*.mp4"]\nroot = "a"\n')):
        sha256 = hashlib.sha256(file.read_bytes()).hexdigest()
        text += f'[{name}]\nkind = "url"\n{COMMON}url = "{file.as_uri()}"\nsha256 = "{sha256}"\n{more}'
    use(text)
    one, zipped = (load(name, split="all", size=16, progress=False) for name in ("one", "zipped"))
    assert torch.equal(one.frames, zipped.frames)
    assert len(one.frames) == 30


def test_a_path_entry_is_found_in_course_data_or_says_how_to_get_it(tmp_path, use):
    use(f'[own]\nkind = "path"\n{COMMON}folders = ["Own", "own-set"]\nopen = {{ stride = 3 }}\n')
    with pytest.raises(FetchError, match=r"datasets/cards/t.md says how to get it.*Own or own-set"):
        load("own")
    (tmp_path / "data" / "own-set").mkdir()
    write_video(tmp_path / "data" / "own-set" / "a.mp4", 30)
    assert len(load("own", split="all", progress=False).frames) == 10
    assert len(load("own", split="all", stride=1, progress=False).frames) == 30
    assert fetch("own") == tmp_path / "data" / "own-set"


class Pictures:
    """Stands in for a torchvision class: downloads into its root."""

    classes = ("dark", "light")

    def __init__(self, root, train=True, download=False):
        if download:
            (root / "there").touch()
        elif not (root / "there").exists():
            raise RuntimeError("Dataset not found or corrupted")
        self.train = train

    def __len__(self):
        return 6 if self.train else 2

    def __getitem__(self, index):
        return Image.new("L", (20, 12), 40 * index), index % 2


def test_a_torchvision_set_is_videos_of_one_frame(use, monkeypatch):
    import torchvision

    monkeypatch.setattr(torchvision.datasets, "Pictures", Pictures, raising=False)
    splits = "splits = { train = { train = true }, test = { train = false } }\n"
    use(f'[pictures]\nkind = "torchvision"\n{COMMON}dataset = "Pictures"\n{splits}')
    images = load("pictures", size=8, progress=False)
    assert images.frames.shape == (6, 3, 8, 8)
    assert images.frames[:, 0, 0, 0].tolist() == [0, 40, 80, 120, 160, 200]
    assert images.video["label"].tolist() == [0, 1] * 3
    assert images.names["label"] == ("dark", "light")
    assert len(load("pictures", split="test", size=8, progress=False)) == 2
    assert load("pictures", size=8, max_videos=2, progress=False).frames[:, 0, 0, 0].tolist() == [0, 120]
    with pytest.raises(ValueError, match="split is 'val'; allowed: train, test"):
        load("pictures", split="val")
    with pytest.raises(ValueError, match="generated|fetched by torchvision"):
        fetch("pictures")


def test_an_array_in_a_package_is_read_as_pictures(tmp_path, use, monkeypatch):
    """The faces, as the shipped catalogue has them but for the file: half grey faces, black background."""
    pictures = np.zeros((200, 25, 25))
    pictures[:100] = np.linspace(0, 1, 100)[:, None, None]
    np.save(tmp_path / "lfw_subset.npy", pictures)
    archive = make_archive(
        tmp_path / "p.zip", [("skimage/data/lfw_subset.npy", (tmp_path / "lfw_subset.npy").read_bytes())]
    )
    monkeypatch.setattr("course_lib.data.packages.find_file", lambda package, file: archive.as_uri())
    shipped = (DATASETS / "catalogue.toml").read_text(encoding="utf-8")
    table = shipped[shipped.index("[faces]") : shipped.index("[mirror_mouse]")]
    sha256 = hashlib.sha256(archive.read_bytes()).hexdigest()
    table = re.sub("(?m)^sha256 = .*$", f'sha256 = "{sha256}"', table)
    use(table)
    train, test, everything = (
        load("faces", split=split, size=25, progress=False) for split in ("train", "test", "all")
    )
    assert (len(train), len(test), len(everything)) == (140, 60, 200)
    assert train.names["label"] == ("no face", "face")
    for part, faces in ((train, range(70)), (test, range(70, 100)), (everything, range(100))):
        assert part.frames.shape[1:] == (3, 25, 25)
        assert part.frames[: len(faces), 0, 0, 0].tolist() == [round(255 * i / 99) for i in faces]
        assert part.frames[len(faces) :].max() == 0
        assert part.video["label"].tolist() == [1] * len(faces) + [0] * len(faces)
    assert load("faces", size=32, progress=False).frames.shape == (140, 3, 32, 32)
    with pytest.raises(ValueError, match="split is 'val'; allowed: train, test, all"):
        load("faces", split="val")
    with pytest.raises(ValueError, match="option of 'faces' is 'fold'"):
        load("faces", fold=1)
    np.save(tmp_path / "lfw_subset.npy", pictures[:10])
    with pytest.raises(FetchError, match=r"lfw_subset.npy holds an array of \(10, 25, 25\)"):
        open_faces(tmp_path)
    (tmp_path / "lfw_subset.npy").write_bytes(b"no array")
    with pytest.raises(FetchError, match="lfw_subset.npy cannot be read"):
        open_faces(tmp_path)
    use(table.replace('reader = "faces"', 'reader = "fases"'))
    with pytest.raises(ValueError, match="reader is 'fases'.*faces"):
        load("faces")


def test_the_faces_are_those_of_scikit_image(tmp_path):
    skimage_data = pytest.importorskip("skimage.data")
    try:
        known = skimage_data.lfw_subset()
    except (OSError, ModuleNotFoundError):  # some packagers leave the data out
        pytest.skip("lfw_subset.npy is not in the installed package")
    np.save(tmp_path / "lfw_subset.npy", known)
    faces = open_faces(tmp_path, "all", 25)
    assert np.abs(faces.frames[:, 1].numpy() / 255 - known).max() <= 0.5 / 255 + 1e-6


# -- torchvision's own sets, from local files in their own formats --------------------------------------------


def write_cifar10(root):
    """Two batches of training and one of testing: pickled dictionaries, as the real ones."""
    import pickle

    from torchvision.datasets import CIFAR10

    folder = root / CIFAR10.base_folder
    folder.mkdir(parents=True)
    for name, labels in (("data_batch_1", [0, 1]), ("data_batch_2", [2, 3]), ("test_batch", [4, 5])):
        data = np.stack([np.full(3072, 10 * label, dtype=np.uint8) for label in labels])
        (folder / name).write_bytes(pickle.dumps({"data": data, "labels": labels}))
    (folder / "batches.meta").write_bytes(pickle.dumps({"label_names": [f"class {i}" for i in range(10)]}))


def write_stl10(root):
    from torchvision.datasets import STL10

    folder = root / STL10.base_folder
    folder.mkdir(parents=True)
    for name, count in (("train", 4), ("test", 2), ("unlabeled", 3)):
        data = np.zeros((count, 3, 96, 96), dtype=np.uint8)
        data[:, :, :, :48] = 10 * np.arange(count, dtype=np.uint8)[:, None, None, None]  # columns first in the file
        data.transpose(0, 1, 3, 2).tofile(folder / f"{name}_X.bin")
        if name != "unlabeled":
            (np.arange(count, dtype=np.uint8) % 10 + 1).tofile(folder / f"{name}_y.bin")
    (folder / "class_names.txt").write_text("\n".join(f"class {i}" for i in range(10)))


def write_celeba(root):
    folder = root / "celeba" / "img_align_celeba"
    folder.mkdir(parents=True)
    files = [f"{i:06d}.jpg" for i in range(1, 8)]
    attributes = ("Bald", "Eyeglasses", "Smiling")
    lines = {
        "list_eval_partition.txt": [],
        "identity_CelebA.txt": [],
        "list_attr_celeba.txt": ["7", " ".join(attributes) + " "],
    }
    for i, file in enumerate(files):
        Image.new("RGB", (178, 218), (20 * i, 0, 0)).save(folder / file, quality=95)
        lines["list_eval_partition.txt"].append(f"{file} {(0, 0, 0, 1, 1, 2, 2)[i]}")
        lines["identity_CelebA.txt"].append(f"{file} {(7, 7, 9, 3, 5, 4, 4)[i]}")
        lines["list_attr_celeba.txt"].append(f"{file} {1 if i % 2 else -1} -1 {1 if i > 2 else -1}")
    for needed in ("list_bbox_celeba.txt", "list_landmarks_align_celeba.txt"):
        numbers = " ".join(["1"] * (4 if "bbox" in needed else 10))
        lines[needed] = ["7", "a b c d", *(f"{file} {numbers}" for file in files)]
    for name, rows in lines.items():
        (root / "celeba" / name).write_text("\n".join(rows) + "\n")


@pytest.fixture
def local_sets(tmp_path, monkeypatch):
    """CIFAR-10, STL-10 and CelebA in COURSE_DATA, tiny; that the files are not the real ones is overlooked."""
    from torchvision import datasets

    for kind, write in (
        (datasets.CIFAR10, write_cifar10),
        (datasets.STL10, write_stl10),
        (datasets.CelebA, write_celeba),
    ):
        write(tmp_path / "data")
        monkeypatch.setattr(kind, "_check_integrity", lambda self: True)
    monkeypatch.setattr("torchvision.datasets.cifar.check_integrity", lambda *given: True)
    names = ["data_batch_1", "data_batch_2"]
    monkeypatch.setattr(datasets.CIFAR10, "train_list", [[name, ""] for name in names])


def test_cifar10_and_stl10_through_their_names(local_sets):
    train, test = (load("cifar10", split=split, size=32, progress=False) for split in ("train", "test"))
    assert train.video["label"].tolist() == [0, 1, 2, 3]
    assert train.frames[:, :, 5, 5].tolist() == [[10 * i] * 3 for i in range(4)]
    assert test.video["label"].tolist() == [4, 5]
    assert train.names["label"][2] == "class 2"
    for split, count in (("train", 4), ("test", 2), ("unlabelled", 3)):
        pictures = load("stl10", split=split, size=96, progress=False)
        assert len(pictures) == count
        assert pictures.frames[:, 0, 90, 3].tolist() == [10 * i for i in range(count)]
        assert pictures.frames[..., 50:].max() == 0
        assert ("label" in pictures.video) == (split != "unlabelled")


def test_celeba_with_who_and_with_attributes(local_sets):
    for split, people in (("train", [7, 7, 9]), ("validation", [3, 5]), ("test", [4, 4])):
        assert load("celeba", split=split, size=24, progress=False).video["label"].tolist() == people
    for split, bald, smiling in (("train", [0, 1, 0], [0, 0, 0]), ("test", [1, 0], [1, 1])):
        faces = load("celeba", split=split, size=24, progress=False)
        assert faces.frames.shape == (len(bald), 3, 24, 24)
        assert faces.names["attributes"] == ("Bald", "Eyeglasses", "Smiling")
        assert faces.video["attributes"].tolist() == [[b, 0, s] for b, s in zip(bald, smiling, strict=True)]
    few = load("celeba", size=24, max_videos=1, progress=False)
    assert few.video["attributes"].shape == (1, 3)
    assert few.frames[0, 0, 12, 12] < 10


# -- a catalogue file that is wrong --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[a", "not valid TOML"),
        (
            f'[a]\nkind = "ftp"\n{COMMON}',
            r"\[a\]: kind is 'ftp'; allowed: world, installed, torchvision, url, package, path",
        ),
        (f'[a]\nkind = "url"\n{COMMON}url = "x"', r"\[a\] misses sha256"),
        (f'[a]\nkind = "path"\n{COMMON}folders = []\nfodlers = []', r"\[a\] has unknown fodlers"),
        ('[a]\nkind = "world"', r"\[a\] misses card, licence, title"),
        ("a = 1", r"\[a\]: kind is None"),
    ],
)
def test_a_wrong_catalogue_says_where(tmp_path, text, message):
    (tmp_path / "c.toml").write_text(text)
    with pytest.raises(ValueError, match=message):
        Catalogue.read(tmp_path / "c.toml")
    with pytest.raises(ValueError, match="is missing"):
        Catalogue.read(tmp_path / "no.toml")
