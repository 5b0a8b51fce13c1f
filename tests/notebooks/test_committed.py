"""What is committed: outputs from one clean run of the committed code, shown everywhere, and chapters of one shape."""

import ast
import re

import nbformat
import pytest

from course_lib import notebooks
from course_lib.claims import Ledger
from course_lib.provenance import Library, code_hash

CHAPTERS = list(notebooks.chapters().values())
each_chapter = pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda chapter: chapter.number)
each_lesson = pytest.mark.parametrize(
    "chapter", [c for c in CHAPTERS if c.number != "00"], ids=lambda chapter: chapter.number
)

PARAMETERS = {"preset", "seed", "device", "dataset", "compare", "overrides"}
MEGABYTES = 8  # GitHub shows nothing larger


@pytest.fixture(scope="module")
def library():
    return Library(notebooks.root())


@each_chapter
def test_outputs_are_from_one_clean_run_and_show_everywhere(chapter):
    notebook = notebooks.read(chapter.path)
    nbformat.validate(notebook)
    assert notebooks.faults(notebook) == []
    assert notebook.metadata.kernelspec.name == "python3"
    assert chapter.path.stat().st_size < MEGABYTES * 2**20
    assert notebook == notebooks.clean(notebook), "it was not written by `course render`"


@each_chapter
def test_outputs_come_from_the_committed_code(chapter, library):
    stored = notebooks.read(chapter.path).metadata.get("course", {})
    assert stored.get("code") == code_hash(chapter.path, library), "stale: run `make notebooks`"
    assert stored["preset"] == "laptop"


@each_chapter
def test_cells_are_short_and_parse(chapter):
    for cell in notebooks.code_cells(notebooks.read(chapter.path)):
        lines = [line for line in cell.source.splitlines() if line.strip()]
        assert len(lines) <= 40, cell.source[:200]
        ast.parse(re.sub(r"^\s*[%!].*$", "pass", cell.source, flags=re.MULTILINE))


@each_chapter
def test_it_begins_with_its_title_and_has_the_pictures_it_shows(chapter):
    cells = notebooks.read(chapter.path).cells
    assert cells[0].cell_type == "markdown"
    assert cells[0].source.startswith(f"# {chapter.number} · ")
    for cell in cells:
        shown = set(re.findall(r"\]\(attachment:([^)]+)\)", cell.source))
        assert shown == set(cell.get("attachments", {}))


@each_lesson
def test_a_lesson_has_its_parts(chapter):
    notebook = notebooks.read(chapter.path)
    assert set(chapter.parameters) == PARAMETERS
    assert chapter.parameters["preset"] == "laptop"
    assert chapter.settings, f"course_lib/presets/{chapter.number}.toml has no [laptop]"
    assert sum(notebooks.has_tag(cell, "exercise") for cell in notebook.cells) >= 3
    assert any(notebooks.has_tag(cell, "budget") for cell in notebook.cells)
    assert any(notebooks.has_tag(cell, "solution") for cell in notebook.cells)
    assert sum(len(c.source.split()) for c in notebook.cells if c.cell_type == "markdown") >= 1500
    marked = [c for c in notebooks.code_cells(notebook) if "NBVAL_CHECK_OUTPUT" in c.source]
    marked += [c for c in notebook.cells if notebooks.has_tag(c, "nbval-check-output")]
    assert marked, "no output is compared when the chapter is validated"


@each_lesson
def test_figures_say_in_words_what_they_show(chapter):
    """A picture that stands alone has alt text: an HTML twin with alt=, or metadata of the display."""
    for cell in notebooks.code_cells(notebooks.read(chapter.path)):
        for output in cell.outputs:
            data = output.get("data", {})
            if "image/png" in data:
                noted = output.get("metadata", {}).get("image/png", {}).get("alt")
                assert noted or "alt=" in data.get("text/html", ""), f"no alt text: {cell.source[:120]}"


@each_lesson
def test_its_claims_are_tested_and_no_others(chapter):
    code = "\n".join(cell.source for cell in notebooks.code_cells(notebooks.read(chapter.path)))
    named = set(re.findall(r"""["']((?:\d-)?[A-Z]\d+\.\d+[a-z]?)["']""", code))
    assert named == {claim.id for claim in Ledger().of(chapter.number)}


@each_lesson
def test_a_handout_withholds_every_solution(chapter):
    notebook = notebooks.read(chapter.path)
    kept = {cell.source for cell in notebooks.handout(notebook).cells}
    assert not [cell for cell in notebook.cells if notebooks.has_tag(cell, "solution") and cell.source in kept]
