"""What several test files need."""

import functools
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import pytest
from forks import served

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent
ENV = {
    "OMP_NUM_THREADS": "1",
    "MPLBACKEND": "Agg",
    "JUPYTER_PLATFORM_DIRS": "1",
    # memory that was freed stays with the process: giving it back and asking anew takes a tenth
    "MALLOC_MMAP_THRESHOLD_": str(2**28),
    "MALLOC_TRIM_THRESHOLD_": str(2**30),
    "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}",
}
os.environ.update(ENV)  # read by torch and matplotlib when they are imported

# Jobs in a shell's background ignore Ctrl-C, and so would what the tests start and send it to.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


# Seconds after which a command hangs: the slowest takes a tenth of it on an idle machine.
PATIENCE = 2400


def run(*cmd, cwd=ROOT, env=None, timeout=PATIENCE) -> subprocess.CompletedProcess:
    "Run a command of the environment that runs pytest; stdout and stderr together in `.stdout`."
    env = {**os.environ, **ENV, **(env or {})}
    env.pop("IN_TEST", None)
    cmd = [str(c) for c in cmd]
    # a file and no pipe: what a failed command leaves running would hold a pipe open
    with tempfile.TemporaryFile("w+", encoding="utf-8") as out:
        where = dict(cwd=cwd, env=env, stdout=out, stderr=subprocess.STDOUT)
        try:
            done = subprocess.run(cmd, timeout=timeout, text=True, **where)
        except subprocess.TimeoutExpired:
            out.seek(0)
            pytest.fail(f"{cmd} hangs; it said:\n{out.read()[-8000:]}")
        out.seek(0)
        done.stdout = out.read()
    return done


# --- starts without their imports, which are nearly all of them

SERVER = ExitStack()
ASKED = threading.Lock()


@functools.cache
def _quick_python() -> str:
    env = {**os.environ, **ENV}
    env.pop("IN_TEST", None)
    return SERVER.enter_context(served(env))


def quick_python() -> str:
    "An executable as BIN / python, whose starts are forks with the imports done (forks.py)."
    with ASKED:  # also where two threads ask first
        return _quick_python()


def pytest_unconfigure():
    SERVER.close()


def snakemake(*args, **kw) -> subprocess.CompletedProcess:
    "`run(BIN / python, -m, snakemake, *args)`; the notebooks that it runs start quickly too."
    command = (quick_python(), "-m", "snakemake", "--scheduler", "greedy")  # asks no solver
    return run(*command, *args, **kw)


# Else every figure is drawn twice, when it changes and to be shown, laid out both times and then
# painted in four times the pixels. What cannot be drawn is noticed without: all is measured as it
# would be painted.
UNPAINTED = """
from functools import partial
import IPython.core.pylabtools
import matplotlib.pyplot
import nbdev.test


def measured(figure, *_, **__):
    if figure.axes or figure.lines:
        figure.set_layout_engine("none")
        figure.draw_without_rendering()


matplotlib.pyplot.draw_all = lambda *_, **__: None
IPython.core.pylabtools.print_figure = measured
nbdev.test.CaptureShell = partial(nbdev.test.CaptureShell, mpl_format="png")
"""


NOTEBOOK_SECONDS: dict[str, float] = {}


def notebook_test(path: str) -> subprocess.CompletedProcess:
    "`run(nbdev_test, --path, path, --do_print)`."
    start = time.monotonic()
    code = f"{UNPAINTED}nbdev.test.nbdev_test({path!r}, do_print=True)"
    done = run(quick_python(), "-c", code)
    NOTEBOOK_SECONDS[path] = time.monotonic() - start
    return done


def pytest_collection_modifyitems(items):
    "What runs in the background from the start is asked for last."
    items.sort(key=lambda i: i.originalname in ("test_notebook", "test_book"))


def pytest_terminal_summary(terminalreporter):
    "Which notebooks took long; --durations says how long they were waited for."
    slowest = sorted(NOTEBOOK_SECONDS.items(), key=lambda of: -of[1])[:20]
    if slowest:
        told = ", ".join(f"{Path(path).stem} {seconds:.0f}" for path, seconds in slowest)
        terminalreporter.write_line(f"seconds of the slowest notebooks: {told}")


@pytest.fixture(scope="session", autouse=True)
def background(request, tmp_path_factory):
    """Give what a selected notebook, run by nbdev_test, or the book's build came to.

    From the start they run in the background, one at a time, the slowest first. When their tests
    come (last, the quick ones first), what has not begun runs in the foreground: two at a time.
    """
    jobs = {}
    for i in request.session.items:
        if i.originalname == "test_notebook":
            name = i.callspec.params["notebook"]
            jobs[name] = partial(notebook_test, f"nbs/{name}")
        elif i.originalname == "test_book":
            folder = tmp_path_factory.mktemp("book")
            jobs["book"] = partial(run, BIN / "python", "workflow/book.py", folder)

    def result(name):
        not_begun = runs[name].cancel()
        return jobs[name]() if not_begun else runs[name].result()

    with ThreadPoolExecutor(1) as pool:
        runs = {name: pool.submit(jobs[name]) for name in reversed(jobs)}
        yield result
        pool.shutdown(cancel_futures=True)


@pytest.fixture(scope="session")
def smoke(tmp_path_factory) -> Path:
    "The folder of a whole study with profile smoke; what it printed lies beside it."
    folder = tmp_path_factory.mktemp("study") / "smoke"
    given = ("--config", "profile=smoke", f"results={folder}")
    done = snakemake("-s", "workflow/Snakefile", "--cores", "2", "--nolock", *given)
    assert done.returncode == 0, done.stdout[-8000:]
    folder.with_suffix(".log").write_text(done.stdout)
    return folder


@pytest.fixture
def copy(tmp_path) -> Path:
    "A copy of the settings and the notebooks, to write into."
    shutil.copy(ROOT / "settings.ini", tmp_path)
    shutil.copytree(
        ROOT / "nbs",
        tmp_path / "nbs",
        ignore=shutil.ignore_patterns(".ipynb_checkpoints", ".hypothesis", "__pycache__"),
    )
    return tmp_path
