"""The notebooks pass their own tests, and everything made from them is what they give."""

import ast
import re
import shutil
import subprocess
from pathlib import Path

import jupytext
import pandas as pd
import pytest
import torch
from conftest import BIN, ROOT, quick_python, run
from execnb.nbio import read_nb

import mssync
from mssync.study.notebooks import code_of, code_reached, imported, modules_of

NBS = ROOT / "nbs"
EXPERIMENTS = sorted(p.name for p in (NBS / "experiments").glob("*.ipynb"))
TWINS = sorted(p.stem for p in (NBS / "experiments/py").glob("*.py"))
LIBRARY = [p for p in NBS.rglob("[0-9]*.ipynb") if "experiments" not in p.parts]
NOTEBOOKS = sorted(
    (p.relative_to(NBS).as_posix() for p in LIBRARY),
    key=lambda name: name.split("/")[-1],
)


def cells_of(experiment: str) -> list:
    "The cells of an experiment."
    return read_nb(NBS / "experiments" / experiment).cells


# --- each notebook's own tests

# These take more than half of the time.
SLOWEST = [
    "model/16_stream.ipynb",
    "simulate/28_clips.ipynb",
    "training/24_gan.ipynb",
    "data/08_ingest.ipynb",
]


def test_slowest_are_notebooks():
    assert set(SLOWEST) <= set(NOTEBOOKS)


@pytest.mark.parametrize("notebook", [n for n in NOTEBOOKS if n not in SLOWEST] + SLOWEST)
def test_notebook(notebook, background):
    done = background(notebook)
    assert done.returncode == 0, done.stdout[-8000:]
    assert "Success." in done.stdout, done.stdout[-8000:]


# --- what is made from the notebooks


def test_export(copy):
    "mssync/ is exactly what the notebooks export: nothing edited by hand, nothing left over."
    (copy / "mssync").mkdir()
    (copy / "mssync/__init__.py").write_bytes((ROOT / "mssync/__init__.py").read_bytes())
    done = run(BIN / "nbdev_export", cwd=copy)
    assert done.returncode == 0, done.stdout
    done = run(BIN / "ruff", "format", "--config", ROOT / "pyproject.toml", "mssync", cwd=copy)
    assert done.returncode == 0, done.stdout

    def package(root):
        files = (root / "mssync").rglob("*.py")
        return {p.relative_to(root).as_posix(): p.read_bytes() for p in files}

    made = package(copy)
    ours = package(ROOT)
    assert sorted(made) == sorted(ours), "run `make export`"
    assert [name for name in made if made[name] != ours[name]] == [], "run `make export`"


def test_face():
    "`import mssync` imports nothing else, and its names are fetched when they are asked for."
    told = "import sys, mssync; print(*{m.split('.')[0] for m in sys.modules} & {'torch', 'numpy'})"
    done = run(BIN / "python", "-c", told)
    assert (done.returncode, done.stdout.strip()) == (0, ""), done.stdout
    assert 8 <= len(mssync.__all__) <= 14
    assert set(mssync.__all__) <= set(dir(mssync))
    assert "__version__" in dir(mssync)
    for name in mssync.__all__:
        thing = getattr(mssync, name)  # the class or the function, not a module of that name
        assert callable(thing)
        assert thing.__name__ == name
    with pytest.raises(AttributeError, match="module 'mssync' has no attribute 'generatr'"):
        mssync.generatr  # noqa: B018


def test_clean(copy):
    "Notebooks carry no machine's metadata: nbdev_clean changes nothing."
    done = run(BIN / "nbdev_clean", cwd=copy)
    assert done.returncode == 0, done.stdout
    names = [p.relative_to(copy) for p in sorted((copy / "nbs").rglob("*.ipynb"))]
    dirty = [str(n) for n in names if (copy / n).read_bytes() != (ROOT / n).read_bytes()]
    assert dirty == [], "run `make export`"


def test_readme():
    done = run(quick_python(), "workflow/readme.py", "--check")
    assert done.returncode == 0, done.stdout


def test_readme_examples(tmp_path):
    "The README's Python runs as it stands, with what ships."
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```python\n(.*?)^```", text, re.M | re.S)
    assert blocks
    done = run(quick_python(), "-c", "\n".join(blocks), cwd=tmp_path)
    assert done.returncode == 0, done.stdout[-4000:]


def test_no_home(tmp_path):
    "Sound and landmarks need no folder to write to: no home, no cache."
    code = """
import numpy as np
from mssync.data.audio import features
from mssync.data.track import make_landmarker
import mssync.metrics.raster  # compiles without a cache

assert features(np.random.default_rng(0).normal(size=16000) * 0.1, 16000).shape == (100, 26)
assert make_landmarker("dlib")(np.zeros((200, 200, 3), np.uint8)) is None
"""
    nowhere = dict.fromkeys(("HOME", "XDG_CACHE_HOME", "MPLCONFIGDIR", "TMPDIR"), "/proc/none")
    done = run(BIN / "python", "-c", code, cwd=tmp_path, env=nowhere)
    assert done.returncode == 0, done.stdout


def test_readme_is_short():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert len(text.split()) <= 1200
    assert text.count("\n") <= 200
    assert len(re.findall(r"\d+(?:\.\d+)?", text)) <= 150


def test_book(background):
    "The book builds without a warning, and no link leads to nothing."
    done = background("book")
    assert done.returncode == 0, done.stdout[-8000:]
    html = Path(done.args[-1]) / "html"
    assert (html / "index.html").exists()
    assert (html / "searchindex.js").exists()


def test_style():
    "ruff finds nothing, and would format nothing otherwise."
    for command in (("check",), ("format", "--check")):
        done = run(BIN / "ruff", *command, ".")
        assert done.returncode == 0, done.stdout[-8000:]


def test_cells():
    "No exported cell is over 40 lines."
    long = [
        f"{name}, cell {k}: {cell.source.count(chr(10)) + 1} lines"
        for name in NOTEBOOKS
        for k, cell in enumerate(read_nb(NBS / name).cells)
        if cell.source.startswith("#| export") and cell.source.count("\n") >= 40
    ]
    assert long == []


def test_prose():
    "Text in notebooks has 100 columns, but for tables, headings, pictures and equations."
    whole = re.compile(r"\s*(?:[|#>]|!\[|\*?\[|\$\$)|.*\$\$$")
    wide = [
        f"{name}, cell {k}: {line}"
        for name in NOTEBOOKS
        for k, cell in enumerate(read_nb(NBS / name).cells)
        if cell.cell_type == "markdown"
        for line in re.sub("```.*?```", "", cell.source, flags=re.S).splitlines()
        if len(line) > 100 and not whole.match(line)
    ]
    assert wide == []


def test_make():
    """What the commands would run: each option reaches the study, and the Python in the recipes
    is Python (make takes its indentation away)."""
    options = ("SEEDS=0,1", "GENERATED=x y", "DEVICE=cuda")
    plan = run("make", "-n", "weights", "calibration", *options).stdout
    assert "workflow/weights.py results/longer" in plan
    for code in re.findall(r"python3? -c '(.*?)'(?:$|\s)", plan, re.M | re.S):
        compile(code, "recipe", "exec")
    line = next(line for line in plan.splitlines() if "-m snakemake" in line)
    assert "-m snakemake calibration -s workflow/Snakefile" in line
    for given in ("profile=cpu", "seeds=0,1", "generated=x y", "device=cuda"):
        assert f"'{given}'" in line.split("--config")[1]
    assert "corpus=" not in line
    wrong = run("make", "-n", "study", "CORPSU=x")
    assert wrong.returncode and "there is no variable CORPSU" in wrong.stdout


# --- the experiments


def test_twins_named_alike():
    assert [n.removesuffix(".ipynb") for n in EXPERIMENTS] == TWINS, "run `make export`"


@pytest.mark.parametrize("name", TWINS)
def test_twin(name):
    "An experiment and its percent script hold the same cells."

    def cells(path):
        found = jupytext.read(NBS / "experiments" / path).cells
        return [(c.cell_type, c.source.strip(), c.metadata.get("tags", [])) for c in found]

    same = cells(f"{name}.ipynb") == cells(f"py/{name}.py")
    assert same, f"nbs/experiments/{name}.ipynb and its script differ: run `make export`"


@pytest.mark.parametrize("notebook", EXPERIMENTS)
def test_parameters(notebook):
    "Papermill sets parameters in one tagged cell, and ignores them silently where there is none."
    cells = cells_of(notebook)
    assert sum("parameters" in c.metadata.get("tags", []) for c in cells) == 1
    directives = [c.source for c in cells if c.source.lstrip().startswith("#|")]
    assert directives == [], "papermill ignores #| directives"


def code_of_experiment(notebook: str) -> str:
    return "\n\n".join(c.source for c in cells_of(notebook) if c.cell_type == "code")


def from_the_face(code: str) -> list[str]:
    "Statements that import the package `mssync` itself, or names from it that are no rooms."
    found = []
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Import):
            found += [a.name for a in node.names if a.name.split(".")[0] == "mssync"]
        elif isinstance(node, ast.ImportFrom) and node.module == "mssync":
            found += [f"mssync: {a.name}" for a in node.names]
    return found


def test_the_face_is_seen():
    assert from_the_face("import mssync as m") == ["mssync"]
    assert from_the_face("import mssync.data.packed") == ["mssync.data.packed"]
    assert from_the_face("def f():\n    from mssync import generate") == ["mssync: generate"]
    assert from_the_face("from mssync.data.packed import Packed\nimport torch") == []


@pytest.mark.parametrize("notebook", EXPERIMENTS)
def test_imports_come_from_modules(notebook):
    """What an experiment imports decides when it is stale (`code_of`), which looks at modules:
    `from mssync import generate` would hide which one it is."""
    assert from_the_face(code_of_experiment(notebook)) == []


# What a `Study` reads, and the modules whose code then decides what an experiment finds.
READS = {
    "packed": {"data.packed", "data.corpus"},
    "network": {"model.weights"},
    "generators": {"model.weights", "model.generator"},
    "baselines": {"model.weights", "baselines.systems"},
    "encoders": {"model.weights", "metrics.frechet"},
}


@pytest.mark.parametrize("notebook", EXPERIMENTS)
def test_what_is_read_is_reached(notebook):
    "The handle `Study` does not count as code, so what it reads must be reached by other imports."
    code = code_of_experiment(notebook)
    reached = set(code_reached(modules_of(NBS / "experiments" / notebook)))
    for method, modules in READS.items():
        if re.search(rf"\.{method}\(", code):
            assert modules <= reached, f"{notebook} calls {method}()"


def changed(text: str, name: str) -> str:
    "A module's text with one more statement in the function or class of that name."
    kinds = (ast.FunctionDef, ast.ClassDef)
    nodes = [n for n in ast.parse(text).body if isinstance(n, kinds) and n.name == name]
    first = nodes[0].body[0]
    lines = text.splitlines()
    lines.insert(first.end_lineno, " " * first.col_offset + "changed = True")
    return "\n".join(lines) + "\n"


# What 05_evaluate computes with: a change of any of these makes its tables stale.
USED_BY_EVALUATION = {
    "model.generator": "generate",
    "metrics.dynamics": "shape_space",
    "data.packed": "Packed",
    "baselines.reference": "Retrieval",
    "study.claims": "frechet_pairs",
}


def test_changed_code_is_stale(tmp_path):
    "Another body of `generate` (or of what else 05_evaluate calls) is another fingerprint."
    package = tmp_path / "mssync"
    shutil.copytree(ROOT / "mssync", package, ignore=shutil.ignore_patterns("*.pyc"))
    modules = modules_of(NBS / "experiments/05_evaluate.ipynb")
    now = code_of(modules, package)
    assert now == code_of(modules)
    for module, name in USED_BY_EVALUATION.items():
        path = package / f"{module.replace('.', '/')}.py"
        text = path.read_text(encoding="utf-8")
        path.write_text(changed(text, name), encoding="utf-8")
        assert code_of(modules, package) != now, name
        path.write_text(text, encoding="utf-8")
    assert code_of(modules, package) == now


def test_lengths_are_code_of_the_corpus(tmp_path):
    "01_corpus depends on how lengths are chosen, and on no network."
    modules = modules_of(NBS / "experiments/01_corpus.ipynb")
    assert "data.packed" in code_reached(modules)  # available_frames
    assert "model.generator" not in code_reached(modules)
    assert "training.gan" not in code_reached(modules)


SMALL = """
tiny=true batch=4 crops=32 sequence=50 many=4 many_frames=20 hour=60 rounds=1 scored=2 measured=20
""".split()


def test_benchmark(tmp_path):
    "The benchmark notebook runs, on networks that are too small to say anything."
    command = (quick_python(), "-m", "mssync.study.notebooks", "run")
    notebook = "nbs/experiments/08_benchmark.ipynb"
    done = run(*command, notebook, tmp_path / "08.ipynb", f"results={tmp_path}", *SMALL)
    assert done.returncode == 0, done.stdout[-8000:]

    t = pd.read_csv(tmp_path / "benchmark.csv")
    tasks = {"GAN step", "syncer step", "generation", "AV-Off and AV-Conf"}
    assert set(t[t.version == "ours"].task.str.split(",").str[0]) == tasks
    assert (t["time over floor"] > 0).all()
    scoring = t[t.task == "AV-Off and AV-Conf, 2 clips of 80 frames"]
    assert {"ours", "plain", "plain, 20 windows at a time"} <= set(scoring.version)

    m = pd.read_csv(tmp_path / "metrics.csv").set_index("what").seconds
    assert (m > 0).all()
    assert m.index.is_unique
    assert m.index.str.startswith("one frame: ").sum() >= 3
    no_pictures = m[~m.index.str.startswith(("one frame", "drawing", "all but drawing"))]
    total = m[m.index.str.startswith("all but drawing")]
    assert len(no_pictures) >= 6
    assert abs(no_pictures.sum() / total.item() - 1) < 1e-3

    assert (tmp_path / "metrics.md").read_text().count("|")
    assert len(pd.read_csv(tmp_path / "tried.csv")) in (7, 8)
    assert (tmp_path / "benchmark.png").stat().st_size


TINY = """
tiny=true batch=4 crops=32 lengths=40 precisions=float32 many=2 frames=20 runs=1 calls=1
""".split()


def test_benchmark_gpu(tmp_path):
    "The benchmark of a GPU runs on the CPU, in small and eager; without a GPU it writes nothing."
    command = (quick_python(), "-m", "mssync.study.notebooks", "run")
    notebook = "nbs/experiments/15_benchmark_gpu.ipynb"
    where = tmp_path / "15.ipynb", f"results={tmp_path}"
    done = run(*command, notebook, *where, "device=cpu", *TINY)
    assert done.returncode == 0, done.stdout[-8000:]
    t = pd.read_csv(tmp_path / "benchmark.csv")
    tasks = ["GAN step", "teacher-forced step", "syncer step", "generation", "generation"]
    assert [*t.task.str.split(",").str[0]] == [*tasks, "AV-Off"]
    assert (t.version == "eager").all()
    assert (t["it over the floor"] > 0).all()
    if not torch.cuda.is_available():
        (tmp_path / "benchmark.csv").unlink()
        done = run(*command, notebook, *where, *TINY)
        assert done.returncode == 0, done.stdout[-8000:]
        assert not (tmp_path / "benchmark.csv").exists()


# --- order and tidiness

FLOORS = {
    "data": 1,
    "model": 2,
    "simulate": 3,
    "training": 3,
    "metrics": 4,
    "baselines": 5,
    "render": 5,
    "study": 6,
    "app": 7,
}


def modules() -> dict[str, str]:
    "Exported module, as room.name -> notebook, from each notebook's default_exp."
    found = {}
    for name in NOTEBOOKS:
        for cell in read_nb(NBS / name).cells:
            if m := re.search(r"^#\|\s*default_exp\s+(\S+)", cell.source, re.M):
                found[m[1]] = name
    return found


def test_imports_are_seen(tmp_path):
    "`code_reached` follows every kind of import, wherever the statement stands."
    lines = (
        "from .a import x",
        "from ..n import b",
        "from ..n.e import f",
        "import mssync.m.c",
        "import torch.nn",
        "from .. import v",
        "def f():\n    from mssync.k.d import y",
    )
    for module in ("m.a", "m.c", "n.b", "n.e", "k.d"):
        path = tmp_path / f"{module.replace('.', '/')}.py"
        path.parent.mkdir(exist_ok=True)
        path.touch()
    (tmp_path / "m/one.py").write_text("\n".join(lines))
    assert set(code_reached(["m.one"], tmp_path)) == {"m.one", "m.a", "m.c", "n.b", "n.e", "k.d"}


def test_folders():
    "The notebooks' folders mirror the package."
    assert modules(), "no notebook exports anything"
    wrong = []
    for module, notebook in modules().items():
        folder, file = notebook.split("/")
        name = file.removesuffix(".ipynb").split("_", 1)[1]
        if module != f"{folder}.{name}":
            wrong.append(f"{notebook} exports {module}")
    assert wrong == []


def test_numbers_are_the_order():
    "No two notebooks of the library share a number: a reader follows the numbers upwards."
    numbers = [p.name.split("_")[0] for p in LIBRARY]
    assert sorted(numbers) == sorted(set(numbers))


def test_floors():
    """Data flows one way: a room imports only from floors below its own, and inside a room there
    is no circle."""
    found = {}
    for m in modules():
        text = (ROOT / f"mssync/{m.replace('.', '/')}.py").read_text(encoding="utf-8")
        found[m] = set(imported(ast.parse(text), m))

    def room(module):
        return module.split(".")[0]

    def upwards(module, other):
        return room(other) != room(module) and FLOORS[room(other)] >= FLOORS[room(module)]

    pairs = [(m, other) for m, names in found.items() for other in names]
    assert [f"{m} imports {other}" for m, other in pairs if upwards(m, other)] == []

    left = {m: names & found.keys() for m, names in found.items()}
    while free := [m for m, names in left.items() if not names & left.keys()]:
        for m in free:
            del left[m]
    assert left == {}, "a circle of imports"


FORBIDDEN = (
    r"(?<![\w.~])/(?:work|root|home/\w+|tmp/(?!tmp)\w+)/",
    r"\bpypi\.or" "g",
    r"pythonhosted\.or" "g",
    r"download\.pytorch\.or" "g",
    r"file:///\w",
)
MACHINE = re.compile("|".join(FORBIDDEN))


def test_no_machine_paths():
    "No absolute path of somebody's machine and no package index host in a file that git keeps."
    command = ["git", "ls-files", "-co", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    if listed.returncode:
        pytest.skip("not a git checkout: " + listed.stderr.strip())
    found = []
    for name in listed.stdout.splitlines():
        path = ROOT / name
        if path == ROOT / "tests/test_repo.py" or not path.is_file():
            continue
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue  # a binary file
        text = re.sub(r'"image/\w+": ".*"', "", text)  # base64 may spell anything
        for m in MACHINE.finditer(text):
            line = text.count("\n", 0, m.start()) + 1
            found.append(f"{name}:{line}: {m[0]}")
    assert found == []


# --- the paper's tables

TABLES = {
    n: pd.read_csv(ROOT / f"data/paper_table{n}.csv", dtype={"mark": str}) for n in range(1, 6)
}


@pytest.mark.parametrize("table, rows", [(1, 6), (2, 6 * 11), (3, 8 * 8), (4, 8 * 8), (5, 9 * 8)])
def test_table_is_whole(table, rows):
    t = TABLES[table]
    assert len(t) == rows
    assert (t.table == table).all()
    assert not t.drop(columns=["std", "mark"], errors="ignore").isna().any().any()
    assert not t.drop(columns=["mean", "std", "mark"], errors="ignore").duplicated().any()
    if table in (3, 4):
        assert (t.groupby("method").size() == 8).all()
        assert (t.scale_ms == 200 * 2 ** (t.level - 1)).all()


def scale(method: str, level: int, metric: str) -> dict:
    "Where a number of Tables 3 and 4 stands."
    return dict(method=method, level=level, metric=metric)


def video(method: str, duration_frames: int, metric: str) -> dict:
    "Where a number of Table 2 stands."
    return dict(method=method, duration_frames=duration_frames, metric=metric)


def lips(method: str, dataset: str, metric: str) -> dict:
    "Where a number of Table 5 stands."
    return dict(method=method, dataset=dataset, metric=metric)


CELLS = [  # table, where, mean, std, mark
    (2, video("MS-Sync-long", 200, "FVD_40"), 144, None, None),
    (2, video("OSTF", 80, "t-FID_80"), 33, None, None),
    (2, video("Wav2Lip", 40, "FID"), 0.9, None, None),
    (3, scale("Ground truth", 1, "AV-Conf"), 2.41, 0.46, None),
    (3, scale("MS-Sync-short", 2, "AV-Conf"), 3.62, 0.52, "best"),
    (3, scale("MS-Sync-long", 4, "AV-Off"), 1.84, 3.38, "best"),
    (4, scale("Static", 4, "AV-Conf"), 0.58, 0.48, None),
    (4, scale("MS-Sync-long", 1, "AV-Off"), 0.72, 0.62, "second"),
    (5, lips("MS-Sync-long + MiT", "LRS2", "LMD_front"), 2.76, 1.02, "best"),
    (5, lips("PC-AVS", "VoxCeleb2 (I)", "LMD"), 3.19, 1.60, None),
]


@pytest.mark.parametrize("table, where, mean, std, mark", CELLS)
def test_table_cell(table, where, mean, std, mark):
    t = TABLES[table]
    for column, value in where.items():
        t = t[t[column] == value]
    assert len(t) == 1
    row = t.iloc[0]
    assert row["mean"] == mean
    assert pd.isna(row["std"]) if std is None else row["std"] == std
    assert pd.isna(row["mark"]) if mark is None else row["mark"] == mark
