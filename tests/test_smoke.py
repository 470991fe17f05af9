"""The study runs end to end on its smallest profile; what is done is not done again, and what is wrong is said by name."""
import csv
import io
import json
import shutil
from functools import partial
from pathlib import Path

import nbformat
import pandas as pd
import pytest
import yaml
from conftest import BIN, ROOT, run, snakemake

PROFILE = ROOT / "workflow/profiles/smoke.yaml"
METHODS = {"Ground truth", "Static", "Shuffled audio", "MS-Sync-short", "MS-Sync-long", "MS-Sync-short, shuffled audio",
           "MS-Sync-long, shuffled audio", "multi-scale loss, single-scale generator", "single-scale loss, single-scale generator"}


def study(results: Path, *args: str, profile="smoke", snakefile="workflow/Snakefile", start=snakemake, **config):
    return start("-s", snakefile, "--cores", "2", "--nolock", *args,
                 "--config", f"profile={profile}", f"results={results}", *(f"{k}={v}" for k, v in config.items()))


def outputs(results: Path) -> list[Path]:
    "The files that the workflow names as its outputs."
    table = study(results, "--summary", "--quiet", "all").stdout
    lines = table.splitlines()
    start = next((i for i, line in enumerate(lines) if line.startswith("output_file\t")), None)
    assert start is not None, table
    return [ROOT / row["output_file"] for row in csv.DictReader(io.StringIO("\n".join(lines[start:])), delimiter="\t")]


def planned(done) -> set[str]:
    "The rules that a dry run would run."
    assert done.returncode == 0, done.stdout[-4000:]
    return {line.split()[-1].rstrip(":") for line in done.stdout.splitlines() if line.startswith(("rule ", "localrule "))} - {"all"}


@pytest.fixture(scope="module")
def results(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("study") / "smoke"
    done = study(folder, start=partial(run, BIN / "python", "-m", "snakemake"))    # once as `make study` starts it, imports and all
    assert done.returncode == 0, done.stdout[-8000:]
    for name in ("table2.md", "table3.md", "figure3.png", "figure4.png", "figure5.png", "claims.md"):
        assert f"- `{name}`: " in done.stdout      # the list at the end
    return folder


def test_every_output_is_there(results):
    files = outputs(results)
    assert len(files) > 40
    assert [str(f) for f in files if not f.exists() or f.stat().st_size == 0] == []


def test_table3(results):
    t, sync = pd.read_csv(results / "table3.csv"), pd.read_csv(results / "sync.csv").query("split == 'test'")
    ours, paper = t[t.source == "this run"], t[t.source == "paper, Table 3"]
    assert len(paper) == 8 * 4 and set(ours.method) == METHODS and set(ours.data) == {"simulated corpus"}
    for scoring in ("overlap", "padded"):
        assert {m: sorted(g["level"]) for m, g in ours[ours.scoring == scoring].groupby("method")} == {m: [1, 2, 3, 4] for m in METHODS}
    assert not ours.isna().any().any() and (ours[["off_mean", "off_std", "conf_mean", "conf_std"]] >= 0).all().all()
    for r in ours.itertuples():
        own = sync[(sync.method == r.method) & (sync["level"] == r.level) & (sync.scoring == r.scoring)]
        assert len(own) == own.id.nunique() == 6 and abs(own.confidence.mean() - r.conf_mean) < 1e-4 and abs(own.offset.abs().mean() - r.off_mean) < 1e-4
    text = (results / "table3.md").read_text()
    assert "3.62 ± 0.52" in text and "nan" not in text.lower()      # MS-Sync-short at 400 ms in the paper


def test_table2(results):
    t = pd.read_csv(results / "table2.csv")
    ours = t[t.source == "this run"]
    assert (t.source == "paper, Table 2").sum() == 6 * 11
    assert set(ours.method) == METHODS - {"Ground truth", "Shuffled audio"} | {"Ground truth, other clips"}
    expected = {(40, "FFD"), (40, "FMD_40"), *((d, m) for d in (80, 200) for m in ("FFD", "FMD_40", "FMD_80"))}
    for method, rows in ours.groupby("method"): assert set(zip(rows.duration_frames, rows.metric)) == expected, method
    assert not ours.isna().any().any() and (ours.value >= 0).all()
    ratios = pd.read_csv(results / "dynamics_ratios.csv")
    assert not ratios.isna().any().any() and set(ratios.frames) == {40, 80, 200}
    truth = ratios[ratios.method == "Ground truth"].drop(columns=["method", "frames", "shape_residual"])
    assert ((truth - 1).abs() < 1e-4).all().all()
    assert (ratios[ratios.method == "Static"][["lip_speed", "head_speed"]].abs() < 1e-9).all().all()


def test_claims(results):
    c = pd.read_csv(results / "claims.csv")
    assert not c.isna().any().any() and (c.low <= c.high).all() and set(c.holds) <= {"yes", "no"}
    conf = c[c.claim.str.startswith("AV-Conf")]
    assert len(conf) == 2 * 4 * 3 + 4 and ((conf.low > 0) == (conf.holds == "yes")).all()
    for part in ("lip speed", "head speed", "shape residual", "FMD_40 below", "FMD_80 below"):
        assert set(c[c.claim.str.contains(part)].method) == {"MS-Sync-short", "MS-Sync-long"}


def test_figure5_has_all_trainings(results):
    t = pd.read_csv(results / "figure5.csv")
    assert set(t.variant) == {"short", "long", "multi_single", "single_single"}
    assert not t[[f"AV-Conf_{i}" for i in range(1, 5)] + ["lip_speed", "head_speed", "shape_residual"]].isna().any().any()
    assert (t.groupby("variant").step.max() == 14).all()


def test_record(results):
    record = json.loads((results / "run.json").read_text())
    assert record["profile"] == "smoke" and record["settings"]["training"]["steps"] == 12 and record["corpus"]["clips"] == 24
    assert len(record["seconds"]) == 9 and all(s > 0 for s in record["seconds"].values())


def test_second_run_does_nothing(results):
    done = study(results)
    assert done.returncode == 0 and "Nothing to be done" in done.stdout, done.stdout[-4000:]


def test_deleted_picture_is_noticed(results):
    "And what it took hours to train comes from its checkpoint."
    (results / "generator_short.png").rename(results / "kept.png")
    rules = planned(study(results, "--dry-run"))
    (results / "kept.png").rename(results / "generator_short.png")
    assert rules == {"generator", "evaluate", "report"}


def test_deleted_table_reruns_the_report_only(results):
    before = (results / "table3.csv").read_bytes()
    (results / "table3.csv").unlink()
    assert planned(study(results, "--dry-run")) == {"report"}
    done = study(results)
    assert done.returncode == 0 and (results / "table3.csv").read_bytes() == before, done.stdout[-4000:]


@pytest.mark.parametrize("section, change, rules", [
    ("discriminators", dict(hidden=16), {"generator", "evaluate", "report"}),
    ("metric_syncers", dict(margin=3), {"syncers", "generator", "evaluate", "report"}),
    ("evaluation", dict(sequences=1), {"report"}),
])
def test_changed_section_reruns_what_depends_on_it(results, tmp_path, section, change, rules):
    profile = yaml.safe_load(PROFILE.read_text())
    profile[section] |= change
    (tmp_path / "smoke.yaml").write_text(yaml.safe_dump(profile))
    assert planned(study(results, "--dry-run", profile=tmp_path / "smoke.yaml")) == rules


def test_another_device_reruns_nothing(results):
    assert planned(study(results, "--dry-run", device="cuda")) == set()


# --- a corpus of the user's own, with clips as short as GRID's

def test_given_corpus(tmp_path):
    "Lengths adapt and say so, and nobody's landmarks are drawn or copied."
    from mssync.simulate import simulate_corpus
    simulate_corpus(tmp_path / "mine", clips=24, speakers=12, seconds=3, progress=False)
    profile = yaml.safe_load(PROFILE.read_text())
    for s in ("loss_syncers", "metric_syncers"): profile[s] |= dict(steps=4, eval_every=4)
    profile["motion_encoder"]["steps"] = 4
    profile["training"] |= dict(steps=2, decay_steps=0, eval_every=2)
    profile["variants"] = {v: profile["variants"][v] for v in ("short", "long")}      # both lengths; the study above has the ablations
    (tmp_path / "tiny.yaml").write_text(yaml.safe_dump(profile))
    before = {f: f.read_bytes() for f in (tmp_path / "mine").rglob("*") if f.is_file()}
    folder = tmp_path / "out"
    done = study(folder, profile=tmp_path / "tiny.yaml", corpus=tmp_path / "mine")
    assert done.returncode == 0, done.stdout[-8000:]
    after = {f: f.read_bytes() for f in (tmp_path / "mine").rglob("*") if f.is_file()}
    assert {f: b for f, b in after.items() if f.name != "packed.safetensors"} == before
    assert json.loads((folder / "corpus.json").read_text())["lengths"]["durations"] == [40, 72]
    for table in ("table2.md", "table3.md", "claims.md"): assert "reduced" in (folder / table).read_text() and "corpus mine" in (folder / table).read_text()
    assert {f"FMD_{n}" for n in (40, 72)} <= set(pd.read_csv(folder / "table2.csv").metric)
    assert not pd.read_csv(folder / "table3.csv").query("source == 'this run'").isna().any().any()
    assert not (folder / "figure4.png").exists() and not list(folder.rglob("*.mp4")) and not (folder / "corpus").exists()


# --- videos are ingested first, in shards that could be jobs of a cluster

def test_videos_become_the_corpus(tmp_path):
    from mssync.ingest import ingest
    from mssync.video import sample_video
    for i in range(9): sample_video(tmp_path / f"videos/s{i}/v{i}.mp4", frames=30, sway=3 + i)
    (tmp_path / "videos/s0/empty.mp4").touch()
    done = study(tmp_path / "out", "ingest", videos=tmp_path / "videos", shards=2)
    assert done.returncode == 0, done.stdout[-4000:]
    made = tmp_path / "out/ingested/videos"
    ingest(tmp_path / "videos", tmp_path / "once", jobs=0, progress=False)
    assert (made / "clips.csv").read_bytes() == (tmp_path / "once/clips.csv").read_bytes()
    assert sorted(pd.read_csv(made / "report.csv").reason.dropna()) == ["empty file"]
    assert not planned(study(tmp_path / "out", "--dry-run", "ingest", videos=tmp_path / "videos", shards=2))
    assert {"corpus", "report"} <= planned(study(tmp_path / "out", "--dry-run", videos=tmp_path / "videos", shards=2))
    (tmp_path / "videos/s0/empty.mp4").write_text("another")
    assert planned(study(tmp_path / "out", "--dry-run", "ingest", videos=tmp_path / "videos", shards=2)) == {"ingest_shard", "ingest"}


def test_grid_is_downloaded(tmp_path):
    "Planned only: the archive is tried in the notebook on downloads, against a server of its own."
    assert {"download", "ingest_shard", "ingest", "corpus", "report"} <= planned(study(tmp_path / "out", "--dry-run", profile="grid"))
    assert "download" not in planned(study(tmp_path / "out", "--dry-run", profile="grid", videos=tmp_path))


# --- what is wrong is said by name

@pytest.mark.parametrize("given, told", [(dict(videos="nowhere"), "nowhere: no such folder of videos"), (dict(videos=".", corpus="."), "both given"),
                                         (dict(videos=".", layout="gird"), "unknown layout 'gird': choose from folder, grid"), (dict(video="."), "unknown option 'video'"),
                                         (dict(videos=".", shards="no"), "shards is 'no'"), (dict(videos=".", options="fast"), "KEY=VALUE pairs")])
def test_bad_options(tmp_path, given, told):
    done = study(tmp_path / "out", "--dry-run", **given)
    assert done.returncode != 0 and told in done.stdout and not (tmp_path / "out").exists()


def test_unknown_profile(tmp_path):
    done = study(tmp_path, profile="smokee")
    assert done.returncode != 0 and "smokee: no such profile, did you mean 'smoke'?" in done.stdout


def test_unknown_key(tmp_path):
    (tmp_path / "mine.yaml").write_text(PROFILE.read_text().replace("lr_g:", "lr_gen:"))
    done = study(tmp_path / "out", profile=tmp_path / "mine.yaml")
    assert done.returncode != 0 and "section training: unknown key 'lr_gen', did you mean 'lr_g'?" in done.stdout and "mine.yaml" in done.stdout
    assert not (tmp_path / "out").exists()


def test_half_written_corpus(tmp_path):
    (tmp_path / "half/clips").mkdir(parents=True)
    (tmp_path / "half/clips/a.safetensors").write_bytes(b"")
    done = study(tmp_path / "out", corpus=tmp_path / "half")
    assert done.returncode != 0 and "half: no clips.csv, though 1 clips are there" in done.stdout


def test_wrong_parameter(tmp_path):
    done = run(BIN / "python", "-m", "mssync.study", "run", "nbs/study/02_syncers.ipynb", tmp_path / "o.ipynb", "rolle=loss")
    assert done.returncode == 1 and "02_syncers.ipynb: unknown parameter 'rolle', did you mean 'role'?" in done.stdout
    assert list(tmp_path.iterdir()) == []


def test_failing_notebook_stops_with_its_name(tmp_path):
    shutil.copytree(ROOT / "workflow", tmp_path / "workflow")
    shutil.copytree(ROOT / "nbs/study", tmp_path / "nbs/study")
    nb = nbformat.read(tmp_path / "nbs/study/01_corpus.ipynb", 4)
    nb.cells.insert(3, nbformat.v4.new_code_cell("1 / 0"))
    nbformat.write(nb, tmp_path / "nbs/study/01_corpus.ipynb")
    done = study(tmp_path / "out", snakefile=tmp_path / "workflow/Snakefile")
    assert done.returncode != 0
    assert "01_corpus.ipynb failed in cell" in done.stdout and "ZeroDivisionError" in done.stdout and "== 02_syncers" not in done.stdout
    assert [f.name for f in (tmp_path / "out/notebooks").iterdir()] == ["01_corpus.failed.ipynb"]
