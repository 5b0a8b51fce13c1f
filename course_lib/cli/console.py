"""What all commands share: the console, how errors are shown, ``-p NAME VALUE``, chapters and their parameters."""

from collections.abc import Mapping
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from typer.core import TyperGroup

from .. import notebooks

console = Console()
ERROR_STATUS, INTERRUPTED_STATUS = 2, 130

Chapters = Annotated[list[str], typer.Argument(metavar="CHAPTER…", help="Numbers or names, e.g. 21")]
Parameters = Annotated[
    list[str] | None,
    typer.Option("--parameter", "-p", metavar="NAME VALUE", help="A parameter or a setting of the chapter; repeatable"),
]


class Course(TyperGroup):
    """Lets ``-p`` take two words, and shows what a user got wrong as one line instead of a traceback."""

    def parse_args(self, ctx, args):
        joined, words = [], iter(args)
        for word in words:
            if word in ("-p", "--parameter") and (name := next(words, None)) is not None:
                value = None if "=" in name else next(words, None)
                joined += [word, name if value is None else f"{name}={value}"]
            else:
                joined.append(word)
        return super().parse_args(ctx, joined)

    def invoke(self, ctx):
        try:
            return super().invoke(ctx)
        except (ValueError, OSError, notebooks.CellError) as error:
            say_error(str(error))
            raise typer.Exit(ERROR_STATUS) from None
        except KeyboardInterrupt:
            say_error("interrupted; nothing half-written is left")
            raise typer.Exit(INTERRUPTED_STATUS) from None


def say_error(message: str) -> None:
    Console(stderr=True).print("[bold red]error:[/] ", end="")
    Console(stderr=True).print(message, markup=False, highlight=False, soft_wrap=True)


def pairs(given: list[str] | None) -> dict[str, str]:
    """``["seed=3"]`` → {"seed": "3"}. Raises ValueError for a name without a value or given twice."""
    found: dict[str, str] = {}
    for item in given or []:
        name, separator, value = item.partition("=")
        if not separator:
            raise ValueError(f"-p {item} has no value; it takes -p NAME VALUE")
        if name in found:
            raise ValueError(f"-p {name} is given twice")
        found[name] = value
    return found


def with_options(
    parameters: Mapping[str, Any], preset: str | None, seed: int | None = None, compare: str | None = None
) -> dict[str, Any]:
    """``parameters`` together with the options that are short for some of them."""
    options = {"preset": preset, "seed": seed, "compare": compare}
    return {**parameters, **{name: value for name, value in options.items() if value is not None}}


def flatten(results: Mapping[str, Any], prefix: str = "") -> dict[str, float]:
    """The numbers in nested results, by dotted name; lists and text are left out."""
    flat: dict[str, float] = {}
    for name, value in results.items():
        if isinstance(value, Mapping):
            flat.update(flatten(value, f"{prefix}{name}."))
        elif isinstance(value, (int, float)):
            flat[prefix + name] = value
    return flat


def table(title: str, columns: list[str], rows: list[list[str]]) -> None:
    """Print rows of text; the first column is never cut."""
    shown = Table(title=title, title_justify="left")
    for index, column in enumerate(columns):
        shown.add_column(column, no_wrap=index == 0)
    for row in rows:
        shown.add_row(*(str(cell) for cell in row))
    console.print(shown)
