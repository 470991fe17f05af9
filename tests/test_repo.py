"""The notebooks pass their own tests, and everything made from them is what they give."""

import ast
import re
import subprocess
from concurrent.futures import ThreadPoolExecutor

import jupytext
import pandas as pd
import pytest
from conftest import BIN, ROOT, run
from execnb.nbio import read_nb

NBS = ROOT / "nbs"
EXPERIMENTS = sorted(p.name for p in (NBS / "experiments").glob("*.ipynb"))
TWINS = sorted(p.stem for p in (NBS / "experiments/py").glob("*.py"))
NOTEBOOKS = sorted(
    (
        p.relative_to(NBS).as_posix()
        for p in NBS.rglob("[0-9]*.ipynb")
        if "experiments" not in p.parts
    ),
    key=lambda name: name.split("/")[-1],
)


# --- each notebook's own tests

SLOWEST = [
    "16_stream.ipynb",
    "28_clips.ipynb",
    "24_gan.ipynb",
    "08_ingest.ipynb",
]  # more than half of the time


@pytest.fixture(scope="session", autouse=True)
def notebook_run(request):
    """Run a selected notebook by nbdev_test. From the start they run in the background, one at a time, the slowest first;
    when their tests come (last, the quick ones first), what has not begun runs in the foreground: two at a time."""
    names = [
        i.callspec.params["notebook"]
        for i in request.session.items
        if i.originalname == "test_notebook"
    ]

    def nbdev_test(n):
        return run(BIN / "nbdev_test", "--path", f"nbs/{n}", "--do_print")

    with ThreadPoolExecutor(1) as pool:
        runs = {n: pool.submit(nbdev_test, n) for n in reversed(names)}
        yield lambda n: nbdev_test(n) if runs[n].cancel() else runs[n].result()
        pool.shutdown(cancel_futures=True)


@pytest.mark.parametrize("notebook", [n for n in NOTEBOOKS if n not in SLOWEST] + SLOWEST)
def test_notebook(notebook, notebook_run):
    done = notebook_run(notebook)
    assert done.returncode == 0 and "Success." in done.stdout, done.stdout[-8000:]


# --- what is made from the notebooks


def test_export(copy):
    "mssync/ is exactly what the notebooks export: nothing edited by hand, nothing left over."
    (copy / "mssync").mkdir()
    (copy / "mssync/__init__.py").write_bytes((ROOT / "mssync/__init__.py").read_bytes())
    done = run(BIN / "nbdev_export", cwd=copy)
    assert done.returncode == 0, done.stdout
    done = run(BIN / "ruff", "format", "--config", ROOT / "pyproject.toml", "mssync", cwd=copy)
    assert done.returncode == 0, done.stdout
    made, ours = (
        {p.relative_to(r).as_posix(): p.read_bytes() for p in (r / "mssync").rglob("*.py")}
        for r in (copy, ROOT)
    )
    assert sorted(made) == sorted(ours), "run `make export`"
    assert [name for name in made if made[name] != ours[name]] == [], "run `make export`"


def test_clean(copy):
    "Notebooks carry no machine's metadata: nbdev_clean changes nothing."
    done = run(BIN / "nbdev_clean", cwd=copy)
    assert done.returncode == 0, done.stdout
    dirty = [
        str(p.relative_to(copy))
        for p in sorted((copy / "nbs").rglob("*.ipynb"))
        if p.read_bytes() != (ROOT / p.relative_to(copy)).read_bytes()
    ]
    assert dirty == [], "run `make export`"


def test_readme():
    done = run(BIN / "python", "workflow/readme.py", "--check")
    assert done.returncode == 0, done.stdout


def test_make():
    "What the commands would run: each option reaches the study, and the Python in the recipes is Python (make takes its indentation away)."
    plan = run(
        "make", "-n", "weights", "calibration", "SEEDS=0,1", "GENERATED=x y", "DEVICE=cuda"
    ).stdout
    assert "save_model(f" in plan and "metric_syncers" in plan
    for code in re.findall(r"python3? -c '(.*?)'(?:$|\s)", plan, re.M | re.S):
        compile(code, "recipe", "exec")
    line = next(l for l in plan.splitlines() if "-m snakemake" in l)
    assert "-m snakemake calibration -s workflow/Snakefile" in line
    for given in ("profile=cpu", "seeds=0,1", "generated=x y", "device=cuda"):
        assert f"'{given}'" in line.split("--config")[1]
    assert "corpus=" not in line


# --- the study's notebooks


def test_twins_named_alike():
    assert [n.removesuffix(".ipynb") for n in EXPERIMENTS] == TWINS, "run `make export`"


@pytest.mark.parametrize("name", TWINS)
def test_twin(name):
    "A study notebook and its percent script hold the same cells."
    cells = [
        [
            (c.cell_type, c.source.strip(), c.metadata.get("tags", []))
            for c in jupytext.read(path).cells
        ]
        for path in (ROOT / f"nbs/experiments/{name}.ipynb", ROOT / f"nbs/experiments/py/{name}.py")
    ]
    assert cells[0] == cells[1], (
        f"nbs/experiments/{name}.ipynb and its script differ: run `make export`"
    )


@pytest.mark.parametrize("notebook", EXPERIMENTS)
def test_parameters(notebook):
    "Papermill sets parameters in one tagged cell, and ignores them silently where there is none."
    cells = [
        c
        for c in read_nb(ROOT / "nbs/experiments" / notebook).cells
        if "parameters" in c.metadata.get("tags", [])
    ]
    assert len(cells) == 1
    assert not any(
        c.source.lstrip().startswith("#|")
        for c in read_nb(ROOT / "nbs/experiments" / notebook).cells
    ), "papermill ignores #| directives"


def test_benchmark(tmp_path):
    "The benchmark notebook runs, on networks that are too small to say anything."
    done = run(
        BIN / "python",
        "-m",
        "mssync.study.notebooks",
        "run",
        "nbs/experiments/08_benchmark.ipynb",
        tmp_path / "08.ipynb",
        f"results={tmp_path}",
        "tiny=true",
        *"batch=4 crops=8 sequence=50 many=4 many_frames=20 hour=60 rounds=2 scored=2 measured=20".split(),
    )
    assert done.returncode == 0, done.stdout[-8000:]
    t = pd.read_csv(tmp_path / "benchmark.csv")
    assert (
        set(t[t.version == "ours"].task.str.split(",").str[0])
        == {"GAN step", "syncer step", "generation", "AV-Off and AV-Conf"}
        and (t["time over floor"] > 0).all()
    )
    assert {"ours", "plain", "plain, 20 windows at a time"} <= set(
        t[t.task == "AV-Off and AV-Conf, 2 clips of 80 frames"].version
    )
    m = pd.read_csv(tmp_path / "metrics.csv").set_index("what").seconds
    assert (m > 0).all() and m.index.is_unique and m.index.str.startswith("one frame: ").sum() >= 3
    no_pictures, total = (
        m[~m.index.str.startswith(("one frame", "drawing", "all but drawing"))],
        m[m.index.str.startswith("all but drawing")],
    )
    assert (
        len(no_pictures) >= 6
        and abs(no_pictures.sum() / total.item() - 1) < 1e-3
        and (tmp_path / "metrics.md").read_text().count("|")
    )
    assert (
        len(pd.read_csv(tmp_path / "tried.csv")) in (7, 8)
        and (tmp_path / "benchmark.png").stat().st_size
    )


# --- order and tidiness

FLOORS = {
    "data": 1,
    "model": 2,
    "simulate": 3,
    "training": 3,
    "metrics": 4,
    "baselines": 5,
    "study": 6,
    "app": 6,
}


def modules() -> dict[str, str]:
    "Exported module, as room.name -> notebook, from each notebook's default_exp."
    found = {}
    for name in NOTEBOOKS:
        for cell in read_nb(NBS / name).cells:
            if m := re.search(r"^#\|\s*default_exp\s+(\S+)", cell.source, re.M):
                found[m[1]] = name
    return found


def imports(tree: ast.AST, module: str) -> set[str]:
    "The modules of mssync, as room.name, that a module imports, wherever the statement stands."
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {
                a.name.removeprefix("mssync.") for a in node.names if a.name.startswith("mssync.")
            }
        if not isinstance(node, ast.ImportFrom):
            continue
        name = node.module or ""
        if node.level == 0 and name.split(".")[0] != "mssync":
            continue
        start = module.split(".")[: -node.level] if node.level else []
        path = [
            *start,
            *name.removeprefix("mssync" if not node.level else "").strip(".").split("."),
        ]
        path = [part for part in path if part]
        found |= (
            {".".join(path)} if len(path) > 1 else {".".join([*path, a.name]) for a in node.names}
        )
    return {name for name in found if "." in name}


def test_imports_are_seen():
    code = "from .a import x\nfrom ..n import b\nfrom ..n.e import f\nimport mssync.m.c\nimport torch.nn\nfrom .. import v"
    code += "\ndef f():\n    from mssync.k.d import y"
    assert imports(ast.parse(code), "m.one") == {"m.a", "n.b", "n.e", "m.c", "k.d"}


def test_folders():
    "The notebooks' folders mirror the package."
    assert modules(), "no notebook exports anything"
    wrong = [
        f"{notebook} exports {module}"
        for module, notebook in modules().items()
        if notebook != f"{module.split('.')[0]}/{notebook.split('/')[-1]}"
        or notebook[:-6].split("_", 1)[1] != module.split(".")[1]
    ]
    assert wrong == []


def test_floors():
    "Data flows one way: a room imports only from floors below its own, and inside a room there is no circle."
    found = {
        m: imports(
            ast.parse((ROOT / f"mssync/{m.replace('.', '/')}.py").read_text(encoding="utf-8")), m
        )
        for m in modules()
    }

    def room(module):
        return module.split(".")[0]

    upwards = [
        f"{m} imports {other}"
        for m, names in found.items()
        for other in names
        if room(other) != room(m) and FLOORS[room(other)] >= FLOORS[room(m)]
    ]
    assert upwards == []
    left = {m: {other for other in names if other in found} for m, names in found.items()}
    while free := [m for m, names in left.items() if not names & left.keys()]:
        for m in free:
            del left[m]
    assert left == {}, "a circle of imports"


MACHINE = re.compile(
    "|".join(
        [
            r"(?<![\w.~])/(?:work|root|home/\w+|tmp/(?!tmp)\w+)/",
            r"\bpypi\.or" "g",
            r"pythonhosted\.or" "g",
            r"download\.pytorch\.or" "g",
            r"file:///\w",
        ]
    )
)


def test_no_machine_paths():
    "No absolute path of somebody's machine and no package index host in a file that git keeps."
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True
    )
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
        found += [
            f"{name}:{text.count(chr(10), 0, m.start()) + 1}: {m[0]}"
            for m in MACHINE.finditer(text)
        ]
    assert found == []


# --- the paper's tables

TABLES = {
    n: pd.read_csv(ROOT / f"data/paper_table{n}.csv", dtype={"mark": str}) for n in range(1, 6)
}


@pytest.mark.parametrize("table, rows", [(1, 6), (2, 6 * 11), (3, 8 * 8), (4, 8 * 8), (5, 9 * 8)])
def test_table_is_whole(table, rows):
    t = TABLES[table]
    assert len(t) == rows and (t.table == table).all()
    assert not t.drop(columns=["std", "mark"], errors="ignore").isna().any().any()
    assert not t.drop(columns=["mean", "std", "mark"], errors="ignore").duplicated().any()
    if table in (3, 4):
        assert (t.groupby("method").size() == 8).all() and (
            t.scale_ms == 200 * 2 ** (t.level - 1)
        ).all()


@pytest.mark.parametrize(
    "table, where, mean, std, mark",
    [
        (
            2,
            "method == 'MS-Sync-long' and duration_frames == 200 and metric == 'FVD_40'",
            144,
            None,
            None,
        ),
        (2, "method == 'OSTF' and duration_frames == 80 and metric == 't-FID_80'", 33, None, None),
        (2, "method == 'Wav2Lip' and duration_frames == 40 and metric == 'FID'", 0.9, None, None),
        (3, "method == 'Ground truth' and level == 1 and metric == 'AV-Conf'", 2.41, 0.46, None),
        (3, "method == 'MS-Sync-short' and level == 2 and metric == 'AV-Conf'", 3.62, 0.52, "best"),
        (3, "method == 'MS-Sync-long' and level == 4 and metric == 'AV-Off'", 1.84, 3.38, "best"),
        (4, "method == 'Static' and level == 4 and metric == 'AV-Conf'", 0.58, 0.48, None),
        (4, "method == 'MS-Sync-long' and level == 1 and metric == 'AV-Off'", 0.72, 0.62, "second"),
        (
            5,
            "method == 'MS-Sync-long + MiT' and dataset == 'LRS2' and metric == 'LMD_front'",
            2.76,
            1.02,
            "best",
        ),
        (
            5,
            "method == 'PC-AVS' and dataset == 'VoxCeleb2 (I)' and metric == 'LMD'",
            3.19,
            1.60,
            None,
        ),
    ],
)
def test_table_cell(table, where, mean, std, mark):
    row = TABLES[table].query(where)
    assert len(row) == 1
    row = row.iloc[0]
    assert row["mean"] == mean
    assert pd.isna(row["std"]) if std is None else row["std"] == std
    assert pd.isna(row["mark"]) if mark is None else row["mark"] == mark
