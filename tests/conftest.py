"""What several test files need."""

import multiprocessing
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent
ENV = {
    "OMP_NUM_THREADS": "1",
    "MPLBACKEND": "Agg",
    "JUPYTER_PLATFORM_DIRS": "1",
    "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}",
}


# Seconds after which a command hangs: the slowest takes a tenth of it on an idle machine.
PATIENCE = 2400


def run(*cmd, cwd=ROOT, env=None, timeout=PATIENCE) -> subprocess.CompletedProcess:
    "Run a command of the environment that runs pytest; stdout and stderr together in `.stdout`."
    env = {**os.environ, **ENV, **(env or {})}
    env.pop("IN_TEST", None)
    return subprocess.run(
        [str(c) for c in cmd],
        cwd=cwd,
        env=env,
        timeout=timeout,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )


# --- a start without its imports, which are nearly all of it

os.environ.update(ENV)  # read by torch and matplotlib when they are imported
# forks a process that has imported these and done nothing else
FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(
    [
        "pytest",
        "snakemake.cli",
        "nbdev.test",
        "matplotlib.pyplot",
        "scipy.stats",
        "mssync.app.cli",
        "mssync.data.sources",
        "mssync.metrics.synchrony",
        "mssync.simulate.clips",
        "mssync.study.notebooks",
        "mssync.training.gan",
    ]
)


def _called(function, args: tuple, log: str):
    "What the fork does: its output goes to a file."
    with open(log, "wb") as f:
        os.dup2(f.fileno(), 1)
        os.dup2(f.fileno(), 2)
    os.environ.pop("IN_TEST", None)
    os.chdir(ROOT)
    function(*args)


def fork(function, *args, timeout=PATIENCE) -> subprocess.CompletedProcess:
    "Call a function in a fork, with nothing left of an earlier call."
    with tempfile.NamedTemporaryFile() as log:
        process = FORKS.Process(target=_called, args=(function, args, log.name))
        process.start()
        process.join(timeout)
        if process.is_alive():
            process.kill()
            raise subprocess.TimeoutExpired(args, timeout)
        return subprocess.CompletedProcess(args, process.exitcode, log.read().decode())


def _snakemake(args: list[str]):
    from snakemake.cli import main

    sys.argv[1:] = args
    main()


def snakemake(*args) -> subprocess.CompletedProcess:
    "`run(python, -m, snakemake, *args)`."
    return fork(_snakemake, [str(a) for a in args])


def _nbdev_test(path: str):
    from nbdev.test import nbdev_test

    nbdev_test(path, do_print=True)


def notebook_test(path: str) -> subprocess.CompletedProcess:
    "`run(nbdev_test, --path, path, --do_print)`."
    return fork(_nbdev_test, path)


def pytest_collection_modifyitems(items):
    "The notebooks run in the background from the start (test_repo.py), so they are asked for last."
    items.sort(key=lambda i: i.originalname == "test_notebook")


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
