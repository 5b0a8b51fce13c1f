"""``course data list``, ``fetch`` and ``check``: what the course can see."""

from typing import TYPE_CHECKING, Annotated

import typer

from .. import data
from .console import console, table

if TYPE_CHECKING:
    from ..data.catalogue import Entry

app = typer.Typer(no_args_is_help=True, help="The datasets that the course knows by name.")

Names = Annotated[list[str], typer.Argument(metavar="NAME…", help="Names that `course data list` shows")]
HERE = ("here", "generated", "installed")


def state(entry: "Entry") -> str:
    """Where the pixels of an entry are: "generated", "installed", "here", or what has to happen first."""
    from ..data.catalogue import data_folders
    from ..data.fetching import cache_root

    if entry.kind == "world":
        return "generated"
    if entry.kind == "installed":
        return "installed"
    if entry.kind == "path":
        there = any((base / name).is_dir() for base in data_folders() for name in entry.source["folders"])
        return "here" if there else f"yours: see datasets/{entry.card}"
    if entry.kind == "torchvision":
        return "fetched on first use"
    return "here" if (cache_root() / "fetched" / entry.name).is_dir() else "course data fetch"


@app.command("list")
def list_datasets() -> None:
    """List the datasets, their licences and whether they are on this machine."""
    rows = [[e.name, e.kind, state(e), e.licence, e.title] for e in data.Catalogue.read().values()]
    table("Datasets", ["", "kind", "where", "licence", "what"], rows)


@app.command()
def fetch(name: Names) -> None:
    """Fetch and verify datasets; what is here already is only verified."""
    catalogue = data.Catalogue.read()
    for each in [catalogue[one] for one in name]:
        if each.use:
            console.print(f"{each.name}: {each.use}", highlight=False)
        console.print(f"{each.name}: {data.fetch(each.name)}", soft_wrap=True, highlight=False)


@app.command()
def check(
    name: Annotated[list[str] | None, typer.Argument(metavar="NAME…", help="By default what was fetched")] = None,
):
    """Open datasets (never fetching any; worlds are generated when named) and say how much is in them."""
    catalogue = data.Catalogue.read()
    entries = [catalogue[one] for one in name] if name else [e for e in catalogue.values() if state(e) == "here"]
    if absent := [f"{e.name} ({state(e)})" for e in entries if state(e) not in HERE]:
        raise ValueError(f"not on this machine: {', '.join(absent)}")
    rows = []
    for entry in entries:
        videos = data.load(entry.name, progress=False)
        size = "x".join(map(str, videos.frames.shape[2:]))
        factors = ", ".join([*videos.video, *videos.frame]) or "none"
        rows.append([entry.name, len(videos), len(videos.frames), size, f"{videos.fps:g}", factors])
    table("Opened (split train)", ["", "videos", "frames", "pixels", "fps", "known factors"], rows)
