"""``course claims run`` (record a chapter over seeds) and ``course claims report`` (one verdict per claim)."""

from typing import Annotated

import typer

from .. import notebooks, records
from ..claims import VERDICTS, Judgement, Ledger, judge_recorded
from ..provenance import code_hash
from . import budget
from .console import Parameters, console, pairs, table
from .sweep import run_grid

app = typer.Typer(no_args_is_help=True, help="Record the chapters over seeds and judge the claims of the seeds.")


@app.command()
def run(
    chapter: Annotated[str, typer.Argument(metavar="CHAPTER", help="A number or a name, e.g. 21")],
    seeds: Annotated[int, typer.Option(help="How many seeds")] = 5,
    first: Annotated[
        int, typer.Option(help="The first of them; settings are chosen on seed 0, so it does not judge")
    ] = 1,
    workers: Annotated[int, typer.Option(help="Runs at the same time; they share the cores")] = 1,
    preset: Annotated[str, typer.Option(help="smoke, laptop or gpu")] = "laptop",
    again: Annotated[bool, typer.Option("--again", help="Also seeds that this code has recorded already")] = False,
    parameter: Parameters = None,
) -> None:
    """Run a chapter with compare = all for several seeds; each run is recorded as soon as it ends."""
    found = notebooks.find(chapter)
    if seeds < 1:
        raise ValueError(f"seeds is {seeds}; it takes an integer >= 1")
    words = {name: notebooks.literal(value) for name, value in pairs(parameter).items()}
    wanted = [{**words, "preset": preset, "compare": "all", "seed": seed} for seed in range(first, first + seeds)]
    checked = [notebooks.check_parameters(found, given) for given in wanted]
    code = code_hash(found.path)
    full = [{**found.parameters, **given} for given in checked]
    if not again:
        kept = {_key(record) for record in records.read(found.number) if record["code"] == code}
        full = [given for given in full if _key(given) not in kept]
        console.print(f"{len(checked) - len(full)} of {len(checked)} seeds are recorded already")
    if not full:
        return
    device = _device(full[0])
    failed = []
    for index, done in run_grid([(found.path, given) for given in full], workers, {"COURSE_PRESET": None}):
        if isinstance(done, notebooks.CellError):
            failed.append(f"seed {full[index]['seed']}: {done}")
        else:
            records.append(records.record_of(found.number, full[index], done, code=code, device=device))
            if preset == "laptop":
                budget.store(found.number, "laptop, compare = all", done, workers)
    console.print(f"recorded in {records.path_of(found.number)}", soft_wrap=True, highlight=False)
    if failed:
        raise notebooks.CellError(f"{len(failed)} of {len(full)} runs failed:\n" + "\n".join(failed))


def _key(given: dict) -> tuple:
    overrides = str(sorted((given.get("overrides") or {}).items()))
    return (*(given.get(name) for name in ("seed", "preset", "compare", "dataset")), overrides)


def _device(given: dict) -> str:
    from ..runtime import choose_device

    return str(choose_device(given.get("device", "auto")))


@app.command()
def report(
    preset: Annotated[str, typer.Option(help="Which recorded runs to judge")] = "laptop",
) -> None:
    """Judge every claim over the recorded runs; also written to notebooks/records/report.md."""
    chapters = dict.fromkeys(claim.chapter for claim in Ledger().claims.values())
    judged = [judgement for chapter in chapters for judgement in judge_recorded(chapter, preset=preset)]
    warnings = [warning for chapter in chapters if (warning := outdated(chapter, preset))]
    for warning in warnings:
        console.print(f"[yellow]{warning}[/]", highlight=False)
    rows = [[j.claim.id, j.verdict, str(j.runs), j.row()["here"], j.claim.statement] for j in judged]
    table("Claims of the seeds", ["", "verdict", "runs", "means here", "claim"], rows)
    path = notebooks.root() / "notebooks" / "records" / "report.md"
    notebooks.write_text(as_markdown(judged, preset, warnings), path)
    console.print(f"report: {path}", soft_wrap=True, highlight=False)


def outdated(chapter: str, preset: str) -> str:
    """A warning when the recorded runs of a chapter come from other code than the code that is there; else ""."""
    runs = records.latest(chapter, preset=preset)
    there = notebooks.chapters().get(chapter)
    if runs and there and runs[-1]["code"] != code_hash(there.path):
        return f"Chapter {chapter}: its code has changed since these runs were recorded (make claims)."
    return ""


def as_markdown(judged: list[Judgement], preset: str, warnings: list[str]) -> str:
    """The report as a page: one table, then the links of each claim that has runs."""
    lines = [
        "# What held at this scale",
        "",
        f"Written by `course claims report` from the recorded runs (preset {preset}, compare = all). "
        "Intervals are 95 % paired bootstrap intervals over seeds.",
        "",
        *(f"- **{verdict}**: {meaning}." for verdict, meaning in VERDICTS.items()),
        *([""] + warnings if warnings else []),
        "",
        "| claim | statement | source's numbers | means here | runs | verdict |",
        "|---|---|---|---|---|---|",
    ]
    for judgement in judged:
        row = judgement.row()
        cells = (row["claim"], row["statement"], row["source"], row["here"], judgement.runs, f"**{row['verdict']}**")
        lines.append(f"| {' | '.join(map(str, cells))} |")
    for judgement in (j for j in judged if j.runs):
        claim = judgement.claim
        lines += [
            "",
            f"## {claim.id}: {judgement.verdict}",
            "",
            f"{claim.statement} ({claim.source}; {claim.unit})",
            "",
        ]
        lines += ["| link | mean margin | interval | held in |", "|---|---|---|---|"]
        for link in judgement.links:
            span = f"{link.low:+.3g} … {link.high:+.3g}"
            lines.append(f"| `{link.text}` | {link.mean:+.3g} | {span} | {link.share:.0%} of {judgement.runs} seeds |")
        construction = f"True by construction: {claim.by_construction}" if claim.by_construction else ""
        lines += ["", *(note for note in (claim.note, construction) if note)]
    return "\n".join(lines) + "\n"
