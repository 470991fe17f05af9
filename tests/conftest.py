"""What several test files need."""
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent


def run(*cmd, cwd=ROOT, env=None, timeout=800) -> subprocess.CompletedProcess:
    "Run a command of the environment that runs pytest; stdout and stderr together in `.stdout`."
    env = {**os.environ, "OMP_NUM_THREADS": "1", "MPLBACKEND": "Agg", "JUPYTER_PLATFORM_DIRS": "1",
           "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}", **(env or {})}
    env.pop("IN_TEST", None)
    return subprocess.run([str(c) for c in cmd], cwd=cwd, env=env, timeout=timeout, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


@pytest.fixture
def copy(tmp_path) -> Path:
    "A copy of the settings and the notebooks, to write into."
    shutil.copy(ROOT / "settings.ini", tmp_path)
    shutil.copytree(ROOT / "nbs", tmp_path / "nbs", ignore=shutil.ignore_patterns(".ipynb_checkpoints", "__pycache__"))
    return tmp_path
