"""``course …``: a thin command line over papermill for running, sweeping, rendering and judging the chapters."""

import typer

from . import budget, chapters, data, ledger, machine, rendering, sweep
from .console import Course

app = typer.Typer(
    cls=Course,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Seeing Without Labels: run the chapters, compare runs, judge the claims.",
)
app.command("list")(chapters.list_chapters)
app.command()(chapters.run)
app.command()(sweep.sweep)
app.command()(rendering.render)
app.command()(rendering.handout)
app.command()(budget.budget)
app.command()(machine.doctor)
app.add_typer(ledger.app, name="claims")
app.add_typer(data.app, name="data")


def main() -> None:
    """Entry point of the command ``course``."""
    app()
