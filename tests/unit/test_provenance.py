"""The code hash: what makes a chapter stale, and what does not."""

import nbformat
import pytest

from course_lib import notebooks
from course_lib.provenance import Library, canonical, code_hash

FILES = {
    "__init__.py": '"""The library."""\n__version__ = "1"\n',
    "show/__init__.py": "from .images import strip, grid\n__all__ = ['strip', 'grid']\n",
    "show/images.py": (
        "SIZE = 3\nOTHER = 4\n\n"
        "def _border(image):\n    return image + SIZE\n\n"
        "def strip(frames):\n    '''Frames side by side.'''\n    return [_border(f) for f in frames]\n\n"
        "def grid(frames):\n    return OTHER\n"
    ),
    "methods/__init__.py": (
        "from importlib import import_module\n"
        "_HOMES = {'Shuffle': 'shuffle', 'Jigsaw': '.jigsaw'}\n"
        "def __getattr__(name):\n    return getattr(import_module(f'.{_HOMES[name]}', __name__), name)\n"
    ),
    "methods/shuffle.py": (
        "from ..losses import cross_entropy\n\n"
        "class Shuffle:\n    def loss(self, x):\n        return cross_entropy(x)\n\n"
        "def unused():\n    return 1\n"
    ),
    "methods/jigsaw.py": "class Jigsaw:\n    pass\n",
    "losses.py": (
        "def cross_entropy(x):\n    from .numerics import safe_log\n    return safe_log(x)\n\n"
        "def hinge(x):\n    return x\n"
    ),
    "numerics.py": "def safe_log(x):\n    return x\n\ndef safe_exp(x):\n    return x\n",
    "registry.py": (
        "TABLE = {}\n\ndef register(f):\n    TABLE[f.__name__] = f\n    return f\n\n"
        "@register\ndef first():\n    return 1\n\ndef plain():\n    return 2\n\n"
        "def look(name):\n    return TABLE[name]\n"
    ),
    "data/__init__.py": "from .catalogue import load\n",
    "data/catalogue.py": (
        "def load(name):\n    from . import worlds\n"
        "    return {key: getattr(worlds, key) for key in worlds.__all__}[name]\n"
    ),
    "data/worlds/__init__.py": "from .gait import gait\nfrom .grasp import grasp\n__all__ = ['gait', 'grasp']\n",
    "data/worlds/gait.py": "def gait():\n    return 1\n",
    "data/worlds/grasp.py": "def grasp():\n    return 1\n",
    "provenance.py": "def code_hash(path):\n    return 1\n",
}
CELLS = [
    "preset = 'laptop'\nseed = 0",
    "from course_lib import show\nfrom course_lib.methods import Shuffle\nimport course_lib.registry as registry",
    "# a comment\nshow.strip([1])\nShuffle().loss(1)\nregistry.look('first')",
]


@pytest.fixture
def course(tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_ROOT", str(tmp_path))
    for name, text in FILES.items():
        path = tmp_path / "course_lib" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (tmp_path / "course_lib" / "presets").mkdir()
    (tmp_path / "course_lib" / "presets" / "21.toml").write_text("[laptop]\nsteps = 100\n")
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "notebooks" / "claims.toml").touch()
    write(tmp_path, CELLS)
    return tmp_path


def write(course, cells, prose="# A title"):
    notebook = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_markdown_cell(prose), *(nbformat.v4.new_code_cell(source) for source in cells)]
    )
    notebooks.write(notebook, course / "notebooks" / "21_toy.ipynb")


def hash_of(course):
    return code_hash(course / "notebooks" / "21_toy.ipynb")


def edit(course, name, old, new):
    path = course / "course_lib" / name
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("show/images.py", "'''Frames side by side.'''", "'''Frames in one row.'''"),
        ("show/images.py", "def strip(frames):", "# why\n\n\ndef strip( frames ):"),
        ("show/images.py", "OTHER = 4", "OTHER = 5"),  # only grid uses it
        ("show/images.py", "return OTHER", "return OTHER + 1"),
        ("show/__init__.py", "'grid']", "'grid', 'images']"),
        ("methods/jigsaw.py", "pass", "x = 1"),
        ("methods/__init__.py", "'.jigsaw'", "'.jigsaw', 'New': 'new'"),
        ("methods/shuffle.py", "return 1", "return 2"),
        ("losses.py", "return x\n", "return -x\n"),  # hinge
        ("numerics.py", "def safe_exp(x):", "def safe_exp(x, y=1):"),
        ("registry.py", "return 2", "return 3"),  # plain is neither called nor registered
        ("provenance.py", "return 1", "return 2"),
        ("__init__.py", '"1"', '"2"'),
    ],
)
def test_what_no_cell_reaches_does_not_count(course, name, old, new):
    before = hash_of(course)
    edit(course, name, old, new)
    assert hash_of(course) == before


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("show/images.py", "return [_border(f) for f in frames]", "return [_border(f) for f in frames[:1]]"),
        ("show/images.py", "image + SIZE", "image - SIZE"),
        ("show/images.py", "SIZE = 3", "SIZE = 2"),
        ("methods/shuffle.py", "return cross_entropy(x)", "return cross_entropy(2 * x)"),
        ("losses.py", "return safe_log(x)", "return -safe_log(x)"),
        ("numerics.py", "def safe_log(x):\n    return x", "def safe_log(x):\n    return 1 + x"),  # a local import
        ("registry.py", "return 1\n", "return 10\n"),  # first is reached through the table that registers it
        ("presets/21.toml", "100", "200"),
    ],
)
def test_what_a_cell_reaches_counts(course, name, old, new):
    before = hash_of(course)
    edit(course, name, old, new)
    assert hash_of(course) != before


def test_cells_count_by_their_code_and_prose_does_not(course):
    before = hash_of(course)
    write(course, [CELLS[0], CELLS[1], CELLS[2].replace("# a comment", "# another one\n")], prose="# Another title")
    assert hash_of(course) == before
    write(course, [CELLS[0].replace("seed = 0", "seed = 1"), *CELLS[1:]])
    assert hash_of(course) != before


def test_magics_do_not_break_it_and_count(course):
    write(course, [*CELLS, "%matplotlib inline\n!ls"])
    before = hash_of(course)
    write(course, [*CELLS, "%matplotlib widget\n!ls"])
    assert hash_of(course) != before


@pytest.mark.parametrize("cell", ["print(show)", "getattr(show, 'gr' + 'id')", "from course_lib.show import *"])
def test_where_a_module_is_handed_on_all_of_it_counts(course, cell):
    write(course, [*CELLS, cell])
    before = hash_of(course)
    edit(course, "show/images.py", "OTHER = 4", "OTHER = 5")
    assert hash_of(course) != before


def test_an_import_by_a_computed_name_counts_everything_around_it(course):
    edit(course, "losses.py", "from .numerics import safe_log", "import importlib\n    importlib.import_module(x)")
    before = hash_of(course)
    edit(course, "numerics.py", "def safe_exp(x):\n    return x", "def safe_exp(x):\n    return -x")
    assert hash_of(course) != before


def test_a_name_that_cannot_be_found_counts_its_whole_package(course):
    write(course, [*CELLS, "from course_lib.show import appears_at_run_time"])
    before = hash_of(course)
    edit(course, "show/images.py", "OTHER = 4", "OTHER = 5")
    assert hash_of(course) != before


def test_canonical_code_has_no_positions_docstrings_or_empty_fields():
    import ast

    first = ast.parse("def f(a):\n    '''Doc.'''\n    return 'x' + a")
    second = ast.parse("\n\ndef f( a ):\n    # comment\n    return ('x' +\n       a)")
    assert canonical(first) == canonical(second)
    assert "type_params" not in str(canonical(first))


def test_every_chapter_reaches_code_of_its_own():
    library = Library(notebooks.root())
    hashes = {number: code_hash(chapter.path, library) for number, chapter in notebooks.chapters().items()}
    assert len(set(hashes.values())) == len(hashes)


def test_of_the_worlds_only_those_count_whose_name_stands_in_the_code_or_the_presets(course):
    write(course, [*CELLS, "from course_lib import data\ndataset = 'gait'\ndata.load(dataset)"])
    before = hash_of(course)
    for name, counts in (("grasp", False), ("gait", True)):
        file = course / "course_lib" / "data" / "worlds" / f"{name}.py"
        old = file.read_text()
        file.write_text(old.replace("1", "2"))
        assert (hash_of(course) != before) == counts
        file.write_text(old)
    new = course / "course_lib" / "data" / "worlds" / "__init__.py"
    new.write_text(new.read_text().replace("['gait', 'grasp']", "['gait', 'grasp', 'third']"))
    assert hash_of(course) == before
    presets = course / "course_lib" / "presets" / "21.toml"
    presets.write_text("[laptop]\nworld = 'grasp'\n")
    before = hash_of(course)
    file = course / "course_lib" / "data" / "worlds" / "grasp.py"
    file.write_text("def grasp():\n    return 3\n")
    assert hash_of(course) != before


def test_of_the_ways_to_open_data_only_those_count_that_a_named_dataset_takes(course):
    library = course / "course_lib" / "data"
    (library / "catalogue.py").write_text(
        "def load(name):\n    from . import openers\n    return getattr(openers, 'open_' + kind(name))\n"
    )
    openers = library / "openers.py"
    code = "def open_path():\n    return 1\n\ndef open_torchvision():\n    return 1\n"
    openers.write_text(code)
    (course / "datasets").mkdir(exist_ok=True)
    (course / "datasets" / "catalogue.toml").write_text("[stl10]\nkind = 'torchvision'\n[ucf101]\nkind = 'path'\n")
    write(course, [*CELLS, "from course_lib import data\ndata.load('stl10')"])
    before = hash_of(course)
    openers.write_text(code.replace("open_path():\n    return 1", "open_path():\n    return 2"))
    assert hash_of(course) == before
    openers.write_text(code.replace("open_torchvision():\n    return 1", "open_torchvision():\n    return 2"))
    assert hash_of(course) != before
