"""Files from elsewhere, safely: verified against a sha256 before they are moved into place, or not there at
all.

Used by the catalogue for sources of kind "url" and "package". Nothing that is fetched is ever run, installed
or unpickled; only the named members of an archive are unpacked, one by one, inside their folder.
"""

import errno
import fnmatch
import hashlib
import http.client
import json
import os
import shutil
import stat
import tarfile
import tempfile
import urllib.error
import urllib.request
import zipfile
from collections.abc import Callable, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

_BLOCK = 1 << 20
_RECEIPT = ".fetched.json"


class FetchError(OSError):
    """Something could not be fetched: no network, wrong checksum, full disk, unsafe archive. Says what to
    do."""


def cache_root() -> Path:
    """Where fetched and decoded data is kept: COURSE_CACHE, else ``datasets/cache`` of the checkout, else the
    user's cache folder. The folder need not exist yet."""
    if os.environ.get("COURSE_CACHE"):
        return Path(os.environ["COURSE_CACHE"]).expanduser()
    checkout = Path(__file__).resolve().parents[2] / "datasets"
    if checkout.is_dir():
        return checkout / "cache"
    import pooch

    return Path(pooch.os_cache("seeing-without-labels"))


@contextmanager
def locked(target: Path):
    """Only one process at a time works on ``target``; a lock held by a process that died does not count."""
    from filelock import FileLock

    with disk_errors(target):
        target.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(target.parent / f".{target.name}.lock"):
        yield


@contextmanager
def scratch(target: Path):
    """A temporary folder beside ``target``, so that moving to ``target`` is one atomic step. It is removed
    however the block ends. Call under `locked`: what a killed process left behind is cleared first."""
    prefix = f".{target.name}.tmp-"
    for stale in target.parent.glob(prefix + "*"):
        shutil.rmtree(stale, ignore_errors=True)
    with disk_errors(target):
        folder = Path(tempfile.mkdtemp(prefix=prefix, dir=target.parent))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def move_into_place(finished: Path, target: Path) -> None:
    """Move a finished folder to ``target``, replacing what was there. Call under `locked`."""
    if target.exists():
        shutil.rmtree(target)
    os.replace(finished, target)


@contextmanager
def disk_errors(target: Path, needed: int | None = None):
    """Turn "disk full" and "not allowed to write" into a `FetchError` that says where, and what would
    help."""
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EROFS):
            raise
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        problem = "the disk is full" if full else "writing is not allowed"
        amount = f", {_megabytes(needed)} needed" if needed else ""
        raise FetchError(
            f"cannot write {target}: {problem} ({_megabytes(_free(target))} free{amount}). Make room, or set "
            f"COURSE_CACHE to a folder on another disk"
        ) from error


def download(url: str, target: Path, sha256: str, *, progress: bool = True) -> Path:
    """Stream ``url`` (http, https or file) into ``target``; what does not have the right ``sha256`` never
    gets there.

    Raises `FetchError` for a wrong checksum, an interrupted transfer, no network or a full disk. The partial
    file is removed on any exception, Ctrl-C included.
    """
    from tqdm.auto import tqdm

    target.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{target.name}.", suffix=".part", dir=target.parent)
    partial, total, received, digest = Path(name), None, 0, hashlib.sha256()
    try:
        with os.fdopen(handle, "wb") as file, _open(url) as response:
            total = int(response.headers.get("Content-Length") or 0) or None
            with disk_errors(target, total):
                if total and total > _free(target):
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
                with tqdm(total=total, unit="B", unit_scale=True, desc=target.name, disable=not progress) as bar:
                    while block := _read(response, url):
                        digest.update(block)
                        file.write(block)
                        received += len(block)
                        bar.update(len(block))
                file.flush()
        if total and received != total:
            raise FetchError(f"{url} was cut off after {received} of {total} bytes; try again")
        if digest.hexdigest() != sha256.lower():
            raise FetchError(
                f"{url} has sha256 {digest.hexdigest()}, not the {sha256} that the catalogue promises; "
                "the file was thrown away. Try again; if it happens twice the source has changed"
            )
        os.replace(partial, target)
    finally:
        partial.unlink(missing_ok=True)
    return target


def _open(url: str):
    request = urllib.request.Request(url, headers={"User-Agent": "seeing-without-labels"})
    try:
        return urllib.request.urlopen(request, timeout=60)
    except (urllib.error.URLError, TimeoutError, ConnectionError) as error:
        reason = getattr(error, "reason", error)
        raise FetchError(f"{url} cannot be reached ({reason}). Is there a network? Worlds need none") from error


def _read(response, url: str) -> bytes:
    try:
        return response.read(_BLOCK)
    except (TimeoutError, ConnectionError, http.client.HTTPException) as error:
        raise FetchError(f"{url} broke off ({error}); try again") from error


def extract(archive: Path, folder: Path, members: Sequence[str] = ("*",), root: str = "") -> list[Path]:
    """Unpack the files of a zip, wheel or tar whose path below ``root`` matches one of ``members``.

    ``members`` are patterns ("videos/*.mp4"; "*" also crosses folders). Returns the files written, below
    ``folder``. An archive with an absolute path, a ``..`` or a selected link or device is refused as a whole
    (`FetchError`) before anything is written; so is one in which a pattern matches nothing.
    """
    prefix = PurePosixPath(root)
    with _archive(archive) as (entries, reader):
        chosen = {}
        for name, regular in entries:
            path = PurePosixPath(name.replace("\\", "/"))
            if path.is_absolute() or ".." in path.parts or ":" in "".join(path.parts[:1]):
                raise FetchError(f"{archive.name} holds the unsafe path {name!r}; nothing was unpacked")
            if not path.is_relative_to(prefix):
                continue
            inside = path.relative_to(prefix)
            if any(fnmatch.fnmatchcase(str(inside), pattern) for pattern in members):
                if not regular:
                    raise FetchError(f"{archive.name} holds {name!r}, a link or device; nothing was unpacked")
                chosen[inside] = name
        for pattern in members:
            if not any(fnmatch.fnmatchcase(str(inside), pattern) for inside in chosen):
                raise FetchError(f"{archive.name} holds nothing like {str(prefix / pattern)!r}")
        written = []
        for inside, name in chosen.items():
            target = folder / inside
            with disk_errors(target):
                target.parent.mkdir(parents=True, exist_ok=True)
                with reader(name) as source, open(target, "xb") as file:
                    shutil.copyfileobj(source, file, _BLOCK)
            written.append(target)
    return written


@contextmanager
def _archive(path: Path):
    """(name, is a regular file) of all members that are not folders, and a function that opens one of
    them."""
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            modes = ((i.filename, i.external_attr >> 16) for i in archive.infolist() if not i.is_dir())
            yield [(name, stat.S_IFMT(mode) in (0, stat.S_IFREG)) for name, mode in modes], archive.open
    elif tarfile.is_tarfile(path):
        with tarfile.open(path) as archive:
            yield [(m.name, m.isreg()) for m in archive.getmembers() if not m.isdir()], archive.extractfile
    else:
        raise FetchError(f"{path.name} is neither a zip nor a tar archive")


def fetch_into(target: Path, sha256: str, fill: Callable[[Path], None]) -> Path:
    """The folder ``target``, made by ``fill(temporary folder)`` if it is not there complete.

    A receipt lists every file with its size; a folder that does not match its receipt or ``sha256`` is made
    anew.
    """
    with locked(target):
        if _complete(target, sha256):
            return target
        with scratch(target) as temporary:
            finished = temporary / "finished"
            finished.mkdir()
            fill(finished)
            files = {str(f.relative_to(finished)): f.stat().st_size for f in finished.rglob("*") if f.is_file()}
            with disk_errors(target):
                (finished / _RECEIPT).write_text(json.dumps({"sha256": sha256, "files": files}))
            move_into_place(finished, target)
    return target


def _complete(target: Path, sha256: str) -> bool:
    try:
        receipt = json.loads((target / _RECEIPT).read_text())
        sizes = {name: (target / name).stat().st_size for name in receipt["files"]}
    except (OSError, ValueError, KeyError, TypeError):
        return False
    return receipt["sha256"] == sha256 and sizes == receipt["files"]


def _free(path: Path) -> int:
    return shutil.disk_usage(next(p for p in (path, *path.parents) if p.exists())).free


def _megabytes(count: int) -> str:
    return f"{count / 1e6:.0f} MB"
