"""The folded solutions of every chapter pass its checks, and the stubs do not."""

import ast
import re

import pytest

from course_lib import notebooks

FENCE = re.compile(r"```python\n(.*?)```", re.DOTALL)


def exercises():
    """(chapter, imports, exercise cell, code of its folded solution) for every exercise that has one."""
    for chapter in notebooks.chapters().values():
        cells = notebooks.read(chapter.path).cells
        trees = [ast.parse(cell.source) for cell in cells if cell.cell_type == "code"]
        imports = [node for tree in trees for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
        exercise = None
        for cell in cells:
            tags = cell.metadata.get("tags", [])
            if cell.cell_type == "code" and "exercise" in tags:
                exercise = cell.source
            elif "solution" in tags:
                (solution,) = FENCE.findall(cell.source)
                name = re.search(r"def (\w+)", solution)[1]
                yield pytest.param(imports, exercise, solution, id=f"{chapter.number}-{name}")


def result_of(imports, exercise, code):
    """What the check at the end of the exercise cell says when its function is defined by ``code``."""
    space = {}
    exec(compile(ast.Module(imports, []), "<imports>", "exec"), space)
    exec(code, space)
    *_, check = ast.parse(exercise).body
    return eval(compile(ast.Expression(check.value), "<check>", "eval"), space)


@pytest.mark.parametrize(("imports", "exercise", "solution"), list(exercises()))
def test_the_solution_passes_and_the_stub_does_not(imports, exercise, solution):
    assert result_of(imports, exercise, solution).passed
    stub = result_of(imports, exercise, exercise)
    assert not stub.passed
    assert stub.message
