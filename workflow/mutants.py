"""Do the tests notice a wrong line? `make mutants` changes one line at a time and asks them.

A mutant is a file, a text in it and another text in its place: a wrong sign, a setting that is
ignored, a rate that does not fall. Each one is made in a copy of the package, in the module and in
the notebook that it is exported from alike, and the tests that should notice are run on the copy,
the fastest first. Those that nobody notices are listed at the end; the command fails if there are
any. What became of each, when and at which commit goes into workflow/mutants.csv.

A mutant that changes nothing that could be seen has a third text in the list, which says why. It is
not run.

    python workflow/mutants.py              all of workflow/mutants.yaml; hours of one core
    python workflow/mutants.py training     those whose module has this in its name
    python workflow/mutants.py --left       those that have no outcome yet, or were not noticed
    python workflow/mutants.py --list       no tests: the list, and whether every text still fits
    python workflow/mutants.py --table      no tests: how many were noticed, by module
"""

import argparse
import csv
import io
import json
import multiprocessing
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parent.parent
LISTED = ROOT / "workflow" / "mutants.yaml"
RECORD = ROOT / "workflow" / "mutants.csv"
COLUMNS = "module old new outcome by commit date".split()
# module -> notebook, tests (the fastest first), and mutants: a text and what takes its place
MUTANTS: dict[str, dict] = yaml.safe_load(LISTED.read_text(encoding="utf-8"))


def mutants(only: str = "") -> list[tuple[str, str, str]]:  # module, text, what replaces it
    "All of them, or those whose module has `only` in its name."
    return [(name, *m[:2]) for name, of in MUTANTS.items() if only in name for m in of["mutants"]]


def equivalent() -> dict[tuple[str, str, str], str]:  # why
    "Those that change nothing that could be seen."
    return {(name, *m[:2]): m[2] for name, of in MUTANTS.items() for m in of["mutants"] if m[2:]}


def recorded() -> dict[tuple[str, str, str], dict]:  # a row each, see `COLUMNS`
    "What became of the mutants that are still in the list."
    if not RECORD.exists():
        return {}
    rows = csv.DictReader(io.StringIO(RECORD.read_text(encoding="utf-8"), newline=""))
    found = {(row["module"], row["old"], row["new"]): row for row in rows}
    return {m: found[m] for m in mutants() if m in found}


def commit() -> str:  # with "+" where something beside it is not committed
    "What is being copied."

    def git(*args):
        said = subprocess.run(["git", *args], cwd=ROOT, capture_output=True, text=True)
        return said.stdout.strip()

    changed = "+" if git("status", "--porcelain", "mssync", "nbs", "tests") else ""
    return git("rev-parse", "--short", "HEAD") + changed


def record(mutant: tuple[str, str, str], outcome: str, by: str, commit: str):
    "Put an outcome into the record, in the order of the list."
    what = (*mutant, outcome, by, commit, time.strftime("%Y-%m-%d"))
    rows = recorded() | {mutant: dict(zip(COLUMNS, what))}
    text = io.StringIO(newline="")
    out = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    out.writeheader()
    out.writerows(rows[m] for m in mutants() if m in rows)
    part = RECORD.with_suffix(".part")
    part.write_text(text.getvalue(), encoding="utf-8", newline="")
    os.replace(part, RECORD)


def table() -> str:
    "How many mutants of each module were noticed, as Markdown."
    lines = ["| module | mutants | noticed | survive | change nothing | not run |"]
    lines.append("|---|" + "---:|" * 5)
    known = recorded()
    same = equivalent()
    counts = []
    for name in [*MUTANTS, "all"]:
        ms = [m for m in mutants() if name in (m[0], "all")]
        run = [known[m]["outcome"] for m in ms if m in known and m not in same]
        counts = [len(ms), run.count("noticed"), run.count("survives"), sum(m in same for m in ms)]
        counts.append(len(ms) - len(run) - counts[3])
        lines.append(f"| {name} | {' | '.join(map(str, counts))} |")
    return "\n".join(lines)


def _source(cell: dict) -> str:
    return "".join(cell["source"])


def replaced(root: Path, module: str, old: str, new: str) -> dict[Path, str]:
    """The module's file and its notebook's with the text replaced. Raises ValueError where it does
    not stand there once."""
    code = root / "mssync" / f"{module}.py"
    notebook = root / "nbs" / f"{MUTANTS[module]['notebook']}.ipynb"
    text = code.read_text()
    nb = json.loads(notebook.read_text())
    cells = [c for c in nb["cells"] if old in _source(c) and "#| export" in _source(c)]
    if text.count(old) != 1 or len(cells) != 1 or _source(cells[0]).count(old) != 1:
        raise ValueError(f"{module}: {old!r} does not stand there once")
    cells[0]["source"] = _source(cells[0]).replace(old, new).splitlines(keepends=True)
    return {code: text.replace(old, new), notebook: json.dumps(nb, indent=1)}


class Copy:
    "A copy of the package in which one text at a time is replaced."

    def __init__(self, folder: Path, root: Path = ROOT):
        self.folder = folder
        hidden = shutil.ignore_patterns("__pycache__", ".ipynb_checkpoints", "*.safetensors")
        for name in ("mssync", "nbs", "tests", "workflow", "data"):
            shutil.copytree(root / name, folder / name, ignore=hidden)
        for name in ("settings.ini", "pyproject.toml"):
            shutil.copy(root / name, folder)
        for weights in (root / "mssync" / "weights").rglob("*.safetensors"):
            (folder / weights.relative_to(root)).symlink_to(weights)

    def run(self, test: str, timeout: float) -> bool:  # whether it passes
        "A file of tests, or a notebook's, in a fork that has the large libraries already."
        process = FORKS.Process(target=_tested, args=(str(self.folder), test))
        process.start()
        process.join(timeout)
        if process.is_alive():  # a loop that does not end is noticed
            process.kill()
            process.join()
        return process.exitcode == 0


FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(
    ["accelerate", "matplotlib.pyplot", "nbdev.test", "pandas", "pytest", "scipy.stats", "torch"]
)


def _tested(folder: str, test: str):
    "What the fork does; it ends with 0 where the tests pass."
    os.chdir(folder)
    sys.path[:] = [folder, *(p for p in sys.path if Path(p or ".").resolve() != ROOT)]
    os.environ["PYTHONPATH"] = folder
    os.environ.pop("IN_TEST", None)
    with open(os.devnull, "w") as nothing:
        os.dup2(nothing.fileno(), 1)
        os.dup2(nothing.fileno(), 2)
    import mssync

    assert Path(mssync.__file__).is_relative_to(folder)
    if test.startswith("tests/"):
        import pytest

        sys.exit(int(pytest.main(["-q", "-x", "-p", "no:cacheprovider", test])))
    from nbdev.test import nbdev_test

    nbdev_test(f"nbs/{test}.ipynb")


def noticed(copy: Copy, module: str, old: str, new: str, timeout: float) -> str:
    "The first test that fails with the mutant; empty where all pass."
    new_texts = replaced(copy.folder, module, old, new)
    before = {path: path.read_text() for path in new_texts}
    try:
        for path, text in new_texts.items():
            path.write_text(text)
        tests = MUTANTS[module]["tests"]
        return next((t for t in tests if not copy.run(t, timeout)), "")
    finally:
        for path, text in before.items():
            path.write_text(text)


def main(argv=None) -> int:  # exit code
    os.environ |= dict(OMP_NUM_THREADS="1", MPLBACKEND="Agg", JUPYTER_PLATFORM_DIRS="1")
    os.environ["PYTHONDONTWRITEBYTECODE"] = "1"
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    p.add_argument("only", nargs="?", default="", help="part of a module's name; all by default")
    p.add_argument("--list", action="store_true", help="show them, run nothing")
    p.add_argument("--left", action="store_true", help="those that have not been noticed yet")
    p.add_argument("--table", action="store_true", help="what the record says, run nothing")
    p.add_argument("--first", action="store_true", help="ask the fastest test of each alone")
    p.add_argument("--timeout", type=float, default=1800, help="seconds a test may take")
    args = p.parse_args(argv)
    if args.table:
        print(table())
        return 0
    chosen = mutants(args.only)
    survivors = []
    for module, old, new in chosen:  # all texts are checked before anything is run
        replaced(ROOT, module, old, new)
        if args.list:
            print(f"{module}: {old!r} -> {new!r}")
    if args.list:
        return 0
    seen = {m for m, row in recorded().items() if args.left and row["outcome"] == "noticed"}
    chosen = [m for m in chosen if m not in seen | equivalent().keys()]
    if args.first:
        for of in MUTANTS.values():
            of["tests"] = of["tests"][:1]
    with tempfile.TemporaryDirectory() as folder:
        copied = commit()
        copy = Copy(Path(folder))
        tests = list(dict.fromkeys(t for m, *_ in chosen for t in MUTANTS[m]["tests"]))
        if broken := [t for t in tests if not copy.run(t, args.timeout)]:
            print("fail without any mutant:", ", ".join(broken))
            return 2
        for k, (module, old, new) in enumerate(chosen, 1):
            begun = time.monotonic()
            test = noticed(copy, module, old, new, args.timeout)
            what = f"{k}/{len(chosen)} {module}: {old!r} -> {new!r}"
            took = time.monotonic() - begun
            print(what, f"noticed by {test}" if test else "SURVIVES", f"({took:.0f} s)", flush=True)
            record((module, old, new), "noticed" if test else "survives", test, copied)
            if not test:
                survivors.append(what)
    print(f"{len(chosen) - len(survivors)} of {len(chosen)} mutants are noticed; survivors:")
    print("\n".join(survivors) or "none")
    return bool(survivors)


if __name__ == "__main__":
    sys.exit(main())
