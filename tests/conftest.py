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


def run(*cmd, cwd=ROOT, env=None, timeout=800) -> subprocess.CompletedProcess:
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


# --- Snakemake without its imports, which are nearly all of a start

# forks a process that has imported these and done nothing else
FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(
    ["pytest", "snakemake.cli", "mssync.data.sources", "mssync.study.notebooks"]
)


def _snakemake(args: list[str], log: str):
    with open(log, "wb") as f:
        os.dup2(f.fileno(), 1)
        os.dup2(f.fileno(), 2)
    os.environ.update(ENV)
    os.environ.pop("IN_TEST", None)
    os.chdir(ROOT)
    from snakemake.cli import main

    sys.argv[1:] = args
    main()


def snakemake(*args, timeout=800) -> subprocess.CompletedProcess:
    "`run(python, -m, snakemake, *args)` in a fork, with nothing left of an earlier start."
    with tempfile.NamedTemporaryFile() as log:
        process = FORKS.Process(target=_snakemake, args=([str(a) for a in args], log.name))
        process.start()
        process.join(timeout)
        if process.is_alive():
            process.kill()
            raise subprocess.TimeoutExpired(args, timeout)
        return subprocess.CompletedProcess(args, process.exitcode, log.read().decode())


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
