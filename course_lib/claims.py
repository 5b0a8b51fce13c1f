"""The ledger: what the seeds claim, what was measured, and whether it held.

``notebooks/claims.toml`` states each claim with its source, the source's numbers and a *relation* over named
results, such as ``joint > serial > max(spatial, temporal)``. A chapter hands `Ledger.test` what it measured;
`judge` gives one verdict over the recorded runs of several seeds. A claim that fails is shown as failing.

A relation is a chain of comparisons (``<``, ``<=``, ``>``, ``>=``) of arithmetic over names and numbers with
``min``, ``max``, ``abs`` and ``mean``; several chains are joined by ``and``. Each comparison is a *link*; its
*margin* is how far the larger side is above the smaller one, negative when the order is reversed.
"""

import ast
import html
import math
import operator
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import cached_property
from pathlib import Path
from statistics import fmean

import numpy as np

from .checks import check_choice
from .notebooks import root
from .records import latest, recorded

_ARITHMETIC = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}
_COMPARISONS = {ast.Gt: ">", ast.GtE: ">=", ast.Lt: "<", ast.LtE: "<="}
_FUNCTIONS = {
    "min": lambda *numbers: min(numbers),
    "max": lambda *numbers: max(numbers),
    "mean": lambda *numbers: fmean(numbers),
    "abs": abs,
}

__all__ = ["VERDICTS", "Claim", "Judgement", "Ledger", "Outcome", "Relation", "judge", "judge_recorded", "recorded"]

VERDICTS = {
    "reproduced": "every link holds in the mean, and its interval excludes zero",
    "same direction": "every link holds in the mean",
    "not reproduced": "some link fails in the mean",
    "contradicted": "some link is reversed, and its interval excludes zero",
    "too few runs": "fewer than two seeds are recorded",
}


@dataclass(frozen=True)
class Link:
    """One comparison with numbers put in. ``margin`` >= 0 (> 0 when strict) is what the claim says."""

    text: str
    left: float
    right: float
    margin: float
    holds: bool


class Relation:
    """A parsed relation, e.g. ``Relation("a > b >= max(c, d)")``.

    ``names`` are the values it needs. Raises ValueError for anything but comparisons of arithmetic: relations come
    from a file and are never run as Python.
    """

    def __init__(self, text: str):
        self.text = text
        try:
            tree = ast.parse(text, mode="eval").body
        except SyntaxError as error:
            raise ValueError(f"relation {text!r} does not parse: {error.msg}") from None
        chains = tree.values if isinstance(tree, ast.BoolOp) and isinstance(tree.op, ast.And) else [tree]
        self.chains = [self._chain(chain) for chain in chains]
        functions = {id(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
        found = (node for node in ast.walk(tree) if isinstance(node, ast.Name) and id(node) not in functions)
        self.names = tuple(dict.fromkeys(node.id for node in sorted(found, key=lambda node: node.col_offset)))

    def _chain(self, node: ast.expr) -> tuple[list[ast.expr], list[str]]:
        if not isinstance(node, ast.Compare) or not all(type(op) in _COMPARISONS for op in node.ops):
            raise ValueError(
                f"relation {self.text!r} must be comparisons with <, <=, > or >=, e.g. 'a > b >= max(c, d)'"
            )
        terms = [node.left, *node.comparators]
        for term in terms:
            self._check(term)
        return terms, [_COMPARISONS[type(op)] for op in node.ops]

    def _check(self, node: ast.expr):
        match node:
            case ast.Name() | ast.Constant(value=int() | float()):
                return
            case ast.BinOp(left, op, right) if type(op) in _ARITHMETIC:
                self._check(left)
                self._check(right)
            case ast.UnaryOp(ast.USub(), operand):
                self._check(operand)
            case ast.Call(ast.Name("abs"), [argument], []):
                self._check(argument)
            case ast.Call(ast.Name("min" | "max" | "mean"), [_, _, *_] as arguments, []):
                for argument in arguments:
                    self._check(argument)
            case _:
                allowed = f"names, numbers, + - * /, {', '.join(_FUNCTIONS)}"
                raise ValueError(f"relation {self.text!r} contains {ast.unparse(node)!r}; it takes {allowed}")

    def links(self, values: Mapping[str, float], *, partial: bool = False) -> list[Link]:
        """The links with ``values`` put in.

        With ``partial``, sides that were not measured are left out and their neighbours in the chain compared
        (``a > b > c`` without b says ``a > c``). Raises ValueError for a missing (unless ``partial``), misspelt or
        non-finite value.
        """
        missing = [name for name in self.names if name not in values]
        if missing and not partial:
            raise ValueError(
                f"relation {self.text!r} needs {', '.join(missing)}; values has {', '.join(values) or 'none'}"
            )
        for name in set(values) - set(self.names):
            if close := get_close_matches(name, missing, n=1, cutoff=0.8):
                raise ValueError(
                    f"values has {name!r}, which relation {self.text!r} does not know. Did you mean {close[0]!r}?"
                )
        for name in self.names:
            if name in values and not _is_finite(values[name]):
                raise ValueError(f"values[{name!r}] is {values[name]!r}; it takes a finite number")
        return [link for terms, signs in self.chains for link in self._compare(terms, signs, values)]

    def _compare(self, terms, signs, values) -> list[Link]:
        known = [i for i, term in enumerate(terms) if all(n.id in values or n.id in _FUNCTIONS for n in _names(term))]
        links = []
        for i, j in zip(known, known[1:], strict=False):
            between = {sign[0] for sign in signs[i:j]}
            if len(between) > 1:
                continue  # a > b < c says nothing about a and c
            # Across a gap the comparison is strict as soon as one of the links left out is.
            sign = between.pop() + ("=" if all("=" in sign for sign in signs[i:j]) else "")
            left, right = _evaluate(terms[i], values), _evaluate(terms[j], values)
            margin = left - right if sign[0] == ">" else right - left
            text = f"{ast.unparse(terms[i])} {sign} {ast.unparse(terms[j])}"
            links.append(Link(text, left, right, margin, margin >= 0 if "=" in sign else margin > 0))
        return links


def _names(term: ast.expr) -> list[ast.Name]:
    return [node for node in ast.walk(term) if isinstance(node, ast.Name)]


def _is_finite(value) -> bool:
    return isinstance(value, (int, float, np.number)) and not isinstance(value, bool) and math.isfinite(value)


def _evaluate(node: ast.expr, values: Mapping[str, float]) -> float:
    match node:
        case ast.Constant(value):
            return float(value)
        case ast.Name(name):
            return float(values[name])
        case ast.UnaryOp(_, operand):
            return -_evaluate(operand, values)
        case ast.BinOp(left, op, right):
            return _ARITHMETIC[type(op)](_evaluate(left, values), _evaluate(right, values))
        case ast.Call(ast.Name(name), arguments):
            return float(_FUNCTIONS[name](*(_evaluate(argument, values) for argument in arguments)))


@dataclass(frozen=True)
class Claim:
    """One entry of ``claims.toml``. ``numbers`` are the source's, in ``unit``, by the names of the relation.

    ``by_construction``: why the world makes the claim true whatever is learned; empty where it does not.
    """

    id: str
    chapter: str
    source: str
    statement: str
    relation: str
    unit: str = ""
    note: str = ""
    by_construction: str = ""
    numbers: dict[str, float] = field(default_factory=dict)

    @cached_property
    def parsed(self) -> Relation:
        return Relation(self.relation)


@dataclass(frozen=True)
class Outcome:
    """What one run says about a claim. ``holds`` is None when too little was measured to compare anything."""

    claim: Claim
    values: dict[str, float]
    links: tuple[Link, ...]

    @property
    def holds(self) -> bool | None:
        return all(link.holds for link in self.links) if self.links else None

    @property
    def missing(self) -> tuple[str, ...]:
        """Names of the relation that this run did not measure."""
        return tuple(name for name in self.claim.parsed.names if name not in self.values)

    @property
    def summary(self) -> str:
        if self.holds is None:
            return "not measured in this run"
        scope = " (of what this run measured)" if self.missing else ""
        return f"{'holds' if self.holds else 'does not hold'} in this run{scope}"

    def __repr__(self) -> str:
        lines = [f"{self.claim.id}: {self.summary}. {self.claim.statement}"]
        lines += [
            f"  {'✓' if k.holds else '✗'} {k.text}: {k.left:.3g}, {k.right:.3g}, margin {k.margin:+.3g}"
            for k in self.links
        ]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        claim = self.claim
        theirs = {k.text: f"{k.margin:+.3g}" for k in claim.parsed.links(claim.numbers, partial=True)}
        left = "style='text-align:left'"
        rows = "".join(
            f"<tr><td {left}><code>{html.escape(k.text)}</code></td><td>{k.left:.3g}</td><td>{k.right:.3g}</td>"
            f"<td>{k.margin:+.3g}</td><td>{theirs.get(k.text, '–')}</td><td>{'✓ holds' if k.holds else '✗ fails'}</td>"
            "</tr>"
            for k in self.links
        )
        columns = ("left", "right", "margin", "source's margin", "")
        head = f"<tr><th {left}>link</th>{''.join(f'<th>{column}</th>' for column in columns)}</tr>"
        notes = [
            claim.note,
            f"True by construction: {claim.by_construction}" if claim.by_construction else "",
        ]
        notes += [f"Not measured in this run: {', '.join(self.missing)}." if self.missing else ""]
        foot = " ".join(html.escape(note) for note in notes if note)
        unit = f" [{html.escape(claim.unit)}]" if claim.unit else ""
        return (
            f"<div><b>{claim.id} {html.escape(self.summary)}.</b> {html.escape(claim.statement)} "
            f"<i>({html.escape(claim.source)})</i>{unit}"
            + (f"<table><thead>{head}</thead><tbody>{rows}</tbody></table>" if rows else "<br>")
            + f"<small>{foot}</small></div>"
        )


class Ledger:
    """The claims of a ``claims.toml`` (by default the project's), by id, in the order of the file.

    Raises ValueError, naming the claim, when an entry is incomplete, repeated or has a relation that does not parse.
    """

    def __init__(self, path: Path | str | None = None):
        self.path = Path(path) if path else root() / "notebooks" / "claims.toml"
        self.claims: dict[str, Claim] = {}
        for entry in tomllib.loads(self.path.read_text(encoding="utf-8")).get("claim", []):
            name = entry.get("id", "without an id")
            try:
                claim = Claim(**entry)
                _ = claim.parsed
            except (TypeError, ValueError) as error:
                raise ValueError(f"claim {name} in {self.path.name}: {error}") from None
            if name in self.claims:
                raise ValueError(f"claim {name} appears twice in {self.path.name}")
            self.claims[name] = claim

    def __getitem__(self, claim_id: str) -> Claim:
        return self.claims[check_choice("claim", claim_id, self.claims)]

    def of(self, chapter: str) -> list[Claim]:
        """The claims that a chapter tests."""
        return [claim for claim in self.claims.values() if claim.chapter == chapter]

    def test(self, claim_id: str, values: Mapping[str, float], *, partial: bool = False) -> Outcome:
        """Evaluate a claim on measured ``values`` (by name, in the claim's unit).

        ``partial`` judges a chain over what was measured (``compare = "core"`` runs only some methods); otherwise
        a missing name raises ValueError. Names beyond the relation's are kept with the outcome and not judged.
        """
        claim = self[claim_id]
        return Outcome(claim, dict(values), tuple(claim.parsed.links(values, partial=partial)))


@dataclass(frozen=True)
class JudgedLink:
    """A link over seeds: mean margin and the interval (low, high) of a paired bootstrap over the seeds."""

    text: str
    mean: float
    low: float
    high: float
    share: float  # of the seeds in which it held


@dataclass(frozen=True)
class Judgement:
    """One verdict (a key of `VERDICTS`) on a claim over ``runs`` seeds, with the evidence per link."""

    claim: Claim
    verdict: str
    runs: int
    links: tuple[JudgedLink, ...]
    means: dict[str, float]

    def row(self) -> dict[str, str]:
        """One line of `show.verdicts`: the claim, the source's numbers, ours, the verdict and its weakest link."""

        def listed(numbers: Mapping[str, float]) -> str:
            return ", ".join(f"{n} {numbers[n]:.3g}" for n in self.claim.parsed.names if n in numbers)

        because = []
        if weakest := min(self.links, key=lambda link: link.mean, default=None):
            because.append(
                f"weakest link {weakest.text}: {weakest.mean:+.3g} [{weakest.low:+.3g}, {weakest.high:+.3g}]"
            )
        if self.claim.by_construction:
            because.append(f"by construction: {self.claim.by_construction}")
        return {
            "claim": self.claim.id,
            "statement": self.claim.statement,
            "source": listed(self.claim.numbers) or "no numbers",
            "here": listed(self.means) or "–",
            "verdict": self.verdict,
            "because": "; ".join(because),
        }


def bootstrap_interval(
    margins: Sequence[float], *, level: float = 0.95, resamples: int = 10_000
) -> tuple[float, float]:
    """Percentile bootstrap interval of the mean of paired margins (one per seed), reproducible.

    With the five seeds used here such intervals are too narrow rather than too wide; read them as a spread.
    """
    margins = np.asarray(margins, dtype=float)
    picks = np.random.default_rng(0).integers(len(margins), size=(resamples, len(margins)))
    low, high = np.quantile(margins[picks].mean(axis=1), [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def judge(claim: Claim, runs: Sequence[Mapping[str, float]]) -> Judgement:
    """One verdict over ``runs``, each a seed's values. Links are paired: a margin is taken within a seed.

    Raises ValueError when a run lacks a value that the relation needs.
    """
    names = dict.fromkeys(name for run in runs for name in run)
    means = {name: fmean(run[name] for run in runs if name in run) for name in names}
    per_run = [claim.parsed.links(run) for run in runs]
    links = []
    for same in zip(*per_run, strict=True):
        margins = [link.margin for link in same]
        links.append(
            JudgedLink(same[0].text, fmean(margins), *bootstrap_interval(margins), fmean(k.holds for k in same))
        )
    return Judgement(claim, _verdict(links, len(runs)), len(runs), tuple(links), means)


def judge_recorded(
    chapter: str, *, preset: str = "laptop", compare: str = "all", root: Path | None = None
) -> list[Judgement]:
    """The verdict on every claim of a chapter over its recorded runs (see `records.latest`)."""
    ledger = Ledger(root / "notebooks" / "claims.toml" if root else None)
    runs = [run["claims"] for run in latest(chapter, preset=preset, compare=compare, root=root)]
    return [judge(claim, [run[claim.id] for run in runs if claim.id in run]) for claim in ledger.of(chapter)]


def _verdict(links: Sequence[JudgedLink], runs: int) -> str:
    if runs < 2:
        return "too few runs"
    in_the_mean = [link.mean >= 0 if ">=" in link.text or "<=" in link.text else link.mean > 0 for link in links]
    if all(in_the_mean):
        return "reproduced" if all(link.low > 0 for link in links) else "same direction"
    return "contradicted" if any(link.high < 0 for link in links) else "not reproduced"
