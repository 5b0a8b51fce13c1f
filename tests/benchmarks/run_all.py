"""Run every benchmark and print one table: ``python -m tests.benchmarks.run_all [NAME ...]``, e.g. ``training``."""

import importlib
import os
import pkgutil
import sys

# Threads that wait by spinning take the time of others on a busy machine; read when torch is first imported.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import torch  # noqa: E402
from rich.console import Console  # noqa: E402
from rich.table import Table  # noqa: E402

import tests.benchmarks as folder  # noqa: E402


def rows_of(names: list[str]) -> list[dict]:
    """Rows of the benchmarks whose names are given (without ``bench_``); of all when none is."""
    found = [m.name for m in pkgutil.iter_modules(folder.__path__) if m.name.startswith("bench_")]
    unknown = set(names) - {name.removeprefix("bench_") for name in found}
    if unknown:
        raise SystemExit(f"no benchmark {sorted(unknown)}; there are {[n.removeprefix('bench_') for n in found]}")
    wanted = [name for name in found if not names or name.removeprefix("bench_") in names]
    return [row for name in wanted for row in importlib.import_module(f"{folder.__name__}.{name}").main()]


def table_of(rows: list[dict]) -> Table:
    """Comparisons and measurements in one table."""
    table = Table("benchmark", "ours", "other", "ratio", "aim", title=f"{torch.get_num_threads()} threads")
    for row in rows:
        unit, aim = row.get("unit", ""), row.get("aim")
        if "ratio" in row:
            table.add_row(
                row["name"],
                f"{number(row['ours'])} {unit}",
                f"{number(row['other'])} {unit}",
                f"{row['ratio']:.1f}×",
                verdict(row["ratio"], aim, "×"),
            )
        else:
            table.add_row(row["name"], f"{number(row['value'])} {unit}", "", "", verdict(row["value"], aim))
    return table


def verdict(value, aim, unit: str = "") -> str:
    """The aim and whether it is met; nothing where there is none."""
    return "" if aim is None else f"≥ {number(aim)}{unit}: {'yes' if value >= aim else 'no'}"


def number(value) -> str:
    """Three significant digits; what is not a number as it is."""
    return f"{value:.3g}" if isinstance(value, (int, float)) and abs(value) < 1000 else str(value)


def main():
    torch.set_num_threads(min(2, torch.get_num_threads()))
    Console(width=150).print(table_of(rows_of(sys.argv[1:])))


if __name__ == "__main__":
    main()
