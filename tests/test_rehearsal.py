"""The paper's protocol on small corpora of the paper's shapes; a run that was killed goes on."""

import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest
import yaml
from conftest import BIN, ENV, ROOT, snakemake

NAMES = ("smoke", "paper", "rehearsal")
LRS2 = ROOT / "workflow/profiles/lrs2.yaml"
SHARES = dict(train=0.7, metric=0, val=0.3, test=0)  # more for `val` than the paper's, of so few


@pytest.fixture(scope="module")
def corpora(tmp_path_factory) -> Path:
    "A folder with voxceleb2, hdtf and lrs2."
    folder = tmp_path_factory.mktemp("corpora")
    sys.path.insert(0, str(ROOT / "workflow"))
    try:
        from rehearsal import rehearsal_corpora
    finally:
        sys.path.pop(0)
    rehearsal_corpora(folder, scale=0.008, recordings=10, jobs=1, shares=SHARES)
    return folder


@pytest.fixture(scope="module")
def profile(tmp_path_factory) -> Path:
    "The protocol of the profile paper with the networks of the smallest one."
    read = {n: yaml.safe_load((ROOT / f"workflow/profiles/{n}.yaml").read_text()) for n in NAMES}
    mine = {k: v for k, v in read["smoke"].items() if k not in ("corpus", "seeds", "variants")}
    for s in ("loss_syncers", "metric_syncers"):
        mine[s] |= dict(steps=2, eval_every=2, augment=read["paper"][s]["augment"])
    mine["motion_encoder"]["steps"] = 2
    mine["training"] |= dict(steps=1, decay_steps=1, teacher_steps=1, eval_every=2)
    mine["evaluation"] = read["paper"]["evaluation"] | read["rehearsal"]["evaluation"]
    mine["evaluation"] |= dict(draws=4, drift_frames=240, drift_clips=2, sequences=1)
    mine |= dict(splits=read["paper"]["splits"], variants=["short"])
    mine["reference"] = read["paper"]["reference"]
    path = tmp_path_factory.mktemp("profile") / "small.yaml"
    path.write_text(yaml.safe_dump(mine))
    return path


def command(profile, results, corpus, *args) -> list[str]:
    given = (f"profile={profile}", f"results={results}", f"corpus={corpus}")
    targets = [str(Path(results) / a) for a in args]
    start = ["-s", "workflow/Snakefile", "--cores", "2", "--nolock", "--rerun-incomplete"]
    return [*start, *targets, "--config", *given]


def test_profile():
    "The rehearsal is the paper's profile but for steps, widths and pictures."
    from mssync.study.profiles import SECTIONS, load_profile

    paper = load_profile("paper")
    rehearsal = load_profile("rehearsal")
    differ = {(s, k) for s in SECTIONS for k in paper[s] if paper[s][k] != rehearsal[s][k]}
    networks = ("syncer", "generator", "discriminators")
    assert {s for s, k in differ if s not in networks} == {
        "loss_syncers",
        "metric_syncers",
        "motion_encoder",
        "training",
        "evaluation",
    }
    steps = {"steps", "decay_steps", "eval_every"}
    assert {k for s, k in differ if s not in networks} == steps | {"images", "last"}
    narrow = {k for s, k in differ if s in networks} - {"dim", "stages", "expansion", "hidden"}
    assert all(k.endswith("widths") for k in narrow)
    assert rehearsal["variants"] == paper["variants"]


def test_voxceleb2(corpora, profile, tmp_path):
    "Tables 2 and 3 at the paper's lengths, each on the test clips that have it; no clip unused."
    tables = ("table2.csv", "table3.csv", "lips.csv", "heads.csv")
    done = snakemake(*command(profile, tmp_path, corpora / "voxceleb2", *tables))
    assert done.returncode == 0, done.stdout[-8000:]
    facts = json.loads((tmp_path / "corpus.json").read_text())
    assert facts["lengths"]["durations"] == [40, 80, 200]
    assert facts["shortened"] == ""
    index = pd.read_csv(corpora / "voxceleb2/clips.csv")
    assert set(index.split) == {"train", "val", "test"}
    test = index[index.split == "test"]
    for T, n in facts["served"].items():
        assert n == (test.frames > int(T)).sum()
    assert facts["served"]["200"] < len(test)
    assert f"200 frames: {facts['served']['200']} of {len(test)} test clips" in done.stdout

    ours = pd.read_csv(tmp_path / "table2.csv").query("source == 'this run'")
    assert set(ours.duration_frames) == {40, 80, 200}
    assert not ours["mean"].isna().any()
    measured = pd.read_csv(tmp_path / "seed_0/frechet.csv").query("method == 'MS-Sync-short'")
    clips = measured.groupby("frames").clips.first()
    assert {str(T): n for T, n in clips.items()} == facts["served"]


def test_hdtf_and_lrs2(corpora, profile, tmp_path):
    "Test clips of 81 frames serve 80; sentences of which most are too short are not refused."
    for name, durations in (("hdtf", [40, 80]), ("lrs2", [40])):
        folder = tmp_path / name
        of = yaml.safe_load(profile.read_text()) | dict(variants=["short", "long"])
        if name == "lrs2":
            of["evaluation"] |= yaml.safe_load(LRS2.read_text())["evaluation"]
        path = tmp_path / f"{name}.yaml"
        path.write_text(yaml.safe_dump(of))
        done = snakemake(*command(path, folder, corpora / name, "corpus.json"))
        assert done.returncode == 0, done.stdout[-8000:]
        facts = json.loads((folder / "corpus.json").read_text())
        assert facts["lengths"]["durations"] == durations
        assert facts["lengths"]["sync"] == durations[-1]
        assert "intervals will be wide" in done.stdout
        if name == "hdtf":
            assert facts["lengths"]["train"] == dict(short=40, long=80)
    assert facts["served"]["40"] < 40


def test_goes_on_after_a_kill(corpora, profile, tmp_path):
    "kill -9 of a whole run leaves no lock; two runs at once are refused."
    args = command(profile, tmp_path, corpora / "hdtf", "corpus.json")
    start = [BIN / "python", "-m", "snakemake", *args]  # nothing imported, as everybody starts it
    log = tmp_path / "log"
    with open(log, "w") as f:
        first = subprocess.Popen(
            start, cwd=ROOT, env={**os.environ, **ENV}, stdout=f, stderr=f, start_new_session=True
        )
        while "== 01_corpus" not in log.read_text():
            assert first.poll() is None, log.read_text()
            time.sleep(0.2)
        second = snakemake(*args)
        assert second.returncode != 0
        assert "another run is at work there" in second.stdout, second.stdout
        os.killpg(first.pid, signal.SIGKILL)
        first.wait()
    done = snakemake(*args)
    assert done.returncode == 0, done.stdout[-4000:]
    with open(tmp_path / ".lock") as f:
        fcntl.flock(f, fcntl.LOCK_EX | fcntl.LOCK_NB)  # free again

    other = command(profile, tmp_path, corpora / "voxceleb2", "corpus.json")
    refused = snakemake(*other, "--dry-run")
    assert refused.returncode != 0
    assert f"holds a study of {corpora / 'hdtf'}, not of" in refused.stdout, refused.stdout
