"""The study runs end to end on its smallest profile; what is done is not done again."""

import csv
import io
import json
import re
import shutil
from pathlib import Path

import nbformat
import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from conftest import ROOT, quick_python, run, snakemake

from mssync.metrics.synchrony import av_scores
from mssync.model.generator import generate
from mssync.model.weights import read_tensors
from mssync.study.run import Study

PROFILE = ROOT / "workflow/profiles/smoke.yaml"
SEEDS = [0, 1]
METHODS = {
    "Ground truth",
    "Static",
    "Shuffled audio",
    "Mean motion",
    "Retrieval",
    "MS-Sync-short",
    "MS-Sync-long",
    "MS-Sync-short, shuffled audio",
    "MS-Sync-long, shuffled audio",
    "multi-scale loss, single-scale generator",
    "single-scale loss, single-scale generator",
    "Wav2Lip-style",
}
PARTS = {
    f"Ground truth, {part} only{heard}"
    for part in ("lips", "head")
    for heard in ("", ", shuffled audio")
}  # for the synchrony alone
TOLD = {"report", "claims", "page"}  # what reads a new measurement


def study(
    results: Path,
    *args: str,
    profile="smoke",
    snakefile="workflow/Snakefile",
    env=None,
    **config,
):
    "The study, or with other arguments what Snakemake says of it."
    given = [f"profile={profile}", f"results={results}", *(f"{k}={v}" for k, v in config.items())]
    return snakemake(
        "-s", snakefile, "--cores", "2", "--nolock", *args, "--config", *given, env=env
    )


def outputs(results: Path) -> list[Path]:
    "The files that the workflow names as its outputs."
    table = study(results, "--summary", "--quiet", "all").stdout
    lines = table.splitlines()
    start = next((i for i, line in enumerate(lines) if line.startswith("output_file\t")), None)
    assert start is not None, table
    rows = csv.DictReader(io.StringIO("\n".join(lines[start:])), delimiter="\t")
    return [ROOT / row["output_file"] for row in rows]


def planned(done) -> set[str]:
    "The rules that a dry run would run."
    assert done.returncode == 0, done.stdout[-4000:]
    starts = [s for s in done.stdout.splitlines() if s.startswith(("rule ", "localrule "))]
    return {s.split()[-1].rstrip(":") for s in starts} - {"all"}


def planned_seeds(done) -> dict[str, set[int]]:
    "Of which seeds each rule would be run."
    assert done.returncode == 0, done.stdout[-4000:]
    job = r"^rule (\w+):\n(?:    .*\n)*?    wildcards: .*?seed=(\d+)"
    jobs = re.findall(job, done.stdout, re.M)
    return {rule: {int(s) for r, s in jobs if r == rule} for rule, _ in jobs}


def measured(results: Path, name: str) -> pd.DataFrame:
    "A table of all seeds, one row a clip."
    return pd.concat([pd.read_csv(results / f"seed_{s}/{name}.csv").assign(seed=s) for s in SEEDS])


def check_rows(rows: pd.DataFrame):
    "Each number has its interval around it, both seeds, and their deviation."
    assert (rows.seeds == len(SEEDS)).all()
    assert not rows[["mean", "low", "high", "seeds_std", "seed_0", "seed_1"]].isna().any().any()
    slack = 1e-4 * rows["mean"].abs() + 1e-6  # the file's digits
    assert (rows.low <= rows["mean"] + slack).all()
    assert (rows["mean"] <= rows.high + slack).all()
    of_seeds = 1e-4 * (rows.seed_0.abs() + rows.seed_1.abs())
    mean = (rows.seed_0 + rows.seed_1) / 2
    assert (mean - rows["mean"]).abs().le(slack + of_seeds).all()
    deviation = (rows.seed_0 - rows.seed_1).abs() / 2**0.5
    assert (deviation - rows.seeds_std).abs().le(of_seeds + 1e-6).all()


@pytest.fixture(scope="module")
def results(smoke) -> Path:
    return smoke


def test_what_is_there_is_listed(results):
    "The list at the end of the study."
    told = results.with_suffix(".log").read_text()
    tables = ("table2.md", "table3.md", "lips.md", "heads.md", "claims.md")
    for name in (*tables, "figure3.png", "figure4.png", "figure5.png"):
        assert f"- `{name}`: " in told


def test_every_output_is_there(results):
    files = outputs(results)
    assert len(files) > 80
    assert [str(f) for f in files if not f.exists() or f.stat().st_size == 0] == []


def test_table3(results):
    t = pd.read_csv(results / "table3.csv")
    sync = measured(results, "sync").query("split == 'test'")
    ours = t[t.source == "this run"]
    paper = t[t.source == "paper, Table 3"]
    assert len(paper) == 2 * 8 * 4
    assert set(ours.method) == METHODS | PARTS
    assert set(ours.data) == {"simulated corpus"}
    assert len(ours) == len(METHODS | PARTS) * 4 * 2 * 2
    assert not ours.duplicated(["method", "level", "scoring", "metric"]).any()
    check_rows(ours)
    assert (ours[["mean", "std"]] >= 0).all().all()
    assert (ours.clips == 10).all()
    assert (ours.drawn == "clips").all()  # too few speakers to draw them
    for r in ours.itertuples():
        where = (sync.method == r.method) & (sync["level"] == r.level)
        own = sync[where & (sync.scoring == r.scoring)]
        v = own.confidence if r.metric == "AV-Conf" else own.offset.abs()
        means = v.groupby(own.seed).mean()
        assert len(own) == 2 * 10
        assert own.id.nunique() == 10
        assert abs(v.mean() - r.mean) < 1e-3
        assert abs(means.std() - r.seeds_std) < 1e-3
        assert abs(v.groupby(own.seed).var(ddof=0).mean() ** 0.5 - r.std) < 1e-3
    text = (results / "table3.md").read_text()
    assert "3.62 ± 0.52" in text  # MS-Sync-short at 400 ms in the paper
    assert "nan" not in text.lower()
    where = (ours.method == "Retrieval") & (ours["level"] == 1)
    r = ours[where & (ours.scoring == "overlap") & (ours.metric == "AV-Conf")].iloc[0]
    value = f"{r['mean']:.1f} ± {r.seeds_std:.1f}"
    assert re.search(rf"\| Retrieval +\| (\*\*)?{value}(\*\*)? ", text)
    assert "## The ablation: loss x generator" in text


def test_judge_and_loss_are_strangers(results):
    """The syncers that score have learned from no clip of the loss syncers', share no weight with
    them, and are those whose scores stand in the tables and on the curve of a training."""
    clips = pd.read_csv(results / "corpus/clips.csv").set_index("id").split
    study = Study("smoke", results, seed=0)
    nets = {}
    for role, split in (("loss", "train"), ("metric", "metric")):
        _, about = read_tensors(study.folder / f"syncers_{role}.safetensors")
        assert (about["meta"]["split"], about["meta"]["clips"]) == (split, (clips == split).sum())
        assert set(study.packed(split).index.id) == set(clips.index[clips == split])
        nets[role] = study.network(f"syncers_{role}")
    pairs = zip(nets["loss"].parameters(), nets["metric"].parameters())
    assert not any(torch.equal(a, b) for a, b in pairs)

    x, a, ids = study.packed("test").windows(study.lengths["sync"])
    sync = measured(results, "sync").query("split == 'test' and scoring == 'overlap' and seed == 0")
    stored = sync[sync.method == "Ground truth"].pivot(index="id", columns="level")["confidence"]
    for role, same in (("metric", True), ("loss", False)):
        found = av_scores(nets[role], x[:, 1:], a[:, 4:])["confidence"]
        assert np.allclose(found, stored.loc[ids], atol=1e-4) == same

    x, a, _ = study.packed("val").windows(study.lengths["sync"])
    made = generate(study.network("generator_short"), x[:, 0], a, 0)
    curve = pd.read_csv(study.folder / "generator_short.csv").iloc[-1].filter(like="AV-Conf")
    found = av_scores(nets["metric"], made[:, 1:], a[:, 4:])["confidence"].mean(0)
    assert np.allclose(found, curve.to_numpy(float), atol=1e-3)


def test_seeds_are_other_trainings_on_the_same_clips(results):
    sync = measured(results, "sync")
    a, b = (sync[sync.seed == s].reset_index(drop=True) for s in SEEDS)
    what = ["method", "scoring", "id", "level", "speaker"]
    assert a[what].equals(b[what])
    assert not a.confidence.equals(b.confidence)
    dynamics = pd.read_csv(results / "dynamics_ratios.csv")
    spread = dynamics.groupby("method").seeds_std.max()
    # what is trained differs, and only that
    assert (spread[["Ground truth", "Static", "Mean motion", "Retrieval"]] == 0).all()
    assert (spread[["MS-Sync-short", "MS-Sync-long"]] > 0).all()


def test_table2(results):
    t = pd.read_csv(results / "table2.csv")
    ours = t[t.source == "this run"]
    assert (t.source == "paper, Table 2").sum() == 6 * 11
    assert set(ours.method) == METHODS - {"Ground truth"} | {"Ground truth, other clips"}
    short = ("FFD", "FD_velocity", "FD_pose", "FMD_40")
    expected = {(40, m) for m in short}
    expected |= {(d, m) for d in (80, 200) for m in (*short, "FMD_80")}
    for method, rows in ours.groupby("method"):
        assert set(zip(rows.duration_frames, rows.metric)) == expected, method
    check_rows(ours)
    assert not ours.bias.isna().any()
    assert (ours[ours.method == "Static"].clips == 10).all()
    # 5 speakers here, 8 there
    assert set(ours.drawn[ours.method == "Static"]) == {"clips"}
    assert set(ours.drawn[ours.method == "Ground truth, other clips"]) == {"speakers and clips"}
    raw = measured(results, "frechet")
    assert not raw.isna().any().any()
    for r in ours.itertuples():
        where = (raw.method == r.method) & (raw.frames == r.duration_frames)
        own = raw[where & (raw.metric == r.metric)].sort_values("seed")
        less = own.value - own.bias
        assert abs(less.mean() - r.mean) < 1e-3 * (1 + own.value.abs().max())
        assert abs(less.std() - r.seeds_std) < 1e-3 * (1 + own.value.abs().max())
    # it moves as the ground truth
    assert ours[ours.method == "Shuffled audio"]["mean"].abs().max() < 1e-6

    ratios = pd.read_csv(results / "dynamics_ratios.csv")
    check_rows(ratios)
    assert set(ratios.frames) == {40, 80, 200}
    assert set(ratios.method) == METHODS
    real = ratios.method.isin(["Ground truth", "Shuffled audio"])
    truth = ratios[real & ~ratios.metric.isin(["shape_residual", "deformation"])]
    assert ((truth["mean"] - 1).abs() < 1e-4).all()
    still = ratios[(ratios.method == "Static") & ratios.metric.isin(["lip_speed", "head_speed"])]
    assert (still["mean"].abs() < 1e-9).all()
    text = (results / "table2.md").read_text()
    assert "FVD: not computed, they need `evaluation: {images: true}`" in text
    assert "Bold: the best of what is compared" in text
    assert "| Shuffled audio" not in text  # fixed by construction
    assert "nan" not in text.lower()


def test_lips_and_heads(results):
    lips, heads = (pd.read_csv(results / f"{n}.csv") for n in ("lips", "heads"))
    assert set(lips.method) == METHODS
    assert set(heads.method) == METHODS | {"Ground truth, other clips"}
    check_rows(lips)
    check_rows(heads)

    def get(t, method, metric):
        return t[(t.method == method) & t.metric.str.startswith(metric)]["mean"].item()

    assert get(lips, "Ground truth", "LMD, ") == 0
    assert get(lips, "Ground truth", "Maximum lip error") == 0
    assert get(lips, "Retrieval", "LMD, ") > 0
    diversity = get(heads, "Ground truth", "Head diversity")
    assert get(heads, "Static", "Head diversity") == 0
    assert diversity > 0
    assert get(heads, "Shuffled audio", "Head diversity") == diversity

    sets = measured(results, "sets")
    assert not sets.isna().any().any()
    names = ("diversity, %", "spectrum distance, dB")
    assert set(sets.metric) == {f"{r} {m}" for r in ("Head", "Lips") for m in names}
    for r in heads[heads.metric.isin(sets.metric)].itertuples():
        own = sets[(sets.method == r.method) & (sets.metric == r.metric)]
        assert abs((own.value - own.bias).mean() - r.mean) < 1e-3 * (1 + own.value.abs().max())

    # some clips have no pause, and do not count
    per_clip = measured(results, "lips")
    quiet = per_clip[per_clip.silent_frames > 0]
    assert 5 <= quiet.sound.nunique() < per_clip.sound.nunique()
    pauses = {"Opening in pauses": "silent_opening", "Lip speed in pauses": "silent_speed"}
    for name, column in pauses.items():
        for method in METHODS:
            told = get(lips, method, name)
            mean = quiet[quiet.method == method][column].mean()
            assert abs(told - mean) < 1e-4 * (1 + told)

    assert get(heads, "Static", "Head spectrum") == 40
    assert get(heads, "Shuffled audio", "Head spectrum") == 0
    beats = (
        measured(results, "heads")
        .query("method in ['Ground truth', 'Shuffled audio']")
        .pivot_table(index=["seed", "id"], columns="method", values="nod_alignment")
    )
    # the same motion, another sound
    assert (beats["Ground truth"] != beats["Shuffled audio"]).any()
    for name in ("lips.md", "heads.md"):
        assert "nan" not in (results / name).read_text().lower()


def test_drift_goes_on_beyond_the_clips(results):
    drift = measured(results, "drift")
    ends = drift.groupby(["seed", "method"]).frame.max().unstack("seed")
    assert (ends.drop("Ground truth") == 240).all(axis=None)
    assert (ends.loc["Ground truth"] < 240).all()
    ablations = {m for m in METHODS if "generator" in m}
    own = {"Ground truth", "Static", "MS-Sync-short", "MS-Sync-long", "Wav2Lip-style"}
    assert set(drift.method) == own | ablations
    static = drift[drift.method == "Static"]
    assert (static.position == 0).all()
    assert not drift[["position", "size", "residual"]].isna().any().any()


def test_claims(results):
    c = pd.read_csv(results / "claims.csv", dtype=dict(letter=str))
    n = len(SEEDS)
    m = c[c.verdict != "not measured"]
    assert list(dict.fromkeys(c.letter)) == list("0abcdefghi")
    assert (c.why.notna() == (c.verdict == "not measured")).all()
    assert not m[["value", "low_trainings", "high_trainings", "seeds_std"]].isna().any().any()
    assert (m.low.isna() == m.measure.str.startswith("drift")).all()
    assert (m.seeds == n).all()
    assert m.seeds_holding.between(0, n).all()
    for r in m.itertuples():  # true of both whole intervals, or of neither
        spans = ((r.low, r.high), (r.low_trainings, r.high_trainings))
        both = [(low, high) for low, high in spans if low == low]
        inside = all(r.least < low and high < r.most for low, high in both)
        below = all(high < r.least for _, high in both)
        above = all(low > r.most for low, _ in both)
        out = below or above
        assert (r.verdict == "holds") == inside, r
        assert (r.verdict == "does not hold") == out, r
    conf = m[(m.letter == "0") & (m.measure == "AV-Conf")]
    assert len(conf) == 2 * 5 * 4
    assert (conf.b == "Retrieval").sum() == 8  # SUHMo is no variant of this profile
    assert set(c[c.b == "suhmo"].why) == {"suhmo is not trained"}
    assert (c[c.letter == "g"].verdict == "not measured").all()
    assert not (c[c.letter == "h"].verdict == "not measured").any()
    assert not (c[c.letter == "i"].verdict == "not measured").any()
    assert set(c[c.letter == "i"].b) == {"Wav2Lip-style"}
    sync = (
        measured(results, "sync")
        .query("split == 'test' and scoring == 'overlap' and level == 2")
        .pivot_table(index=["seed", "id"], columns="method", values="confidence")
    )
    d = (sync["MS-Sync-long"] - sync["Retrieval"]).groupby("seed").mean()
    where = (conf.a == "MS-Sync-long") & (conf.b == "Retrieval")
    r = conf[where & (conf.place == "400 ms")].iloc[0]
    assert abs(d.mean() - r.value) < 1e-4
    assert r.seeds_holding == (d > 0).sum()
    assert abs(d.std() - r.seeds_std) < 1e-4

    pairs = measured(results, "frechet_pairs")
    raw = measured(results, "frechet").set_index(["seed", "frames", "metric", "method"]).value
    compared = {("MS-Sync-short", "Static"), ("MS-Sync-long", "MS-Sync-short")}
    assert compared <= set(zip(pairs.a, pairs.b))
    for r in pairs.itertuples():  # the distances of the table, one less the other
        a, b = (raw[(r.seed, r.frames, r.metric, m)] for m in (r.a, r.b))
        assert abs(r.value - (a - b)) < 1e-4 * (abs(a) + abs(b) + 1)
        assert r.clips == 10


def test_page(results):
    "One file that shows everything and loads nothing."
    page = (results / "report.html").read_text()
    for part in ("Table 1", "Table 5", "Figure 1", "Figure 5"):
        assert part in page, part
    for kind in ("video/mp4", "image/png"):
        assert f"data:{kind};base64," in page, kind
    assert not re.search(r"""(src|href)=["']?(https?:)?//[^"']*\.(js|css|png|mp4)""", page)


def test_budgets(results):
    "What the baseline was given stands beside what MS-Sync was given: the same steps."
    text = (results / "budgets.md").read_text()
    lines = [r.split("|") for r in text.splitlines() if r.startswith("|")]
    rows = {r[1].strip(): r[2:] for r in lines}
    assert {"MS-Sync-short", "MS-Sync-long", "Wav2Lip-style"} <= set(rows)
    assert rows["Wav2Lip-style"][1].strip() == rows["MS-Sync-short"][1].strip() == "4"
    for s in SEEDS:
        log = pd.read_csv(results / f"seed_{s}/baseline_wav2lip.csv")
        assert log.step.iloc[-1] == 4
        assert not log.isna().any().any()


def test_figure5_has_all_trainings(results):
    t = pd.read_csv(results / "figure5.csv")
    assert set(t.variant) == {"short", "long", "multi_single", "single_single"}
    numbers = [f"AV-Conf_{i}" for i in range(1, 5)]
    numbers += ["lip_speed", "head_speed", "shape_residual"]
    assert not t[numbers].isna().any().any()
    assert (t.groupby(["variant", "seed"]).step.max() == 4).all()
    assert t.groupby("variant").seed.nunique().eq(2).all()


def test_calibration(results):
    "What the metrics say about planted errors is measured, with intervals and seeds."
    shift, rows = (pd.read_csv(results / f"calibration_{n}.csv") for n in ("shift", "rows"))
    assert set(shift["level"]) == {1, 2, 3, 4}
    assert set(shift.metric) == {"right", "near", "follows", "error_ms"}
    references = {"Ground truth", "Retrieval", "Mean motion", "Static", "Shuffled audio"}
    assert set(rows.method) == references
    check_rows(shift)
    check_rows(rows)

    damage = pd.read_csv(results / "calibration_damage.csv")
    assert set(damage.seed) == {0, 1}
    assert not damage.drop(columns=["bias", "low", "high"]).isna().any().any()
    # measures of sets have intervals at both ends only
    last = damage.groupby("damage").step.transform("max")
    ends = damage[damage.step.eq(0) | damage.step.eq(last)]
    assert (ends.low <= ends.high).all()
    assert (damage.low <= damage.high)[damage.low.notna()].all()
    distances = ["lmd", "lmd_front", "max_lip_error", "opening_difference"]
    own = damage[(damage.step == 0) & damage.measure.isin(distances)]
    assert (own.value.abs() < 1e-4).all()  # undamaged, a clip is its own original
    noise = damage[(damage.damage == "noise") & (damage.measure == "lmd")].sort_values("step").value
    assert noise.is_monotonic_increasing
    assert noise.iloc[-1] > 1

    coupling = pd.read_csv(results / "calibration_coupling.csv")
    scales = (200, 400, 800, 1600)
    changed = {f"{ms} ms {what}" for ms in scales for what in ("removed", "alone")}
    assert set(coupling.method) == changed
    text = (results / "calibration.md").read_text()
    assert "nan" not in text.lower()
    assert text.count("seeds ") > 50


def test_record(results):
    record = json.loads((results / "run.json").read_text())
    assert record["profile"] == "smoke"
    assert record["settings"]["training"]["steps"] == 1
    assert record["corpus"]["clips"] == 48
    assert record["seeds"] == SEEDS
    assert len(record["seconds"]) == 1 + 2 * 9
    assert all(s > 0 for s in record["seconds"].values())


def test_second_run_does_nothing(results):
    done = study(results)
    assert done.returncode == 0, done.stdout[-4000:]
    assert "Nothing to be done" in done.stdout, done.stdout[-4000:]


def test_deleted_picture_is_noticed(results):
    "And what it took hours to train comes from its checkpoint."
    (results / "seed_1/generator_short.png").rename(results / "kept.png")
    done = study(results, "--dry-run")
    (results / "kept.png").rename(results / "seed_1/generator_short.png")
    assert planned(done) == {"generator", "evaluate", "truth", *TOLD}
    assert planned_seeds(done) == {"generator": {1}, "evaluate": {1}}


AFTER_GENERATORS = {"generator", "evaluate", "truth", *TOLD}
AFTER_SYNCERS = {"syncers", "baseline", "calibration", *AFTER_GENERATORS}
CHANGES = [
    ("discriminators", dict(hidden=16), AFTER_GENERATORS),
    ("metric_syncers", dict(margin=3), AFTER_SYNCERS),
    ("baseline_training", dict(lr=1e-3), {"baseline", "evaluate", "truth", *TOLD}),
    ("evaluation", dict(sequences=1), TOLD),
]


@pytest.mark.parametrize("section, change, rules", CHANGES)
def test_changed_section_reruns_what_depends_on_it(results, tmp_path, section, change, rules):
    profile = yaml.safe_load(PROFILE.read_text())
    profile[section] |= change
    (tmp_path / "smoke.yaml").write_text(yaml.safe_dump(profile, sort_keys=False))
    assert planned(study(results, "--dry-run", profile=tmp_path / "smoke.yaml")) == rules


def test_another_frame_of_reference_trains_all_anew(results, tmp_path):
    profile = yaml.safe_load(PROFILE.read_text()) | dict(reference="fixed")
    for section in ("loss_syncers", "metric_syncers"):
        profile[section]["augment"] = ["stretch"]  # without `swap`, which needs faces of one size
    (tmp_path / "smoke.yaml").write_text(yaml.safe_dump(profile, sort_keys=False))
    rules = {"motion_encoder", *AFTER_SYNCERS}
    assert planned(study(results, "--dry-run", profile=tmp_path / "smoke.yaml")) == rules


def test_another_device_reruns_nothing(results):
    assert planned(study(results, "--dry-run", device="cuda")) == set()


def test_another_seed_adds_its_own_only(results):
    done = study(results, "--dry-run", seeds="0,1,2")
    of_a_seed = {"syncers", "motion_encoder", "generator", "baseline", "evaluate"}
    assert planned(done) == of_a_seed | {"calibration", "truth", *TOLD}
    assert planned_seeds(done) == {rule: {2} for rule in of_a_seed}


def test_fewer_seeds_train_nothing(results):
    assert planned(study(results, "--dry-run", seeds=1)) == {"calibration", "truth", *TOLD}


def test_deleted_table_reruns_the_report_only(results):
    "The last of these tests: what reads the new report is not made again."
    before = (results / "table3.csv").read_bytes()
    (results / "table3.csv").unlink()
    assert planned(study(results, "--dry-run")) == TOLD
    done = study(results, str(results / "table3.csv"))
    assert done.returncode == 0, done.stdout[-4000:]
    assert (results / "table3.csv").read_bytes() == before, done.stdout[-4000:]


# --- a corpus of the user's own, with clips as short as GRID's


def bytes_in(folder: Path) -> dict[Path, bytes]:
    return {f: f.read_bytes() for f in folder.rglob("*") if f.is_file()}


def tiny_profile() -> dict:
    "One seed, few steps, both lengths and a sweep; the study above has the ablations."
    profile = yaml.safe_load(PROFILE.read_text())
    for s in ("loss_syncers", "metric_syncers"):
        profile[s] |= dict(steps=4, eval_every=4)
    profile["motion_encoder"]["steps"] = 4
    profile["seeds"] = [1]
    # the networks for images are not there, and the report says why
    profile["evaluation"] |= dict(images=True, raster="points", last=1)
    profile["training"] |= dict(steps=2, decay_steps=0, eval_every=2)
    profile["variants"] = {v: profile["variants"][v] for v in ("short", "long")}
    for n in (4, 6):
        profile["variants"][f"clips_{n}"] = dict(label=f"{n} clips", training=dict(clips=n))
    profile["baselines"] = []
    return profile


def weights_to_begin_with(folder: Path, profile: dict) -> dict[str, str]:
    "Random networks of the profile's shapes, in files."
    from mssync.model.generator import Generator, GeneratorConfig
    from mssync.model.syncer import SyncerConfig, SyncerPyramid
    from mssync.model.weights import save_model

    made = {
        "loss_syncers": SyncerPyramid(SyncerConfig(**profile["syncer"])),
        "generator": Generator(GeneratorConfig(**profile["generator"])),
    }
    for name, network in made.items():
        save_model(folder / f"{name}.safetensors", network)
    return {name: str(folder / f"{name}.safetensors") for name in made}


def somebodys_corpus(folder: Path):
    "A corpus that passes for recorded people."
    from mssync.data.corpus import read_index, write_index
    from mssync.simulate.clips import simulate_corpus

    simulate_corpus(folder, clips=24, speakers=12, seconds=3, progress=False)
    write_index(folder, read_index(folder).assign(source="somebody"))


def test_given_corpus(tmp_path, smoke):
    "Lengths adapt and say so; nobody's landmarks are drawn; one seed has no deviation."
    somebodys_corpus(tmp_path / "mine")
    profile = tiny_profile()
    profile["start"] = weights_to_begin_with(tmp_path, profile)
    (tmp_path / "tiny.yaml").write_text(yaml.safe_dump(profile))
    before = bytes_in(tmp_path / "mine")
    folder = tmp_path / "out"
    absent = {f"MSSYNC_{n}": str(tmp_path / f"{n}.pt") for n in ("INCEPTION", "I3D")}
    done = study(
        folder,
        profile=tmp_path / "tiny.yaml",
        corpus=tmp_path / "mine",
        env=absent,
    )
    assert done.returncode == 0, done.stdout[-8000:]
    after = bytes_in(tmp_path / "mine")
    assert {f: b for f, b in after.items() if f.name != "packed.safetensors"} == before

    assert json.loads((folder / "corpus.json").read_text())["lengths"]["durations"] == [40, 72]
    for table in ("table2.md", "table3.md", "claims.md"):
        assert "reduced" in (folder / table).read_text()
        assert "corpus mine" in (folder / table).read_text().lower()
    assert {f"FMD_{n}" for n in (40, 72)} <= set(pd.read_csv(folder / "table2.csv").metric)
    table3 = pd.read_csv(folder / "table3.csv")
    assert not table3.query("source == 'this run'").isna().any().any()
    assert "seeds_std" not in table3
    assert "seed_1" in table3
    for table in ("table2.md", "table3.md", "lips.md", "heads.md"):
        assert ", one seed" in (folder / table).read_text()
        assert "nan" not in (folder / table).read_text().lower()
    assert (folder / "sweep.png").is_file()
    assert "How much of it?" in (folder / "report.html").read_text()
    for what, n in (("FID and t-FID", "INCEPTION"), ("FVD", "I3D")):
        told = f"{what}: not computed, {tmp_path / n}.pt: no such file"
        assert told in (folder / "table2.md").read_text()
    assert set(pd.read_csv(folder / "seed_1/images.csv").raster) == {"points"}
    assert not (folder / "figure4.png").exists()
    assert not list(folder.rglob("*.mp4"))
    assert not (folder / "corpus").exists()
    for name, start in profile["start"].items():
        assert f"; begins with {start}" in done.stdout, name
    profile["start"] = {}  # whose weights do not say what they have learned from
    (tmp_path / "tiny.yaml").write_text(yaml.safe_dump(profile))
    check_table4(folder, dict(profile=tmp_path / "tiny.yaml", corpus=tmp_path / "mine"), smoke)


def check_table4(folder: Path, given: dict, lender: Path):
    "Generators of a study of simulated speakers on somebody's corpus; its own are left out."
    plan = planned(study(folder, "--dry-run", "table4", others=lender, **given))
    assert plan - {"syncers"} == {"table4"}  # no generator
    now = "table4", "--forcerun", "table4", "--rerun-triggers", "mtime"
    done = study(folder, *now, others=lender, **given)
    assert done.returncode == 0, done.stdout[-4000:]
    rows = pd.read_csv(folder / "table4.csv")
    names = {f"MS-Sync-{n}, trained on simulated corpus" for n in ("short", "long")}
    assert names | {"Ground truth", "Static"} <= set(rows.method)
    assert set(rows.seeds) == {1}
    assert set(rows.scoring) == {"overlap", "padded"}
    assert pd.read_csv(folder / "table4_left_out.csv").empty
    done = study(folder, *now, others=folder, **given)
    assert done.returncode == 0, done.stdout[-4000:]
    assert set(pd.read_csv(folder / "table4.csv").method) == {"Ground truth", "Static"}
    (why,) = pd.read_csv(folder / "table4_left_out.csv").why
    assert why == "it does not say what it was trained on"  # it began with weights that do not


# --- what lies in the folder of a run, and is not its own


@pytest.fixture(scope="module")
def somebodys(tmp_path_factory) -> Path:
    "A folder of a run with a corpus of somebody's in it, and notes."
    from mssync.simulate.clips import simulate_corpus

    folder = tmp_path_factory.mktemp("somebody")
    simulate_corpus(folder / "corpus", clips=8, speakers=8, seconds=1, progress=False)
    (folder / "corpus/notes.txt").write_text("what was looked at")
    return folder


@pytest.mark.parametrize(
    "simulated, told",
    [
        (False, "holds a corpus that is not simulated"),  # ingested, and corpus= was forgotten
        (True, "a simulated corpus of other settings and something beside it (notes.txt)"),
    ],
)
def test_somebodys_corpus_is_not_touched(somebodys, tmp_path, simulated, told):
    "A run that would simulate its corpus stops before it removes one that it did not make."
    out = tmp_path / "out"
    shutil.copytree(somebodys, out)
    if not simulated:
        (out / "corpus/simulated.json").unlink()
    before = bytes_in(out)

    done = study(out)
    assert done.returncode != 0
    assert told in done.stdout
    assert f"corpus={out / 'corpus'}" in done.stdout  # what to do
    assert bytes_in(out) == before

    notebook = ("nbs/experiments/01_corpus.ipynb", tmp_path / "o.ipynb")
    command = (quick_python(), "-m", "mssync.study.notebooks", "run", *notebook)
    alone = run(*command, "profile=smoke", f"results={out}")
    assert alone.returncode == 1
    assert told in alone.stdout
    assert bytes_in(out) == before


# --- videos are ingested first, in shards that could be jobs of a cluster


def test_videos_become_the_corpus(tmp_path):
    from mssync.data.ingest import ingest
    from mssync.data.video import sample_video

    for i in range(9):
        sample_video(tmp_path / f"videos/s{i}/v{i}.mp4", frames=26, size=180, sway=3 + i)
    (tmp_path / "videos/s0/empty.mp4").touch()
    out = tmp_path / "out"
    given = dict(videos=tmp_path / "videos", shards=2)
    done = study(out, "ingest", **given)
    assert done.returncode == 0, done.stdout[-4000:]
    made = out / "ingested/videos"
    ingest(tmp_path / "videos", tmp_path / "once", jobs=0, progress=False)
    assert (made / "clips.csv").read_bytes() == (tmp_path / "once/clips.csv").read_bytes()
    assert sorted(pd.read_csv(made / "report.csv").reason.dropna()) == ["empty file"]
    assert not planned(study(out, "--dry-run", "ingest", **given))
    assert {"corpus", "report"} <= planned(study(out, "--dry-run", **given))
    (tmp_path / "videos/s0/empty.mp4").write_text("another")
    again = planned(study(out, "--dry-run", "ingest", **given))
    assert again == {"ingest_shard", "ingest"}


def test_grid_is_downloaded(tmp_path):
    "Planned only: the archive is tried in the notebook on downloads, against a server of its own."
    rules = planned(study(tmp_path / "out", "--dry-run", profile="grid"))
    assert {"download", "ingest_shard", "ingest", "corpus", "report"} <= rules
    given = planned(study(tmp_path / "out", "--dry-run", profile="grid", videos=tmp_path))
    assert "download" not in given


# --- what is wrong is said by name


BAD_OPTIONS = [
    (dict(videos="nowhere"), "nowhere: no such folder of videos"),
    (dict(videos=".", corpus="."), "both given"),
    (dict(videos=".", layout="gird"), "unknown layout 'gird': choose from folder, grid"),
    (dict(video="."), "unknown option 'video'"),
    (dict(seed=1), "unknown option 'seed'"),
    (dict(seeds="1,x"), "'1,x' is no list of seeds"),
    (dict(seeds="1,1"), "names a seed twice"),
    (dict(videos=".", shards="no"), "shards is 'no'"),
    (dict(videos=".", options="fast"), "KEY=VALUE pairs"),
]


@pytest.mark.parametrize("given, told", BAD_OPTIONS)
def test_bad_options(tmp_path, given, told):
    done = study(tmp_path / "out", "--dry-run", **given)
    assert done.returncode != 0
    assert told in done.stdout
    assert not (tmp_path / "out").exists()


def test_unknown_profile(tmp_path):
    done = study(tmp_path, profile="smokee")
    assert done.returncode != 0
    assert "smokee: no such profile, did you mean 'smoke'?" in done.stdout


def test_unknown_key(tmp_path):
    (tmp_path / "mine.yaml").write_text(PROFILE.read_text().replace("lr_g:", "lr_gen:"))
    done = study(tmp_path / "out", profile=tmp_path / "mine.yaml")
    assert done.returncode != 0
    assert "section training: unknown key 'lr_gen', did you mean 'lr_g'?" in done.stdout
    assert "mine.yaml" in done.stdout
    assert not (tmp_path / "out").exists()


def test_half_written_corpus(tmp_path):
    (tmp_path / "half/clips").mkdir(parents=True)
    (tmp_path / "half/clips/a.safetensors").write_bytes(b"")
    done = study(tmp_path / "out", corpus=tmp_path / "half")
    assert done.returncode != 0
    assert "half: no clips.csv, though 1 clips are there" in done.stdout


def test_wrong_parameter(tmp_path):
    command = (quick_python(), "-m", "mssync.study.notebooks", "run")
    notebook = "nbs/experiments/02_syncers.ipynb"
    done = run(*command, notebook, tmp_path / "o.ipynb", "rolle=loss")
    assert done.returncode == 1
    assert "02_syncers.ipynb: unknown parameter 'rolle', did you mean 'role'?" in done.stdout
    assert list(tmp_path.iterdir()) == []


def test_failing_notebook_stops_with_its_name(tmp_path):
    shutil.copytree(ROOT / "workflow", tmp_path / "workflow")
    shutil.copytree(ROOT / "nbs/experiments", tmp_path / "nbs/experiments")
    nb = nbformat.read(tmp_path / "nbs/experiments/01_corpus.ipynb", 4)
    nb.cells.insert(3, nbformat.v4.new_code_cell("1 / 0"))
    nbformat.write(nb, tmp_path / "nbs/experiments/01_corpus.ipynb")
    done = study(tmp_path / "out", snakefile=tmp_path / "workflow/Snakefile")
    assert done.returncode != 0
    assert "01_corpus.ipynb failed in cell" in done.stdout
    assert "ZeroDivisionError" in done.stdout
    assert "== 02_syncers" not in done.stdout
    assert [f.name for f in (tmp_path / "out/notebooks").iterdir()] == ["01_corpus.failed.ipynb"]
