"""The list of wrong lines fits the code (`make mutants` runs it, which takes hours)."""

import ast
import sys
from functools import cache
from pathlib import Path

from conftest import ROOT

sys.path.insert(0, str(ROOT / "workflow"))
from mutants import MUTANTS, equivalent, mutants, recorded, replaced, table  # noqa: E402


@cache
def parsed(module: Path) -> str:
    "What Python reads in a module as it stands."
    return ast.dump(ast.parse(module.read_text()))


def test_every_mutant_fits():
    "Its text stands once in module and notebook, and what replaces it is Python."
    listed = mutants()
    assert len(listed) >= 60
    assert len(set(listed)) == len(listed)
    for module, old, new in listed:
        code, notebook = replaced(ROOT, module, old, new).items()
        assert ast.dump(ast.parse(code[1])) != parsed(code[0])
        assert notebook[1] != notebook[0].read_text()


def test_tests_are_there():
    for name, of in MUTANTS.items():
        for test in (of["notebook"], *of["tests"]):
            path = test if test.startswith("tests/") else f"nbs/{test}.ipynb"
            assert (ROOT / path).is_file(), (name, test)


def test_record():
    "What was run says so, of listed mutants alone; the table counts each once."
    known = recorded()
    assert known.keys() <= set(mutants()) - equivalent().keys()
    for mutant, row in known.items():
        assert (row["outcome"], bool(row["by"])) in (("noticed", True), ("survives", False)), mutant
        assert len(row["commit"]) >= 7
    counts = [[int(n) for n in line.split("|")[2:-1]] for line in table().splitlines()[2:]]
    assert [sum(column) for column in zip(*counts[:-1])] == counts[-1]
    assert all(listed == sum(rest) for listed, *rest in counts)
