"""Fetching: what arrives is verified, and nothing half-written is ever left."""

import errno
import hashlib
import http.server
import io
import json
import os
import tarfile
import threading
import zipfile

import pytest

from course_lib.data import fetching, packages
from course_lib.data.fetching import FetchError, cache_root, download, extract, fetch_into, locked

CONTENT = bytes(range(256)) * 20_000  # 5 MB: several blocks
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def source(tmp_path):
    (tmp_path / "source").mkdir()
    (tmp_path / "source" / "data.bin").write_bytes(CONTENT)
    return (tmp_path / "source" / "data.bin").as_uri()


@pytest.fixture
def target(tmp_path):
    return tmp_path / "cache" / "data.bin"


def left_behind(target):
    return sorted(f.name for f in target.parent.rglob("*") if f.is_file()) if target.parent.exists() else []


def test_a_file_arrives_whole(source, target):
    assert download(source, target, SHA256, progress=False).read_bytes() == CONTENT
    assert left_behind(target) == ["data.bin"]


def test_a_wrong_checksum_leaves_nothing(source, target):
    with pytest.raises(FetchError, match=f"sha256 {SHA256}, not the {'0' * 64}"):
        download(source, target, "0" * 64, progress=False)
    assert left_behind(target) == []


def test_a_wrong_checksum_does_not_replace_what_was_there(source, target):
    target.parent.mkdir()
    target.write_bytes(b"the old one")
    with pytest.raises(FetchError):
        download(source, target, "0" * 64, progress=False)
    assert target.read_bytes() == b"the old one"


@pytest.mark.parametrize("interruption", [KeyboardInterrupt, ConnectionResetError, MemoryError])
def test_an_interrupted_download_leaves_nothing_and_can_be_repeated(source, target, monkeypatch, interruption):
    real_open, blocks = fetching._open, []

    class Breaks:
        def __init__(self, url):
            self._response = real_open(url)
            self.headers = self._response.headers

        def read(self, count):
            blocks.append(count)
            if len(blocks) == 3:
                raise interruption("broken off")
            return self._response.read(count)

        def __enter__(self):
            return self

        def __exit__(self, *error):
            self._response.close()

    with monkeypatch.context() as patched:
        patched.setattr(fetching, "_open", Breaks)
        with pytest.raises((interruption, FetchError)):
            download(source, target, SHA256, progress=False)
    assert left_behind(target) == []
    assert download(source, target, SHA256, progress=False).read_bytes() == CONTENT


def test_a_server_that_hangs_up_early_is_noticed(target):
    class Server(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Length", str(len(CONTENT)))
            self.end_headers()
            self.wfile.write(CONTENT[: len(CONTENT) // 2])

        def log_message(self, *arguments):
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Server) as server:
        threading.Thread(target=server.handle_request, daemon=True).start()
        with pytest.raises(FetchError, match="cut off after 2560000 of 5120000 bytes|broke off"):
            download(f"http://127.0.0.1:{server.server_port}/data.bin", target, SHA256, progress=False)
    assert left_behind(target) == []


def test_an_unreachable_server_is_named(target):
    with pytest.raises(FetchError, match=r"cannot be reached"):
        download("http://127.0.0.1:9/data.bin", target, SHA256, progress=False)
    assert left_behind(target) == []


def test_a_disk_too_small_is_noticed_before_writing(source, target, monkeypatch):
    monkeypatch.setattr(fetching, "_free", lambda path: 1_000_000)
    with pytest.raises(FetchError, match="the disk is full .1 MB free, 5 MB needed.*COURSE_CACHE"):
        download(source, target, SHA256, progress=False)
    assert left_behind(target) == []


def test_a_disk_that_fills_up_while_writing_leaves_nothing(source, target, monkeypatch):
    real_fdopen = os.fdopen

    def full(handle, mode):
        file = real_fdopen(handle, mode)

        class Full(io.RawIOBase):
            def write(self, block):
                raise OSError(errno.ENOSPC, "No space left on device")

            def close(self):
                file.close()

        return Full()

    monkeypatch.setattr(fetching.os, "fdopen", full)
    with pytest.raises(FetchError, match="the disk is full"):
        download(source, target, SHA256, progress=False)
    monkeypatch.undo()
    assert left_behind(target) == []


# -- archives ------------------------------------------------------------------------------------------------


def make_archive(path, members):
    """members: (name, content), or (name, None) for a symbolic link."""
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w") as archive:
            for name, content in members:
                info = zipfile.ZipInfo(name)
                info.external_attr = (0o120777 if content is None else 0o100644) << 16
                archive.writestr(info, b"/etc" if content is None else content)
    else:
        with tarfile.open(path, "w:gz") as archive:
            for name, content in members:
                info = tarfile.TarInfo(name)
                if content is None:
                    info.type, info.linkname = tarfile.SYMTYPE, "/etc"
                else:
                    info.size = len(content)
                archive.addfile(info, None if content is None else io.BytesIO(content))
    return path


GOOD = [
    ("pack-1/data/a.txt", b"a"),
    ("pack-1/data/sub/b.txt", b"b"),
    ("pack-1/setup.py", b"raise SystemExit"),
]


@pytest.mark.parametrize("suffix", [".zip", ".tar.gz"])
def test_only_the_named_members_are_unpacked(tmp_path, suffix):
    archive = make_archive(tmp_path / f"x{suffix}", GOOD)
    written = extract(archive, tmp_path / "out", ["*.txt"], root="pack-1/data")
    assert sorted(str(f.relative_to(tmp_path / "out")) for f in written) == [
        "a.txt",
        os.path.join("sub", "b.txt"),
    ]
    assert (tmp_path / "out" / "sub" / "b.txt").read_bytes() == b"b"
    assert not list((tmp_path / "out").rglob("setup.py"))


@pytest.mark.parametrize("suffix", [".zip", ".tar.gz"])
@pytest.mark.parametrize(
    "bad", ["../evil.txt", "pack-1/data/../../../evil.txt", "/tmp/evil.txt", "..\\evil.txt", "C:/evil.txt"]
)
def test_an_archive_with_a_path_out_of_its_folder_is_refused_whole(tmp_path, suffix, bad):
    archive = make_archive(tmp_path / f"x{suffix}", [*GOOD, (bad, b"evil")])
    with pytest.raises(FetchError, match="unsafe path"):
        extract(archive, tmp_path / "out" / "deep", ["*"])
    assert not (tmp_path / "out").exists()
    assert not list(tmp_path.rglob("evil.txt"))


@pytest.mark.parametrize("suffix", [".zip", ".tar.gz"])
def test_an_archive_with_a_selected_link_is_refused(tmp_path, suffix):
    archive = make_archive(tmp_path / f"x{suffix}", [*GOOD, ("pack-1/data/link.txt", None)])
    with pytest.raises(FetchError, match="a link or device"):
        extract(archive, tmp_path / "out", ["*.txt"], root="pack-1/data")
    assert not (tmp_path / "out").exists()
    assert extract(archive, tmp_path / "out", ["a.txt"], root="pack-1/data")


def test_an_archive_without_the_promised_members_is_refused(tmp_path):
    archive = make_archive(tmp_path / "x.zip", GOOD)
    with pytest.raises(FetchError, match=r"holds nothing like 'pack-1/\*\.mp4'"):
        extract(archive, tmp_path / "out", ["*.txt", "*.mp4"], root="pack-1")
    (tmp_path / "y.zip").write_bytes(b"not an archive")
    with pytest.raises(FetchError, match="neither a zip nor a tar"):
        extract(tmp_path / "y.zip", tmp_path / "out")


# -- folders -------------------------------------------------------------------------------------------------


def test_a_folder_is_filled_once_and_again_when_damaged(tmp_path):
    calls = []

    def fill(folder):
        calls.append(folder)
        (folder / "a.txt").write_text("content")

    target = tmp_path / "cache" / "entry"
    assert fetch_into(target, "1", fill) == fetch_into(target, "1", fill) == target
    assert len(calls) == 1
    (target / "a.txt").write_text("cont")
    fetch_into(target, "1", fill)
    assert (target / "a.txt").read_text() == "content"
    fetch_into(target, "2", fill)  # the catalogue promises another file now
    assert len(calls) == 3


@pytest.mark.parametrize("interruption", [KeyboardInterrupt, FetchError])
def test_an_interrupted_folder_leaves_nothing(tmp_path, interruption):
    def fill(folder):
        (folder / "half.txt").write_text("half")
        raise interruption

    target = tmp_path / "cache" / "entry"
    with pytest.raises(interruption):
        fetch_into(target, "1", fill)
    assert [f.name for f in target.parent.iterdir() if not f.name.endswith(".lock")] == []


def test_what_a_killed_process_left_is_cleared(tmp_path):
    target = tmp_path / "cache" / "entry"
    stale = target.parent / ".entry.tmp-killed"
    stale.mkdir(parents=True)
    fetch_into(target, "1", lambda folder: None)
    assert not stale.exists()


def test_two_at_once_fetch_once(tmp_path):
    started, calls = threading.Barrier(4), []

    def fill(folder):
        calls.append(folder)
        (folder / "a.txt").write_text("content")

    def work():
        started.wait()
        fetch_into(tmp_path / "entry", "1", fill)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(calls) == 1


def test_a_cache_that_cannot_be_written_says_so(tmp_path, monkeypatch):
    def forbidden(*arguments, **keywords):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(fetching.Path, "mkdir", forbidden)
    with (
        pytest.raises(FetchError, match="writing is not allowed.*COURSE_CACHE"),
        locked(tmp_path / "a" / "b"),
    ):
        pass


def test_course_cache_moves_the_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_CACHE", str(tmp_path))
    assert cache_root() == tmp_path
    monkeypatch.delenv("COURSE_CACHE")
    assert cache_root().parts[-2:] == ("datasets", "cache")


# -- package indexes -----------------------------------------------------------------------------------------


@pytest.fixture
def only_here(monkeypatch):
    """pip configured by PIP_… variables alone."""

    def configure(**settings):
        for key in [k for k in os.environ if k.startswith("PIP_")]:
            monkeypatch.delenv(key)
        monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
        for key, value in settings.items():
            monkeypatch.setenv(f"PIP_{key.upper()}", value)

    return configure


def test_a_file_is_found_on_an_index_page(tmp_path, only_here):
    page = tmp_path / "simple" / "my-pack"
    page.mkdir(parents=True)
    (page / "index.html").write_text('<a href="../../files/my_pack-1.0.tar.gz#sha256=00">my_pack-1.0.tar.gz</a>')
    only_here(index_url=(tmp_path / "simple").as_uri())
    found = packages.find_file("My_Pack", "my_pack-1.0.tar.gz")
    assert found == (tmp_path / "files" / "my_pack-1.0.tar.gz").as_uri()
    with pytest.raises(FetchError, match=r"my_pack-2\.0\.tar\.gz was not found in: .*not listed"):
        packages.find_file("my-pack", "my_pack-2.0.tar.gz")


def test_a_file_is_found_in_a_find_links_folder(tmp_path, only_here):
    (tmp_path / "my_pack-1.0-py3-none-any.whl").touch()
    only_here(no_index="1", find_links=str(tmp_path))
    found = packages.find_file("my-pack", "my_pack-1.0-py3-none-any.whl")
    assert found == (tmp_path / "my_pack-1.0-py3-none-any.whl").as_uri()
    with pytest.raises(FetchError, match="was not found"):
        packages.find_file("my-pack", "other.whl")


@pytest.mark.parametrize("kind", ["application/vnd.pypi.simple.v1+json", "text/html"])
def test_an_index_over_http_with_a_password(only_here, kind):
    seen = {}

    class Index(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            seen.update(path=self.path, login=self.headers["Authorization"])
            url = "/files/my_pack-1.0.tar.gz"
            html = f'<a href="{url}#sha256=00">x</a>'
            body = json.dumps({"files": [{"url": url}]}) if kind.endswith("json") else html
            self.send_response(200)
            self.send_header("Content-Type", kind)
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, *arguments):
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Index) as server:
        only_here(index_url=f"http://me:secret@127.0.0.1:{server.server_port}/simple")
        threading.Thread(target=server.handle_request, daemon=True).start()
        found = packages.find_file("my.pack", "my_pack-1.0.tar.gz")
        assert found == f"http://127.0.0.1:{server.server_port}/files/my_pack-1.0.tar.gz"
    assert seen == {"path": "/simple/my-pack/", "login": "Basic bWU6c2VjcmV0"}


def test_a_password_is_not_shown(only_here):
    only_here(index_url="http://me:secret@127.0.0.1:9/simple")
    with pytest.raises(FetchError) as error:
        packages.find_file("my-pack", "my_pack-1.0.tar.gz")
    assert "secret" not in str(error.value)
