"""The same graph on a cluster: executors that submit jobs, several processes to a training."""

import importlib.util
import os
import re
import shutil
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from conftest import ROOT
from conftest import snakemake as quick_snakemake

PROFILE = ROOT / "workflow/slurm/config.yaml"
SNAKEFILE = (ROOT / "workflow/Snakefile").read_text(encoding="utf-8")
CONFIG = yaml.safe_load(PROFILE.read_text(encoding="utf-8"))


def needs(plugin: str):
    "Skip a test where an executor's plugin is not installed."
    there = importlib.util.find_spec(f"snakemake_executor_plugin_{plugin.replace('-', '_')}")
    return pytest.mark.skipif(
        there is None,
        reason=f"needs the package snakemake-executor-plugin-{plugin}, which the project does not "
        "install: this executor is not tested here",
    )


def snakemake(*args, results: Path, targets=(), env=None, **config):
    "The smoke profile with one seed."
    options = ["profile=smoke", "seeds=0", f"results={results}"]
    options += [f"{k}={v}" for k, v in config.items()]
    command = ["-s", "workflow/Snakefile", "--nolock", "--nocolor", *args, "--config", *options]
    command += ["--", *targets]
    return quick_snakemake(*command, env=env)


def test_profile_knows_the_rules():
    "Every rule has its CPUs, memory and time, and no other name stands in the profile."
    rules = set(re.findall(r"^rule (\w+):", SNAKEFILE, re.M)) - {"all"}
    assert set(CONFIG["set-resources"]) == rules
    assert set(CONFIG["set-threads"]) == rules - {"download"}
    for r in CONFIG["set-resources"].values():
        assert set(r) == {"mem_mb", "runtime"}
        assert all(isinstance(v, int) and v > 0 for v in r.values())
    assert max(CONFIG["set-threads"].values()) <= CONFIG["max-threads"]
    assert CONFIG["executor"] == "slurm"
    assert CONFIG["retries"]
    assert CONFIG["rerun-incomplete"]


def test_profile_options(tmp_path):
    "Snakemake itself takes every option of the profile (planned for this machine, with no plugin)."
    folder = tmp_path / "here"
    folder.mkdir()
    here = {k: v for k, v in CONFIG.items() if k not in ("executor", "jobs")}
    (folder / "config.yaml").write_text(yaml.safe_dump(here))
    options = dict(results=tmp_path / "r", device="cuda", processes=2)
    done = snakemake("--workflow-profile", folder, "-n", **options)
    assert done.returncode == 0, done.stdout[-4000:]
    job = re.search(r"^rule generator:\n(?:    .*\n)*", done.stdout, re.M)[0]
    for asked in ("threads: 4", "gpu=2", "mem_mb=16000", "runtime=2880"):
        assert asked in job
    torchrun = r"torch\.distributed\.run --standalone --nproc-per-node=2"
    notebook = r"-m mssync\.study\.notebooks run \S+04_generator\.ipynb"
    assert re.search(f"{torchrun} {notebook}", done.stdout)
    one = re.search(r"^rule evaluate:\n(?:    .*\n)*", done.stdout, re.M)[0]
    assert "gpu=1" in one
    assert not re.search(r"distributed\.run .*05_evaluate", done.stdout)
    assert "gpu=0" in snakemake("-n", "--cores", "2", results=tmp_path / "r").stdout


def test_processes_option(tmp_path):
    for wrong in ("0", "two"):
        done = snakemake("-n", "--cores", "2", results=tmp_path / "r", processes=wrong)
        assert done.returncode, done.stdout[-2000:]
        assert "processes is " in done.stdout, done.stdout[-2000:]
        assert "a number from 1 on is needed" in done.stdout, done.stdout[-2000:]


# --- several processes to a training


@pytest.fixture(scope="module")
def trained(smoke, tmp_path_factory) -> dict:
    "Loss syncers and a generator of profile smoke, by one process and by two (torchrun, gloo)."
    one = smoke
    two = tmp_path_factory.mktemp("processes") / "2"
    # the corpus and the metric syncers are there already
    for pattern in ("corpus", "corpus.*", "notebooks/01*", "seed_0/**/*syncers_metric*"):
        for p in one.glob(pattern):
            place = two / p.relative_to(one)
            place.parent.mkdir(parents=True, exist_ok=True)
            (shutil.copytree if p.is_dir() else shutil.copy2)(p, place)
    options = ("--cores", "2", "-q", "rules", "--rerun-triggers", "mtime")
    target = two / "seed_0/generator_short.safetensors"
    done = snakemake(*options, results=two, targets=[target], processes=2)
    assert done.returncode == 0, done.stdout[-8000:]
    return {1: one, 2: two, "log": done.stdout}


def test_two_processes_train_the_same(trained):
    "Experiments under torchrun: the losses of one process; outputs and messages once."
    for name in ("syncers_loss", "generator_short"):
        a, b = (pd.read_csv(trained[n] / f"seed_0/{name}.csv") for n in (1, 2))
        assert list(a.columns) == list(b.columns)
        assert len(a) == len(b) >= 2
        losses = [c for c in a if c.startswith(("loss", "held_out_loss", "L", "teacher", "norm"))]
        a = a[losses]
        b = b[losses]
        close = np.allclose(a, b, rtol=1e-3, atol=1e-3, equal_nan=True)
        assert close, (name, (a - b).abs().max())

    notebooks = [p.name for p in (trained[2] / "seed_0/notebooks").iterdir()]
    once = ["02_syncers_loss.ipynb", "02_syncers_metric.ipynb", "04_generator_short.ipynb"]
    assert sorted(notebooks) == once  # none of the second process
    assert trained["log"].count("== 04_generator_short seed 0\n") == 1
    assert trained["log"].count("2 steps of 8 sequences") == 1
    assert "== 02_syncers_metric" not in trained["log"]


# --- executors that submit jobs

SUBMIT = """#!/bin/sh
# a scheduler of one machine: runs the job's script in the background
nohup sh "$1" > "$1.log" 2>&1 &
echo $!
"""


@needs("cluster-generic")
def test_submitted_jobs(tmp_path, trained):
    "Jobs that are submitted as scripts make what jobs on this machine make, to the bit."
    submit = tmp_path / "submit"
    submit.write_text(SUBMIT)
    submit.chmod(0o755)
    out = tmp_path / "r"
    target = out / "seed_0/syncers_loss.csv"
    args = ["--executor", "cluster-generic", "--cluster-generic-submit-cmd", submit]
    args += ["--jobs", "2", "--cores", "64", "--max-threads", "2", "--latency-wait", "30"]
    corpus = trained[1] / "corpus"
    done = snakemake(*args, results=out, targets=[target], corpus=corpus)
    assert done.returncode == 0, done.stdout[-8000:]
    assert done.stdout.count("with external jobid") == 2  # the corpus' facts, the syncers
    assert target.read_bytes() == (trained[1] / "seed_0/syncers_loss.csv").read_bytes()


# What the plugin calls on a cluster. sbatch notes its arguments and runs the job in the background.
SLURM = dict(
    sbatch="""#!PYTHON
import json, os, pathlib, subprocess, sys
here, args = pathlib.Path(__file__).parent, sys.argv[1:]
job = str(len(list(here.glob("job*"))) + 1)
(here / f"job{job}").write_text(json.dumps(args))
wrapped = next(a for a in args if a.startswith("--wrap=")).removeprefix("--wrap=")
no = subprocess.DEVNULL
job_env = dict(os.environ, SLURM_JOB_ID=job)
line = f"({wrapped}) > {here}/out{job} 2>&1; echo $? > {here}/rc{job}"
apart = dict(start_new_session=True, stdin=no, stdout=no, stderr=no)
subprocess.Popen(["sh", "-c", line], env=job_env, **apart)
print(job)
""",
    srun="""#!/bin/sh
while case "$1" in -*) true;; *) false;; esac; do shift; done
exec "$@"
""",
    sacct="""#!/bin/sh
cd "$(dirname "$0")"
for j in job*; do
    i=${j#job}
    if [ ! -f rc$i ]; then echo "$i|RUNNING"
    elif [ "$(cat rc$i)" = 0 ]; then echo "$i|COMPLETED"
    else echo "$i|FAILED"; fi
done
""",
    sinfo="#!/bin/sh\necho PARTITION\necho main\n",
    sshare="#!/bin/sh\necho somebody\n",
    **dict.fromkeys(("squeue", "sacctmgr", "scancel", "scontrol"), "#!/bin/sh\nexit 0\n"),
)


@needs("slurm")
def test_slurm_profile(tmp_path, trained):
    "The plugin itself, sbatch and its kin replaced by scripts: what is asked for fits the rule."
    tools = tmp_path / "bin"
    out = tmp_path / "r"
    tools.mkdir()
    for name, text in SLURM.items():
        (tools / name).write_text(text.replace("#!PYTHON", f"#!{sys.executable}"))
        (tools / name).chmod(0o755)
    path = os.pathsep.join([str(tools), str(Path(sys.executable).parent), os.environ["PATH"]])
    target = out / "seed_0/syncers_loss.csv"
    args = ["--workflow-profile", "workflow/slurm", "--slurm-logdir", tmp_path / "logs"]
    args += ["--slurm-init-seconds-before-status-checks", "2"]
    args += ["--default-resources", "slurm_account=somebody", "slurm_partition=main"]
    given = dict(results=out, corpus=trained[1] / "corpus", env=dict(PATH=path))
    done = snakemake(*args, targets=[target], processes=2, **given)
    assert done.returncode == 0, done.stdout[-8000:]
    asked = [yaml.safe_load((tools / f"job{i}").read_text()) for i in (1, 2)]
    assert not (tools / "job3").exists()
    for a, rule, cpus in zip(asked, ("corpus", "syncers"), (8, 4)):
        resources = CONFIG["set-resources"][rule]
        assert f"--cpus-per-task={cpus}" in a
        assert a[a.index("--mem") + 1] == str(resources["mem_mb"])
        assert a[a.index("-t") + 1] == str(resources["runtime"])
        assert a[a.index("-A") + 1] == "somebody"
        assert a[a.index("-p") + 1] == "main"
        assert not [g for g in a if g.startswith("--gpus")]
    assert target.read_bytes() == (trained[2] / "seed_0/syncers_loss.csv").read_bytes()
    planned = snakemake(*args, "-n", processes=4, device="cuda", **given)
    assert planned.returncode == 0
    assert "gpu=4" in planned.stdout
    assert "gpu=1" in planned.stdout
