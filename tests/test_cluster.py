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
from conftest import ROOT, run
from conftest import snakemake as fork

PROFILE = ROOT / "workflow/slurm/config.yaml"
SNAKEFILE = (ROOT / "workflow/Snakefile").read_text(encoding="utf-8")
CONFIG = yaml.safe_load(PROFILE.read_text(encoding="utf-8"))


def needs(plugin: str):
    there = importlib.util.find_spec(f"snakemake_executor_plugin_{plugin.replace('-', '_')}")
    return pytest.mark.skipif(
        there is None,
        reason=f"needs the package snakemake-executor-plugin-{plugin}, which the project does not "
        "install: this executor is not tested here",
    )


def snakemake(*args, results: Path, targets=(), env=None, **config):
    start = (
        fork
        if "-n" in args and not env
        else lambda *a: run(sys.executable, "-m", "snakemake", *a, env=env)
    )
    return start(
        "-s",
        "workflow/Snakefile",
        "--nolock",
        "--nocolor",
        *args,
        "--config",
        "profile=smoke",
        "seeds=0",
        f"results={results}",
        *(f"{k}={v}" for k, v in config.items()),
        "--",
        *targets,
    )


def test_profile_knows_the_rules():
    "Every rule has its CPUs, memory and time, and no other name stands in the profile."
    rules = set(re.findall(r"^rule (\w+):", SNAKEFILE, re.M)) - {"all"}
    assert set(CONFIG["set-resources"]) == rules and set(CONFIG["set-threads"]) == rules - {
        "download"
    }
    assert all(
        set(r) == {"mem_mb", "runtime"} and all(isinstance(v, int) and v > 0 for v in r.values())
        for r in CONFIG["set-resources"].values()
    )
    assert (
        max(CONFIG["set-threads"].values()) <= CONFIG["max-threads"]
        and CONFIG["executor"] == "slurm"
        and CONFIG["retries"]
        and CONFIG["rerun-incomplete"]
    )


def test_profile_options(tmp_path):
    "Snakemake itself takes every option of the profile (planned for this machine, with no plugin)."
    folder = tmp_path / "here"
    folder.mkdir()
    (folder / "config.yaml").write_text(
        yaml.safe_dump({k: v for k, v in CONFIG.items() if k not in ("executor", "jobs")})
    )
    done = snakemake(
        "--workflow-profile", folder, "-n", results=tmp_path / "r", device="cuda", processes=2
    )
    assert done.returncode == 0, done.stdout[-4000:]
    job = re.search(r"^rule generator:\n(?:    .*\n)*", done.stdout, re.M)[0]
    assert (
        "threads: 4" in job and "gpu=2" in job and "mem_mb=16000" in job and "runtime=2880" in job
    )
    assert re.search(
        r"torch\.distributed\.run --standalone --nproc-per-node=2 "
        r"-m mssync\.study\.notebooks run \S+04_generator\.ipynb",
        done.stdout,
    )
    one = re.search(r"^rule evaluate:\n(?:    .*\n)*", done.stdout, re.M)[0]
    assert "gpu=1" in one and not re.search(r"distributed\.run .*05_evaluate", done.stdout)
    assert "gpu=0" in snakemake("-n", "--cores", "2", results=tmp_path / "r").stdout


def test_processes_option(tmp_path):
    for wrong in ("0", "two"):
        done = snakemake("-n", "--cores", "2", results=tmp_path / "r", processes=wrong)
        assert (
            done.returncode
            and "processes is " in done.stdout
            and "a number from 1 on is needed" in done.stdout
        ), done.stdout[-2000:]


# --- several processes to a training


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> dict:
    "Loss syncers and a generator of profile smoke, by one process and by two (torchrun, gloo)."
    base = tmp_path_factory.mktemp("processes")
    one, two = base / "1", base / "2"

    def train(out: Path, n: int):
        done = snakemake(
            "--cores",
            "2",
            "-q",
            "rules",
            "--rerun-triggers",
            "mtime",
            results=out,
            targets=[out / "seed_0/generator_short.safetensors"],
            processes=n,
        )
        assert done.returncode == 0, done.stdout[-8000:]
        return done.stdout

    train(one, 1)
    shutil.copytree(one, two)  # the corpus and the metric syncers are there already
    shutil.rmtree(two / "seed_0/checkpoints")
    for p in [
        *two.glob("seed_0/syncers_loss*"),
        *two.glob("seed_0/generator*"),
        *two.glob("seed_0/notebooks/*_loss*"),
        *two.glob("seed_0/notebooks/04*"),
    ]:
        p.unlink()
    return {1: one, 2: two, "log": train(two, 2)}


def test_two_processes_train_the_same(trained):
    "Experiments under torchrun: the losses of one process; outputs and messages once."
    for name in ("syncers_loss", "generator_short"):
        a, b = (pd.read_csv(trained[n] / f"seed_0/{name}.csv") for n in (1, 2))
        assert list(a.columns) == list(b.columns) and len(a) == len(b) >= 2
        losses = [c for c in a if c.startswith(("loss", "held_out_loss", "L", "teacher", "norm"))]
        assert np.allclose(a[losses], b[losses], rtol=1e-3, atol=1e-3, equal_nan=True), (
            name,
            (a[losses] - b[losses]).abs().max(),
        )
    notebooks = [p.name for p in (trained[2] / "seed_0/notebooks").iterdir()]
    assert sorted(notebooks) == [
        "02_syncers_loss.ipynb",
        "02_syncers_metric.ipynb",
        "04_generator_short.ipynb",
    ]  # none of the second process
    assert (
        trained["log"].count("== 04_generator_short seed 0\n")
        == trained["log"].count("14 steps of 8 sequences")
        == 1
        and "== 02_syncers_metric" not in trained["log"]
    )


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
    done = snakemake(
        "--executor",
        "cluster-generic",
        "--cluster-generic-submit-cmd",
        submit,
        "--jobs",
        "2",
        "--cores",
        "64",
        "--max-threads",
        "2",
        "--latency-wait",
        "30",
        results=out,
        targets=[out / "seed_0/syncers_loss.csv"],
        corpus=trained[1] / "corpus",
    )
    assert done.returncode == 0, done.stdout[-8000:]
    assert done.stdout.count("with external jobid") == 2  # the corpus' facts, the syncers
    assert (out / "seed_0/syncers_loss.csv").read_bytes() == (
        trained[1] / "seed_0/syncers_loss.csv"
    ).read_bytes()


# What the plugin calls on a cluster. sbatch notes its arguments and runs the job in the background.
SLURM = dict(
    sbatch="""#!{python}
import json, os, pathlib, subprocess, sys
here, args = pathlib.Path(__file__).parent, sys.argv[1:]
job = str(len(list(here.glob("job*"))) + 1)
(here / f"job{{job}}").write_text(json.dumps(args))
wrapped = next(a for a in args if a.startswith("--wrap=")).removeprefix("--wrap=")
no = subprocess.DEVNULL
job_env = dict(os.environ, SLURM_JOB_ID=job)
line = f"({{wrapped}}) > {{here}}/out{{job}} 2>&1; echo $? > {{here}}/rc{{job}}"
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
    i=${{j#job}}
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
    tools, out = tmp_path / "bin", tmp_path / "r"
    tools.mkdir()
    for name, text in SLURM.items():
        (tools / name).write_text(
            text.replace("{{", "{").replace("}}", "}").replace("{python}", sys.executable)
        )
        (tools / name).chmod(0o755)
    path = os.pathsep.join([str(tools), str(Path(sys.executable).parent), os.environ["PATH"]])
    args = (
        "--workflow-profile",
        "workflow/slurm",
        "--slurm-logdir",
        tmp_path / "logs",
        "--slurm-init-seconds-before-status-checks",
        "2",
        "--default-resources",
        "slurm_account=somebody",
        "slurm_partition=main",
    )
    done = snakemake(
        *args,
        results=out,
        targets=[out / "seed_0/syncers_loss.csv"],
        processes=2,
        corpus=trained[1] / "corpus",
        env=dict(PATH=path),
    )
    assert done.returncode == 0, done.stdout[-8000:]
    asked = [yaml.safe_load((tools / f"job{i}").read_text()) for i in (1, 2)]
    assert not (tools / "job3").exists()
    for a, rule, cpus in zip(asked, ("corpus", "syncers"), (8, 4)):
        assert (
            f"--cpus-per-task={cpus}" in a
            and a[a.index("--mem") + 1] == str(CONFIG["set-resources"][rule]["mem_mb"])
            and a[a.index("-t") + 1] == str(CONFIG["set-resources"][rule]["runtime"])
        )
        assert (
            a[a.index("-A") + 1] == "somebody"
            and a[a.index("-p") + 1] == "main"
            and not [g for g in a if g.startswith("--gpus")]
        )
    assert (out / "seed_0/syncers_loss.csv").read_bytes() == (
        trained[2] / "seed_0/syncers_loss.csv"
    ).read_bytes()
    planned = snakemake(
        *args,
        "-n",
        results=out,
        processes=4,
        device="cuda",
        corpus=trained[1] / "corpus",
        env=dict(PATH=path),
    )
    assert planned.returncode == 0 and "gpu=4" in planned.stdout and "gpu=1" in planned.stdout
