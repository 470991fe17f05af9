# ---
# jupyter:
#   jupytext:
#     cell_metadata_filter: tags,-all
#     notebook_metadata_filter: kernelspec
#     text_representation:
#       extension: .py
#       format_name: percent
#       format_version: '1.3'
#       jupytext_version: 1.19.6
#   kernelspec:
#     display_name: python3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Can the metrics be trusted?
#
# > What was planted, and what each metric says about it
#
# A confidence of 5 and a distance of 13 mean nothing by themselves. Here each metric is given motion whose error is known, because it was planted: sound that comes early or late, coupling that is taken out at one time scale (in the simulated corpus, where it was put in), landmarks that
# tremble, blur, stall or come apart. What a metric does not find here it will not find in generated motion. All clips are of split `test`, which no network has seen; every metric syncer and motion encoder of the study's seeds is tried, and deviations over seeds are those of the *rulers*.

# %% tags=["parameters"]
profile: str = "smoke"              # name of a file in workflow/profiles, or a path to one
results: str = "../../results/smoke"  # folder that everything goes to
corpus: str = ""                    # folder of an ingested corpus; empty: simulate one
seeds: str = ""                     # of the networks, separated by commas; empty: the profile's
device: str = "cpu"                 # cpu, cuda, cuda:1, ...
generated: str = ""                 # folder of ingested videos that other systems made; empty: that section is left out

# %%
import json
from pathlib import Path
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch
from tqdm.auto import tqdm
from mssync.audio import loudness
from mssync.baselines import MeanMotion, Retrieval, shuffled_audio, static
from mssync.calibrate import DAMAGES, damage, monotone, planted_shift, rank_stability
from mssync.dynamics import measures
from mssync.frechet import frame_axes, frechet, frechet_bias, frechet_features, frechet_interval
from mssync.heads import heads_table, spectrum_distance
from mssync.landmarks import normalise
from mssync.lips import lips_table
from mssync.packed import Packed
from mssync.runs import load_model
from mssync.simulate import SCALES, Coupling, draw_speaker, simulate_clip
from mssync.stats import interval
from mssync.study import available_frames, corpus_folder, load_profile, seed_folder, seed_list, shape_space, write_figure, write_table, write_text
from mssync.sync import MultiScaleSync, av_scores
from mssync.tables import legend, over_seeds, summary, wide

settings, results = load_profile(profile), Path(results)
seeds = seed_list(settings, seeds)
folder, facts = corpus_folder(results, corpus), json.loads((results/"corpus.json").read_text())
train, test = (Packed(folder, s, device=device) for s in ("train", "test"))
load = lambda s, name: load_model(seed_folder(results, s)/f"{name}.safetensors", device)
syncers = {s: load(s, "syncers_metric") for s in seeds}
levels, room, texts = next(iter(syncers.values())).levels, 10, {}
md = lambda d: d.to_markdown(index=False, disable_numparse=True)
speaker = dict(zip(test.index.id, test.index.speaker))
data = "simulated corpus" if facts["simulated"] else f"corpus {facts['name']} ({', '.join(facts['sources'])})"
print(f"{data}: {len(test)} test clips of {test.index.speaker.nunique()} speakers; networks of seeds {', '.join(map(str, seeds))}")

# %% [markdown]
# ## Shifts of the sound
#
# The sound of each clip is moved by -10 to +10 frames (±400 ms) against its motion. At level 1 the shift must be found to the frame. At level $i$ a sample lasts $2^{i-1}$ frames, so a shift of $s$ frames is $s/2^{i-1}$ samples, and an answer is *right* if it is within half a sample of that. The error is given in ms too.
# Recorded clips come with offsets of their own, which nobody knows: there what counts is whether AV-Off *follows* the shift, from wherever it is for the sound as recorded. How long the clips are decides how many windows the coarse levels have, so it stands in the table.

# %%
T = available_frames(np.asarray(test.lengths) - 2*room, facts["lengths"]["sync"], .5)
clips = (test.lengths >= T + 1 + 2*room).nonzero()[:, 0]
shifts, rows = range(-room, room + 1), []
for s in tqdm(shifts, desc="shifts"):
    x, a = planted_shift(test, clips.to(device), T, s, room)
    for seed, m in syncers.items():
        r = av_scores(m, x[:, 1:], a[:, 4:])
        for i in range(levels):
            error = r["offset"][:, i].cpu().numpy() - s / 2**i
            rows.append(pd.DataFrame(dict(seed=seed, method=data, level=i + 1, shift=s, id=[test.ids[k] for k in clips], offset=r["offset"][:, i].cpu(), confidence=r["confidence"][:, i].cpu(),
                                          right=np.abs(error) <= .5, near=np.abs(error) <= 1, error_ms=np.abs(error) * 40 * 2**i)))
shift = pd.concat(rows).assign(speaker=lambda d: d.id.map(speaker))
start = shift[shift["shift"] == 0].set_index(["seed", "level", "id"]).offset
moved = shift.offset.to_numpy() - start.loc[pd.MultiIndex.from_frame(shift[["seed", "level", "id"]])].to_numpy()
shift["follows"] = np.abs(moved - shift["shift"] / 2.**(shift.level - 1)) <= 1.
each = shift.groupby(["seed", "method", "level", "id", "speaker"], as_index=False)[["right", "near", "follows", "error_ms"]].mean()
t_shift = summary(each, ["right", "near", "follows", "error_ms"], ["level"])
t_shift["scale_ms"] = 100 * 2**t_shift.level
write_table(t_shift, results/"calibration_shift.csv")
show = lambda t: wide(t.assign(row=[f"{v} ms" for v in t.scale_ms]), names=lambda c: dict(right="share right (within half a sample)", near="within one sample", follows="follows the clip's own offset to one sample", error_ms="mean error, ms").get(c, c), method="row").rename(columns=dict(row="scale"))
texts["Planted shifts"] = f"Sound moved by -10 to +10 frames against the motion of {len(clips)} clips, {T} frames. {legend(t_shift)}\n\n{md(show(t_shift))}"
show(t_shift)

# %%
fig, axes = plt.subplots(1, levels, figsize=(11, 2.9))
for i, ax in enumerate(axes):
    q = shift[shift.level == i + 1].groupby("shift").offset.quantile([.05, .5, .95]).unstack()
    ax.fill_between(q.index, q[.05], q[.95], alpha=.25, step="mid", label="5 to 95 % of clips"); ax.plot(q.index, q[.5], ".", label="median")
    ax.plot(q.index, q.index / 2**i, color="k", lw=.8, label="planted"); ax.set(title=f"{200 * 2**i} ms", xlabel="planted, frames")
axes[0].set_ylabel("AV-Off, samples"); axes[0].legend(fontsize=7)
fig.tight_layout(); write_figure(fig, results/"calibration_shift.png")

# %% [markdown]
# ## Coupling at one scale
#
# The simulated speakers' motion follows the sound at four scales: the mouth (phonemes; 200 ms), nods (400 ms), turns (800 ms), leans (1600 ms). New clips of new speakers are made twice from the same seed, once whole and once with one of the couplings taken out (*removed*), and once with that coupling *alone*; what
# lacks is replaced by nothing, the drift that follows no speech stays. The change of AV-Conf is read as a share of the confidence with everything coupled, at that level, since confidences of different levels have no common unit. What one expects: removing a scale costs most at its own level, and leaving
# it alone gives most there. It cannot be exact: the mouth moves at all four scales (sentences have pauses, words have vowels), and a window of 800 ms also contains what lasts 400.

# %%
def coupled(gain, n): # n clips of new speakers; the same ones for every gain
    made = [simulate_clip(100_000 + k, draw_speaker(50_000 + k), 1, (facts["lengths"]["sync"] + 3) / 25, Coupling(gain=gain), kind=train.features) for k in range(n)]
    T = facts["lengths"]["sync"]
    x, a = (torch.stack([torch.from_numpy(v(c)) for c in made]) for v in (lambda c: c.landmarks[:T + 1], lambda c: c.audio[:4*T + 4]))
    return normalise(x, x[:, 0])[:, 1:].to(device), (a.to(device) - train.mean) / train.std

if facts["simulated"]:
    n, one = max(8, min(64, len(test))), lambda k, v: tuple(v if j == k else 1 - v for j in range(4))
    kinds = {"full": (1,)*4, "none": (0,)*4} | {f"{SCALES[k]} ms removed": one(k, 0) for k in range(4)} | {f"{SCALES[k]} ms alone": one(k, 1) for k in range(4)}
    made = {name: coupled(tuple(map(float, gain)), n) for name, gain in tqdm(kinds.items(), desc="couplings")}
    conf = {name: {s: av_scores(m, x, a[:, 4:])["confidence"].cpu().numpy() for s, m in syncers.items()} for name, (x, a) in made.items()}
    rows = []
    for what, base in (("removed", "full"), ("alone", "none")):
        for k in range(4):
            name = f"{SCALES[k]} ms {what}"
            for s in seeds:
                d = (conf[base][s] - conf[name][s]) * (1 if what == "removed" else -1) / conf["full"][s].mean(0)
                rows += [dict(seed=s, method=name, id=j, speaker=j, **{f"{SCALES[i]} ms": d[j, i] for i in range(levels)}) for j in range(n)]
    t_couple = summary(pd.DataFrame(rows), [f"{SCALES[i]} ms" for i in range(levels)])
    t_couple["most"] = t_couple.groupby("method")["mean"].transform(lambda v: v == v.max())
    write_table(t_couple, results/"calibration_coupling.csv")
    own = {m: m.startswith(d.metric[d.most].iloc[0] + " ") for m, d in t_couple.groupby("method", sort=False)}
    texts["Coupling at one scale"] = (f"Change of AV-Conf, as a share of its value with everything coupled, at four levels: what is lost where one coupling is removed, what is gained where it is the only one. {n} simulated clips of new speakers. {legend(t_couple)} "
                                      f"Largest at its own level: {', '.join(m for m, v in own.items() if v) or 'none'}. Not: {', '.join(m for m, v in own.items() if not v) or 'none'}.\n\n{md(wide(t_couple))}")
    display(wide(t_couple))
else: print("Left out: what couples real motion to speech is not known.")

# %% [markdown]
# ## Damage that grows
#
# Half of the test clips are damaged (`mssync.calibrate`), more and more; distances are taken to the other half, which is left as it is, so that at strength 0 they show what two halves of one set are apart, and that must be no more than the printed bias. Measures that compare a clip with its own original, and synchrony, are taken on the same
# clips. Marked (×) is what a measure *should* see; of every marked pair the share of steps at which it moves that way is reported, 1.0 being steady growth (or fall).

# %%
T = facts["lengths"]["sync"]; x, a, ids = test.windows(T)
order = np.random.default_rng(0).permutation(len(x)); half, rest = np.sort(order[:len(x) // 2]), np.sort(order[len(x) // 2:])
x_rest, halves = x[rest], f"two random halves of the test clips ({len(half)} and {len(rest)})"
if len(x) < 10:                                                            # too few to be halved
    half, x_rest = np.arange(len(x)), Packed(folder, "metric", device=device).windows(T)[0]
    halves = f"the {len(x)} test clips and the {len(x_rest)} of split metric, as there are too few test clips to be halved"
space, loud = shape_space(train, seeds[0]), loudness(a, test.features, *test.stats) if test.features in ("mfcc", "fbank") else None
encoders = {s: {e.cfg.frames: e for e in (load(s, f"motion_encoder_{k}") for k in facts["lengths"]["motion"])} for s in seeds}
axes_of = {s: frame_axes(train, T, seed=s) for s in seeds}
def features(y, s): return frechet_features(y, axes_of[s], encoders[s])

there = {s: features(x_rest, s) for s in seeds}
rows = []
for s in seeds:
    here = features(x[half], s)
    for k in here:
        v, b, lo, hi = frechet_interval(here[k], there[s][k], 200)
        rows.append(dict(seed=s, method="two halves", metric=k, value=v, bias=b, low=lo, high=hi))
t_half = over_seeds(pd.DataFrame(rows), ["metric"])
write_table(t_half, results/"calibration_halves.csv")
texts["Two halves of one set"] = f"Distances between {halves}. {legend(t_half)} An interval with 0 in it: no more than the bias.\n\n{md(wide(t_half, 'metric', method='method'))}"
wide(t_half, "metric", method="method")

# %%
def measured(y, a, s): # everything about damaged clips of the first half, means over clips
    conf = av_scores(syncers[s], y[:, 1:], a[:, 4:])["confidence"].mean(0)
    f = features(y, s)
    r = {f"AV-Conf {SCALES[i]} ms": float(conf[i]) for i in range(levels)} | {k: frechet(f[k], there[s][k]) for k in f}
    if s != seeds[0]: return r                                             # the rest knows no seed
    clean, y = x[half].cpu().numpy(), y.cpu().numpy()
    r |= measures(y, space).mean().to_dict() | {"head_spectrum_distance": spectrum_distance(y, x_rest.cpu().numpy())}
    if loud is not None: r |= lips_table(y, clean, loud[half])[["lmd", "lmd_front", "max_lip_error", "opening_difference", "silent_speed"]].mean().to_dict()
    return r | {"upper_face_deviation": heads_table(y, clean, loud[half] if loud is not None else None)["upper_face_deviation"].mean()}

planned = {n: d.strengths for n, d in DAMAGES.items()} | {"shuffled audio": (0, .25, .5, .75, 1)}
rows = []
for name, strengths in tqdm(planned.items(), desc="damage"):
    for j, k in enumerate(strengths):
        y, heard = x[half], a[half]
        if name == "shuffled audio": heard = torch.where(torch.arange(len(half))[:, None, None].to(a.device) < round(k * len(half)), shuffled_audio(heard, 0), heard)
        else: y = damage(y.cpu(), name, k).to(device)
        for s in seeds: rows += [dict(seed=s, damage=name, step=j, strength=k, measure=m, value=v) for m, v in measured(y, heard, s).items()]
growth = pd.DataFrame(rows)
write_table(growth, results/"calibration_damage.csv")

# %%
up, down = lambda *m: {(k, d): 1 for k, ds in m for d in ds.split(", ")}, lambda *m: {(k, d): -1 for k, ds in m for d in ds.split(", ")}
motion = [k for k in growth.measure.unique() if k.startswith("FMD")]
expected = (down(*((f"AV-Conf {SCALES[i]} ms", "noise, smooth, hold, slow, torn, shuffled audio" if i < 2 else "slow, torn, shuffled audio") for i in range(levels)), *((k, "smooth, slow") for k in ("lip_speed", "head_speed", "jitter")), ("head_speed", "freeze"))
            | up(("FFD", "noise, torn"), ("FD_velocity", "noise, smooth, slow, freeze"), ("FD_pose", "slow, freeze"), *((k, "noise, smooth, hold, slow, freeze, torn") for k in motion), ("jitter", "noise"), ("shape_residual", "noise, torn"), ("deformation", "noise, torn"),
                 ("lmd", "noise, smooth, hold, slow, torn"), ("lmd_front", "noise, smooth, hold, slow, torn"), ("max_lip_error", "noise, smooth, hold, slow, torn"), ("opening_difference", "noise, smooth, hold, slow, torn"), ("silent_speed", "noise"),
                 ("head_spectrum_distance", "noise, smooth, slow, freeze"), ("upper_face_deviation", "smooth, slow")))
expected = {k: v for k, v in expected.items() if k[0] in set(growth.measure)}
course = growth.groupby(["measure", "damage", "step"], sort=False).value.agg(["mean", "std"]).reset_index()
by_seed = growth.groupby(["measure", "damage", "seed"], sort=False).value.agg(list)
rows = []
for (m, d), g in course.groupby(["measure", "damage"], sort=False):
    v, sign = g["mean"].to_numpy(), expected.get((m, d))
    rows.append(dict(measure=m, damage=d, expected={1: "grows", -1: "falls"}.get(sign, ""), first=v[0], last=v[-1], monotone=monotone(v, sign) if sign else np.nan,
                     seeds_steady=f"{sum(monotone(u, sign) == 1 for u in by_seed[m, d])} of {len(by_seed[m, d])}" if sign else ""))
verdict = pd.DataFrame(rows)
write_table(verdict, results/"calibration_monotone.csv")
asked = verdict[verdict.expected != ""]
failed = asked[asked.monotone < 1]
grid = verdict.assign(cell=[f"{a:.3g} → {b:.3g}" + (f" (×{'' if q == 1 else f', {q:.2f}'})" if e else "") for a, b, e, q in zip(verdict["first"], verdict["last"], verdict.expected, verdict.monotone)]).pivot(index="measure", columns="damage", values="cell")
grid = grid.loc[growth.measure.unique(), list(planned)].reset_index().rename(columns={n: f"{n}, to {planned[n][-1]:g} ({DAMAGES[n].unit if n in DAMAGES else 'share of clips'})" for n in planned})
texts["Damage that grows"] = (f"Value without damage → under the strongest. × marks what the measure should see; beside it the share of steps that go the right way, where it is not all of them. {len(asked) - len(failed)} of {len(asked)} marked pairs move steadily on average over seeds."
                              + (" Not steadily: " + "; ".join(f"{r.measure} under {r.damage} ({r.monotone:.2f} of the steps)" for r in failed.itertuples()) + "." if len(failed) else "") + f"\n\n{md(grid)}")
print(texts["Damage that grows"].split("\n\n")[0])

# %%
names = list(growth.measure.unique())
fig, axes = plt.subplots(-(-len(names) // 6), 6, figsize=(14, 2.1 * -(-len(names) // 6)))
for ax, m in zip(axes.flat, names):
    for j, d in enumerate(planned):
        g = course[(course.measure == m) & (course.damage == d)]
        ax.plot(g.step, g["mean"], color=f"C{j}", lw=1.6 if (m, d) in expected else .7, ls="-" if (m, d) in expected else ":", label=d)
        if g["std"].notna().all() and (m, d) in expected: ax.fill_between(g.step, g["mean"] - g["std"], g["mean"] + g["std"], color=f"C{j}", alpha=.2, lw=0)
    ax.set_title(m, fontsize=8); ax.tick_params(labelsize=6)
    if m.startswith("F"): ax.set_yscale("symlog", linthresh=1)
for ax in axes.flat[len(names):]: ax.axis("off")
axes.flat[0].legend(fontsize=5)
fig.supxlabel("step of the damage's strength (solid: should be seen)", fontsize=8); fig.tight_layout()
write_figure(fig, results/"calibration_damage.png")

# %% [markdown]
# ## Rows that say what a number is worth
#
# The ground truth, real motion beside another clip's sound, the mean motion of the training clips, motion retrieved by the nearest sound, and no motion at all; with intervals over clips and deviations over seeds. Every table of the study repeats these rows.

# %%
made = {"Ground truth": x, "Retrieval": Retrieval(train, T)(x[:, 0], a), "Mean motion": MeanMotion(train, T)(x[:, 0], a), "Static": static(x[:, 0], T)}
rows = []
for name, y in {**made, "Shuffled audio": x}.items():
    heard = shuffled_audio(a, 0) if name == "Shuffled audio" else a
    for s, m in syncers.items():
        score = MultiScaleSync(m); score.update(y[:, 1:], heard[:, 4:], ids)
        for i in range(levels): rows.append(score.compute().reset_index()[["id", f"offset_{i + 1}", f"confidence_{i + 1}"]].set_axis(["id", "offset", "conf"], axis=1).assign(seed=s, method=name, level=i + 1))
sync = pd.concat(rows).assign(off=lambda d: d.offset.abs(), speaker=lambda d: d.id.map(speaker))
t_sync = summary(sync, ["off", "conf"], ["level"])
t_sync["column"] = [f"{'|AV-Off|' if m == 'off' else 'AV-Conf'} {100 * 2**l} ms" for m, l in zip(t_sync.metric, t_sync.level)]
write_table(t_sync, results/"calibration_rows.csv")
texts["Rows that say what a number is worth"] = f"{T} frames. {legend(t_sync)}\n\n{md(wide(t_sync, 'column'))}"
display(wide(t_sync, "column"))
rows = []
for name, y in made.items():
    if name == "Ground truth": continue                                   # its distance to itself is 0; its halves stand above
    for s in seeds:
        real, f = features(x, s), features(y, s)
        for k in f:
            v, b, lo, hi = frechet_interval(f[k], real[k], 50 if k == "FFD" or k == "FD_velocity" else 200)
            rows.append(dict(seed=s, method=name, metric=k, value=v, bias=b, low=lo, high=hi))
t_frechet = over_seeds(pd.DataFrame(rows), ["metric"])
write_table(t_frechet, results/"calibration_frechet.csv")
texts["Distances of the same rows"] = f"{legend(t_frechet)}\n\n{md(wide(t_frechet, 'metric'))}"
wide(t_frechet, "metric")

# %% [markdown]
# Are these orders those of the methods, or of the clips that happened to be in the test set?

# %%
rows = []
for (i, s), d in sync.groupby(["level", "seed"]):
    tau, pairs = rank_stability({m: g.set_index("id").conf.loc[ids].to_numpy() for m, g in d.groupby("method", sort=False)})
    rows += [dict(measure=f"AV-Conf {100 * 2**i} ms", seed=s, tau=tau, order=" > ".join([*pairs.upper, pairs.lower.iloc[-1]]), weakest=f"{pairs.upper[pairs.kept.idxmin()]} > {pairs.lower[pairs.kept.idxmin()]}", kept=pairs.kept.min())]
t_rank = pd.DataFrame(rows)
write_table(t_rank, results/"calibration_ranks.csv")
texts["Order under resampling"] = ("Clips drawn again 1000 times; tau: Kendall's, mean between each new order and that of all clips; kept: how often the weakest pair of neighbours stays as it is.\n\n" + md(t_rank.round(3).astype(str)))
t_rank.round(3)

# %% [markdown]
# ## Videos that other systems made
#
# Published outputs of other systems, ingested like any video: reference-free measures only, since nobody knows what these faces should have done. Windows of the study's length; a clip's value is the mean over its windows. Beside them the real test clips, and these with each other's sound. The systems are known to be good at the lips
# (several were trained on a lip-sync network of their own), so a metric that puts them near shuffled audio does not carry over to them: other faces, other recordings, other landmarks. Where a system's clips agree on an offset that is not 0, its videos were written with sound and pictures out of step, which a
# confidence alone would not say.

# %%
def free(y, b, names, methods): # reference-free measures, one row a clip and seed
    rows, base = [], measures(y.cpu().numpy(), space)[["lip_speed", "head_speed", "jitter"]] * 100
    h = heads_table(y.cpu().numpy(), y.cpu().numpy(), loudness(b, test.features, *test.stats)) if loud is not None else None
    if h is not None: base["beat_excess"] = h.beat_excess.to_numpy()
    for s, m in syncers.items():
        r = av_scores(m, y[:, 1:], b[:, 4:])
        d = base.assign(seed=s, id=names, method=methods, **{f"off_{i + 1}": r["offset"][:, i].abs().cpu().float() for i in range(levels)}, **{f"conf_{i + 1}": r["confidence"][:, i].cpu() for i in range(levels)})
        d["offset_ms"] = 40. * r["offset"][:, 0].cpu()
        g = d.groupby(["seed", "method", "id"])
        rows.append(g.mean().assign(offset_ms=g.offset_ms.median()).reset_index())
    return pd.concat(rows)

if generated:
    T = available_frames(np.asarray(test.lengths), facts["lengths"]["sync"], .5)
    others = Packed(generated, ("train", "metric", "val", "test"), train.stats, device)
    y, b, names = others.windows(T, T + 1); who = dict(zip(others.index.id, others.index.speaker))
    rx, ra, rn = test.windows(T, T + 1)
    every = pd.concat([free(y, b, names, [who[n] for n in names]), free(rx, ra, rn, "real test clips"), free(rx, shuffled_audio(ra, 0), rn, "real, shuffled audio"), free(y, shuffled_audio(b, 0), names, "all systems, shuffled audio")])
    write_table(every, results/"calibration_generated_clips.csv")
    values, rows = [c for c in every if c not in ("seed", "method", "id")], []
    for m, d in every.groupby("method", sort=False):
        g = d.groupby("id")[values].mean()
        for c in values:
            over = interval(g[c]) if len(g) >= 5 else None
            of = d.groupby("seed")[c].mean()
            rows.append(dict(method=m, measure=c, mean=g[c].mean(), low=over.low if over else np.nan, high=over.high if over else np.nan, seeds_std=of.std() if len(seeds) > 1 else np.nan, clips=len(g)))
    t_gen = pd.DataFrame(rows)
    write_table(t_gen, results/"calibration_generated.csv")
    text = lambda r: f"{r['mean']:.2f}" + (f" [{r.low:.2f}, {r.high:.2f}]" if np.isfinite(r.low) else "") + (f", seeds {r.seeds_std:.2f}" if np.isfinite(r.seeds_std) and r.measure[:4] in ("off_", "conf") else "")
    t_gen["text"] = [text(r) for _, r in t_gen.iterrows()]
    shown = t_gen.pivot(index=["method", "clips"], columns="measure", values="text").loc[list(dict.fromkeys(zip(t_gen.method, t_gen.clips)))].reset_index()[["method", "clips", *values]]
    level1 = t_gen[t_gen.measure == "conf_1"].set_index("method")["mean"]
    texts["Videos that other systems made"] = (f"{T} frames a window. off: |AV-Off| in samples of the level; conf: AV-Conf; offset_ms: AV-Off at 200 ms with its sign, median over a clip's windows (positive: the sound comes late); speeds and jitter in % of face size a frame; beat_excess: head and speech beats together more often than by chance. Intervals over clips where there are 5 or more (fewer: the number alone).\n\n{md(shown)}")
    fig, axes = plt.subplots(1, levels, figsize=(13, .28 * every.method.nunique() + 1.2), sharey=True)
    order = level1.sort_values().index
    for i, ax in enumerate(axes):
        for k, m in enumerate(order):
            v = every[every.method == m].groupby("id")[f"conf_{i + 1}"].mean(); ax.plot(v, k + np.random.default_rng(0).uniform(-.2, .2, len(v)), ".", ms=3, color="k" if "real" in m or "shuffled" in m else "C0"); ax.plot(v.mean(), k, "|", ms=14, color="C3")
        ax.set(title=f"AV-Conf, {200 * 2**i} ms", yticks=range(len(order)), yticklabels=order)
    fig.tight_layout(); write_figure(fig, results/"calibration_generated.png")
    display(shown)
else: print("No folder of generated videos was given.")

# %% [markdown]
# ## In short

# %%
one = t_shift[(t_shift.level == 1) & (t_shift.metric == "right")].iloc[0]
lines = [f"Level 1 finds {100 * one['mean']:.1f} % [{100 * one.low:.1f}, {100 * one.high:.1f}] of the planted shifts to the frame."]
share = lambda metric: ", ".join(f"{100 * v:.0f} % at {ms} ms" for v, ms in t_shift[t_shift.metric == metric].sort_values("level")[["mean", "scale_ms"]].itertuples(index=False))
lines += [f"Within half a sample: {share('right')}; within one: {share('near')}; following a clip's own offset: {share('follows')}."]
if facts["simulated"]: lines.append(f"Coupling at one scale shows most at its own level in {sum(own.values())} of {len(own)} trials.")
apart = t_half[(t_half.low > 0)].metric.tolist()
lines.append("Two halves of one set are no farther apart than the bias" + (f", but for {', '.join(apart)}." if apart else "."))
lines.append(f"{len(asked) - len(failed)} of {len(asked)} measures move steadily with the damage that they should see.")
lines.append(f"Orders of the reference rows keep a Kendall tau of {t_rank.tau.min():.2f} or more under resampling.")
write_text(f"# Calibration of the metrics on the {data}\n\nProfile {settings['name']}; networks of {len(seeds)} seed{'s' if len(seeds) > 1 else ''}; {len(test)} test clips of {test.index.speaker.nunique()} speakers.\n\n" + "\n".join(f"- {l}" for l in lines) + "\n\n"
           + "\n\n".join(f"## {t}\n\n{b}" for t, b in texts.items()) + "\n", results/"calibration.md")
print("\n".join(lines))
