"""Which code a notebook's outputs came from, as one hash.

`code_hash` covers the notebook's code cells, the settings of its presets, and those *definitions* of ``course_lib``
that the cells can reach. Names are followed through imports, attributes of modules, re-exports of packages and
their lazy maps. Comments, docstrings and layout do not count, and neither does a function that no cell can reach:
editing it does not make a chapter stale. Where a reference cannot be followed (a module passed as a value,
an import by a computed name) everything it could mean counts; of the worlds, which `data.load` chooses by name,
only those whose name stands in the code or the presets, and of the ways to open real data only those that a dataset
named there takes.
"""

import ast
import hashlib
import json
import re
import tomllib
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path
from typing import Any

from . import notebooks

PACKAGE = "course_lib"

# Packages whose members are chosen by name: a member counts when its name is a text in reached code or presets.
CHOSEN_BY_NAME = {f"{PACKAGE}.data.worlds", f"{PACKAGE}.data.openers"}

# Book-keeping: read by the tools around a notebook, never part of what its cells compute.
IGNORED = {f"{PACKAGE}.{name}" for name in ("provenance", "records", "notebooks", "doctor", "cli")}


def code_hash(path: Path | str, library: "Library | None" = None) -> str:
    """16 hexadecimal digits that change when the code behind a notebook's outputs changes.

    Pass one `Library` when hashing several notebooks, so that each module is parsed once.
    """
    path = Path(path)
    library = library or Library(notebooks.root())
    trees = [ast.parse(_without_magics(cell.source)) for cell in notebooks.code_cells(notebooks.read(path))]
    presets = notebooks.preset_file(path.name[:2])
    parts = {
        "cells": [canonical(tree) for tree in trees],
        "library": library.closure(trees, texts_of(presets)),
        "presets": presets,
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]


def texts_of(settings: Any) -> set[str]:
    """All texts among the values of nested settings."""
    if isinstance(settings, dict):
        settings = list(settings.values())
    if isinstance(settings, list):
        return {text for value in settings for text in texts_of(value)}
    return {settings} if isinstance(settings, str) else set()


def _without_magics(source: str) -> str:
    """Cell source with IPython's ``%`` and ``!`` lines turned into tuples, so that it parses and they still count."""
    return re.sub(r"^(\s*)([%!].*)$", lambda m: f"{m[1]}({m[2]!r},)", source, flags=re.MULTILINE)


def canonical(node: Any) -> Any:
    """An AST as nested lists without positions and docstrings, the same in every Python version."""
    if isinstance(node, ast.Constant):
        return ["Constant", repr(node.value)]
    if isinstance(node, ast.AST):
        fields = []
        for name, value in ast.iter_fields(node):
            if name in ("type_comment", "kind", "ctx") or value is None or value == []:
                continue  # newer versions add empty fields
            if name == "body" and isinstance(value, list):
                value = [child for child in value if not _is_docstring(child)]
            fields.append([name, canonical(value)])
        return [type(node).__name__, *fields]
    return [canonical(child) for child in node] if isinstance(node, list) else node


def _is_docstring(node: ast.AST) -> bool:
    """A string on its own does nothing wherever it stands."""
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


class Module:
    """One parsed module: which top-level statements bind which name, and where imported names come from."""

    def __init__(self, name: str, path: Path):
        self.name, self.is_package = name, path.name == "__init__.py"
        self.package = name if self.is_package else name.rpartition(".")[0]
        self.tree = ast.parse(path.read_text(encoding="utf-8"))
        self.definitions: dict[str, list[ast.stmt]] = {}
        self.effects: list[ast.stmt] = []  # statements that bind nothing but do something, e.g. registering
        for statement in self.tree.body:
            if isinstance(statement, (ast.Import, ast.ImportFrom)) or _is_docstring(statement):
                continue
            bound = set(_bound_names(statement))
            if not bound or self._acts(statement):
                self.effects.append(statement)
            for name in bound:
                self.definitions.setdefault(name, []).append(statement)

    def _acts(self, statement: ast.stmt) -> bool:
        """Whether a statement may do more than bind names: a block, or a decorator of our own (it may register)."""
        own = {*self.imports, *(s.name for s in self.tree.body if isinstance(s, ast.FunctionDef))}
        decorators = [node for tree in getattr(statement, "decorator_list", []) for node in ast.walk(tree)]
        block = isinstance(statement, (ast.If, ast.For, ast.While, ast.With, ast.Try))
        return block or any(isinstance(node, ast.Name) and node.id in own for node in decorators)

    @cached_property
    def imports(self) -> dict[str, tuple[str, str | None]]:
        return imported_names(self.tree.body, self.package)


def _bound_names(statement: ast.stmt) -> Iterable[str]:
    if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        yield statement.name
        return
    for node in ast.walk(statement):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            yield node.name
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            yield from (alias.asname or alias.name.partition(".")[0] for alias in node.names)


def imported_names(body: Iterable[ast.AST], package: str) -> dict[str, tuple[str, str | None]]:
    """Names bound by import statements among ``body``: name → (module, attribute or None for the module itself)."""
    found: dict[str, tuple[str, str | None]] = {}
    for node in body:
        if isinstance(node, ast.Import):
            for alias in node.names:
                target = alias.name if alias.asname else alias.name.partition(".")[0]
                found[alias.asname or target] = (target, None)
        elif isinstance(node, ast.ImportFrom):
            base = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            source = ".".join([*base, *([node.module] if node.module else [])])
            for alias in node.names:
                found[alias.asname or alias.name] = (source, alias.name)
    return {name: target for name, target in found.items() if target[0].partition(".")[0] == PACKAGE}


class Library:
    """The modules of ``course_lib`` under ``root``, parsed once, and what a piece of code reaches in them."""

    def __init__(self, root: Path):
        self.paths = {}
        for path in sorted((root / PACKAGE).rglob("*.py")):
            parts = path.relative_to(root).with_suffix("").parts
            self.paths[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
        self._modules: dict[str, Module] = {}
        catalogue = root / "datasets" / "catalogue.toml"
        tables = tomllib.loads(catalogue.read_text(encoding="utf-8")) if catalogue.is_file() else {}
        self.openers = {name: f"open_{table['kind']}" for name, table in tables.items()}

    def module(self, name: str) -> Module:
        if name not in self._modules:
            self._modules[name] = Module(name, self.paths[name])
        return self._modules[name]

    def closure(self, trees: Iterable[ast.AST], texts: Iterable[str] = ()) -> dict[str, Any]:
        """Canonical form of every definition that ``trees`` (with absolute imports) reach, by "module:name".

        texts: names that may choose a member of a package in `CHOSEN_BY_NAME`, beside those in the code.
        """
        return _Walk(self, texts).follow(list(trees))

    def children(self, package: str) -> list[str]:
        """A package and the modules below it, or the module itself."""
        return [name for name in self.paths if name == package or name.startswith(package + ".")]


class _Walk:
    """One traversal. ``pending`` holds trees with the names that their surroundings give them."""

    def __init__(self, library: Library, texts: Iterable[str] = ()):
        self.library = library
        self.texts = set(texts)
        self.by_name: set[str] = set()
        self.reached: dict[str, Any] = {}
        self.entered: set[str] = set()
        self.seen: set[tuple[str, str]] = set()
        self.pending: list[tuple[ast.AST, Module | None]] = []

    def follow(self, trees: list[ast.AST]) -> dict[str, Any]:
        cells = ast.Module(body=[statement for tree in trees for statement in tree.body], type_ignores=[])
        self.pending.append((cells, None))
        while self.pending:
            self._scan(*self.pending.pop())
            if not self.pending:  # all texts are known now; what they choose may hold more
                self._choose()
        return dict(sorted(self.reached.items()))

    def _scan(self, tree: ast.AST, home: Module | None):
        """Reach everything that the code in ``tree`` refers to."""
        nodes = list(ast.walk(tree))
        self.texts.update(n.value for n in nodes if isinstance(n, ast.Constant) and isinstance(n.value, str))
        local = imported_names(nodes, home.package if home else "")
        names = {**(home.imports if home else {}), **local}
        for source, attribute in local.values():
            if attribute is None:
                self._enter(source)
            else:
                self._reach(source, attribute, ())
        inner = {id(node.value) for node in nodes if isinstance(node, ast.Attribute)}
        for node in nodes:
            if isinstance(node, (ast.Name, ast.Attribute)) and id(node) not in inner:
                self._resolve(node, names, home)
            elif isinstance(node, ast.Call) and _called(node) in ("import_module", "__import__"):
                self._dynamic(node, home)

    def _resolve(self, node: ast.expr, names: dict, home: Module | None):
        """A dotted name, as far as it is one: the longest module prefix, then what is taken from it."""
        chain: list[str] = []
        while isinstance(node, ast.Attribute):
            chain.insert(0, node.attr)
            node = node.value
        if not isinstance(node, ast.Name):
            return
        if node.id in names:
            source, attribute = names[node.id]
            chain = [attribute, *chain] if attribute else chain
            if chain:
                self._reach(source, chain[0], tuple(chain[1:]), used=True)
            else:
                self._whole(source)
        elif home and node.id in home.definitions:
            self._reach(home.name, node.id, ())

    def _reach(self, source: str, name: str, rest: tuple[str, ...], used: bool = False):
        """``source.name`` and, where that is a module, what ``rest`` takes from it. ``used``: not only imported."""
        if source in IGNORED or source not in self.library.paths:
            return
        if source in CHOSEN_BY_NAME and name == "__all__":
            self.by_name.add(source)  # a list of what could be chosen, not a choice
            return
        module = self._enter(source)
        submodule = f"{source}.{name}"
        if name == "*":
            self._whole(source)
        elif name in module.definitions:
            if (source, name) not in self.seen:
                self.seen.add((source, name))
                self.reached[f"{source}:{name}"] = [canonical(statement) for statement in module.definitions[name]]
                self.pending += [(statement, module) for statement in module.definitions[name]]
        elif name in module.imports:
            target, attribute = module.imports[name]
            if attribute:
                self._reach(target, attribute, rest, used)
            elif rest:
                self._reach(target, rest[0], rest[1:], used)
            else:
                self._enter(target)
        elif submodule in self.library.paths:
            self._enter(submodule)
            if rest:
                self._reach(submodule, rest[0], rest[1:], used)
            elif used:
                self._whole(submodule)  # the module itself is handed on: anything in it may be meant
        elif target := self._lazy(module, name):
            self._reach(target, name, rest, used)
        elif not (name.startswith("__") and name.endswith("__")):
            for child in self.library.children(source):
                self._whole(child)

    def _enter(self, source: str) -> Module | None:
        """Importing a module runs its packages' and its own statements that bind nothing."""
        if source in IGNORED or source not in self.library.paths:
            return None
        module = self.library.module(source)
        if source not in self.entered:
            self.entered.add(source)
            if "." in source:
                self._enter(source.rpartition(".")[0])
            if module.effects:
                self.reached[f"{source}:"] = [canonical(statement) for statement in module.effects]
                self.pending += [(statement, module) for statement in module.effects]
        return module

    def _whole(self, source: str):
        """Everything that a module defines or passes on."""
        if (source, "*") in self.seen or not (module := self._enter(source)):
            return
        if source in CHOSEN_BY_NAME:
            self.by_name.add(source)
            return
        self.seen.add((source, "*"))
        for name in [*module.definitions, *module.imports]:
            self._reach(source, name, ())
        for names, targets in _lazy_maps(module):
            for name, target in zip(names, targets, strict=True):
                self._reach(self._absolute(module, target), name, ())

    def _choose(self):
        """Reach those members of packages in `CHOSEN_BY_NAME` that some text names, itself or by a dataset."""
        openers = self.library.openers
        named = self.texts | {openers[text] for text in self.texts & openers.keys()}
        for source in self.by_name:
            module = self.library.module(source)
            for name in sorted(named & {*module.definitions, *module.imports}):
                self._reach(source, name, ())

    def _lazy(self, module: Module, name: str) -> str | None:
        """The module that a package's ``__getattr__`` takes ``name`` from, by a literal map of names."""
        if "__getattr__" not in module.definitions:
            return None
        for names, targets in _lazy_maps(module):
            if name in names:
                return self._absolute(module, targets[names.index(name)])
        return None

    def _absolute(self, module: Module, target: str) -> str:
        inside = f"{module.package}.{target.lstrip('.')}"
        return inside if inside in self.library.paths else target

    def _dynamic(self, call: ast.Call, home: Module | None):
        """``import_module``: the module when its name is a literal, else all that lie around the caller."""
        package = home.package if home else PACKAGE
        if call.args and isinstance(call.args[0], ast.Constant) and isinstance(call.args[0].value, str):
            named = call.args[0].value
            self._whole(f"{package}.{named.lstrip('.')}" if named.startswith(".") else named)
        else:
            for child in self.library.children(package):
                self._whole(child)


def _called(call: ast.Call) -> str:
    return call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")


def _lazy_maps(module: Module) -> list[tuple[list[str], list[str]]]:
    """Literal maps at the top of a module with ``__getattr__``: {name: module} or {module: [names]}."""
    maps = []
    if "__getattr__" in module.definitions:
        for statement in module.tree.body:
            value = getattr(statement, "value", None)
            if isinstance(statement, (ast.Assign, ast.AnnAssign)) and isinstance(value, ast.Dict):
                try:
                    pairs = ast.literal_eval(value).items()
                except ValueError:
                    continue  # not a literal, so not a map of names
                flat = [(n, key) for key, names in pairs if isinstance(names, (list, tuple, set)) for n in names]
                flat += [(key, target) for key, target in pairs if isinstance(target, str)]
                maps.append(([name for name, _ in flat], [target for _, target in flat]))
    return maps
