"""Tables: the scoreboard that grows through a chapter, numbers beside the source's, and the verdicts on
claims.
"""

import html
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from ..checks import check_choice
from .plots import Values, bars, interval
from .style import GOOD, OKABE_ITO, Figure, colour

KINDS = {
    "floor": "random floor",
    "baseline": "baseline",
    "ours": "the method",
    "ceiling": "supervised ceiling",
}
VERDICTS = {  # word → sign and colour: the word and the sign say it, the colour only helps
    "reproduced": ("✔", GOOD),
    "same direction": ("↗", OKABE_ITO["green"]),
    "not reproduced": ("–", "#5F5F5F"),
    "contradicted": ("✘", OKABE_ITO["vermillion"]),
    "too few runs": ("?", "#5F5F5F"),
}
_TABLE = "border-collapse: collapse; margin: 0.5em 0; font-size: 14px"
_CELL = "text-align: left; padding: 4px 10px; border-bottom: 1px solid #ddd; vertical-align: top"


class Table:
    """Rows of text that show themselves as an HTML table with a caption, and as plain text where there is no
    HTML.
    """

    def __init__(self, frame: pd.DataFrame, caption: str, paint: Mapping[tuple[int, str], str] | None = None):
        self.frame, self.caption, self.paint = frame, caption, dict(paint or {})

    def _repr_html_(self) -> str:
        head = "".join(f'<th scope="col" style="{_CELL}">{html.escape(str(column))}</th>' for column in self.frame)
        rows = []
        for number, (_, row) in enumerate(self.frame.iterrows()):
            cells = (
                f'<td style="{_CELL}; {self.paint.get((number, column), "")}">{html.escape(str(row[column]))}</td>'
                for column in self.frame
            )
            rows.append(f"<tr>{''.join(cells)}</tr>")
        caption = f'<caption style="text-align: left; font-weight: bold">{html.escape(self.caption)}</caption>'
        return f'<table style="{_TABLE}">{caption}<thead><tr>{head}</tr></thead><tbody>{"".join(rows)}</tbody></table>'

    def __repr__(self) -> str:
        return f"{self.caption}\n{self.frame.to_string(index=False)}"


class Scoreboard:
    """Results of a chapter under one protocol; add a line whenever a method has been measured, show it, go
    on.

    metric: what is measured, with its unit. chance: what guessing gives. higher_is_better: decides the order.

    >>> board = Scoreboard("mean AUC (pose retrieval)", chance=0.5)
    >>> board.add("random", [0.55, 0.57], kind="floor")
    """

    def __init__(self, metric: str, *, chance: float | None = None, higher_is_better: bool = True):
        self.metric, self.chance, self.higher_is_better = metric, chance, higher_is_better
        self._rows: dict[str, dict] = {}

    def add(self, method: str, values: Values, *, kind: str = "baseline", recorded: bool = False) -> None:
        """Add a method, or replace its line. values: one number or one for each seed. kind: a key of `KINDS`.

        recorded: the number comes from a recorded run and was not computed now; it is marked so.
        """
        check_choice("kind", kind, KINDS)
        mean, low, high = interval(values)
        numbers = [float(value) for value in np.atleast_1d(np.asarray(values, dtype=float))]
        row = {"kind": kind, "values": numbers, "mean": mean, "low": low, "high": high, "recorded": recorded}
        self._rows[method] = row

    def add_table(self, table: Mapping, measure: str, *, kinds: Mapping = {}, recorded: Sequence[Mapping] = ()) -> None:
        """Add all rows of ``table``: row → measure → value; and, marked, those that only ``recorded`` tables have.

        kinds: row → kind, where it is not "baseline". recorded: such tables of earlier runs, as `Run.recorded` gives.
        Underscores in the names of rows are shown as spaces.
        """
        earlier = [row for other in recorded for row in other if row not in table]
        for row in dict.fromkeys([*table, *earlier]):
            values = table[row][measure] if row in table else [t[row][measure] for t in recorded if row in t]
            kind = kinds.get(row, "baseline")
            self.add(row.replace("_", " "), values, kind=kind, recorded=row not in table)

    @property
    def frame(self) -> pd.DataFrame:
        """One row for each method, best first: method, kind, mean, low, high (95 % interval), seeds,
        recorded, values.
        """
        rows = [{"method": method, **row, "seeds": len(row["values"])} for method, row in self._rows.items()]
        columns = ["method", "kind", "mean", "low", "high", "seeds", "recorded", "values"]
        frame = pd.DataFrame(rows, columns=columns)
        return frame.sort_values("mean", ascending=not self.higher_is_better, kind="stable", ignore_index=True)

    def table(self) -> Table:
        """The board as a table."""
        shown, paint = [], {}
        for number, row in self.frame.iterrows():
            spread = f"{row['low']:.3f} … {row['high']:.3f}" if row["seeds"] > 1 else "one seed"
            source = "recorded run" if row["recorded"] else "computed now"
            line = [row["method"], KINDS[row["kind"]], f"{row['mean']:.3f}", spread, row["seeds"], source]
            shown.append(line)
            paint[number, "method"] = f"border-left: 8px solid {colour(row['method'])}"
            if row["kind"] == "ours":
                paint[number, self.metric] = "font-weight: bold"
        columns = ["method", "role", self.metric, "95 % interval", "seeds", "source"]
        chance = f"; chance {self.chance:g}" if self.chance is not None else ""
        return Table(pd.DataFrame(shown, columns=columns), f"Scoreboard: {self.metric}{chance}", paint)

    def figure(self, title: str = "", alt: str | None = None) -> Figure:
        """The board as bars with intervals, floor and ceiling as lines. Raises ValueError while it is empty."""
        if not self._rows:
            raise ValueError("the scoreboard is empty; add a method first")
        frame = self.frame
        lines = {kind: frame.loc[frame["kind"] == kind, "mean"] for kind in ("floor", "ceiling")}
        values = {
            f"{row['method']}{' (recorded)' if row['recorded'] else ''}": row["values"] for _, row in frame.iterrows()
        }
        return bars(
            values,
            label=self.metric,
            floor=float(lines["floor"].iloc[0]) if len(lines["floor"]) else self.chance,
            floor_name="random floor" if len(lines["floor"]) else "chance",
            ceiling=float(lines["ceiling"].iloc[0]) if len(lines["ceiling"]) else None,
            title=title,
            alt=alt,
        )

    def _repr_html_(self) -> str:
        return self.table()._repr_html_()

    def __repr__(self) -> str:
        return repr(self.table())


def beside_seed(
    here: Mapping[str, Values],
    seed: Mapping[str, float],
    *,
    recorded: Sequence[Mapping[str, float]] = (),
    metric: str = "mean AUC",
    source: str = "source",
) -> Table:
    """Numbers measured here beside those of the source, and both ranks; a method that one side lacks shows a
    dash.

    Levels differ (other data, other sizes); what can be compared is the order of the methods. recorded: tables of
    earlier runs, as `Run.recorded` gives; their means, marked so, fill in those rows of the source that ``here`` lacks.
    """
    lacking = [method for method in seed if method not in here]
    earlier = {method: [table[method] for table in recorded if method in table] for method in lacking}
    earlier = {method: values for method, values in earlier.items() if values}
    methods = list(dict.fromkeys([*seed, *here]))
    if not methods:
        raise ValueError("here and seed are empty; there is nothing to compare")
    means = {method: interval(values)[0] for method, values in {**here, **earlier}.items()}
    order = [pd.Series(side, dtype=float).rank(ascending=False, method="min") for side in (seed, means)]
    shown = [
        {
            "method": method,
            f"{metric}, {source}": f"{seed[method]:.3g}" if method in seed else "–",
            f"{metric}, here": f"{means[method]:.3g}{' (recorded)' * (method in earlier)}" if method in means else "–",
            "rank in the source": int(order[0][method]) if method in seed else "–",
            "rank here": int(order[1][method]) if method in means else "–",
        }
        for method in methods
    ]
    paint = {(n, "method"): f"border-left: 8px solid {colour(method)}" for n, method in enumerate(methods)}
    sides = [f"the numbers of {source}"] + ["the numbers of this run"] * bool(here)
    sides += ["means over the recorded runs (marked)"] * bool(earlier)
    return Table(pd.DataFrame(shown), f"{metric}: {' and '.join(sides)}", paint)


def verdicts(rows: Sequence[Mapping[str, object]], *, caption: str = "Claims tested in this chapter") -> Table:
    """The ledger's verdicts. Each row has "claim" (id), "statement", "verdict" (a key of `VERDICTS`), and
    optionally "source" (its numbers), "here" (ours) and "because". A word and a sign carry the verdict, never
    the colour alone.
    """
    shown, paint = [], {}
    for number, row in enumerate(rows):
        missing = {"claim", "statement", "verdict"} - set(row)
        if missing:
            raise ValueError(f"rows[{number}] lacks {sorted(missing)}; it has {sorted(row)}")
        sign, dye = VERDICTS[check_choice("verdict", row["verdict"], VERDICTS)]
        shown.append({**row, "verdict": f"{sign} {row['verdict']}"})
        paint[number, "verdict"] = f"color: {dye}; font-weight: bold; white-space: nowrap"
    frame = pd.DataFrame(shown).fillna("–") if shown else pd.DataFrame(columns=["claim", "statement", "verdict"])
    known = [c for c in ("claim", "statement", "source", "here", "verdict", "because") if c in frame]
    return Table(frame[known + [c for c in frame if c not in known]], caption, paint)
