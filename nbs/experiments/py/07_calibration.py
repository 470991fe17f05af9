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
profile: str = "smoke"  # name of a file in workflow/profiles, or a path to one
results: str = "../../results/smoke"  # folder that everything goes to
corpus: str = ""  # folder of an ingested corpus; empty: simulate one
seeds: str = ""  # of the networks, separated by commas; empty: the profile's
device: str = "cpu"  # cpu, cuda, cuda:1, ...
generated: str = (
    ""  # folder of ingested videos that other systems made; empty: that section is left out
)

# %%
import json
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch
from tqdm.auto import tqdm

from mssync.baselines.reference import MeanMotion, Retrieval, shuffled_audio, static
from mssync.data.audio import loudness
from mssync.data.landmarks import normalise
from mssync.data.packed import Packed, available_frames
from mssync.metrics.damage import DAMAGES, damage, monotone, planted_shift, rank_stability
from mssync.metrics.dynamics import measures, shape_space
from mssync.metrics.frechet import frame_axes, frechet, frechet_features, frechet_interval
from mssync.metrics.heads import (
    beat_alignment,
    motion_distances,
    motion_spectrum,
    set_diversity,
    spectrum_distance,
    upper_face_deviation,
)
from mssync.metrics.intervals import by_speaker, interval, intervals, set_interval
from mssync.metrics.lips import lips_table
from mssync.metrics.synchrony import MultiScaleSync, av_scores
from mssync.model.pyramid import SCALES
from mssync.simulate.clips import draw_speaker, simulate_clip
from mssync.simulate.head import Coupling
from mssync.study.outputs import (
    corpus_folder,
    corpus_title,
    seed_folder,
    write_figure,
    write_table,
    write_text,
)
from mssync.study.outputs import markdown as md
from mssync.study.profiles import load_profile, seed_list
from mssync.study.tables import legend, over_seeds, summary, wide
from mssync.training.models import load_model

settings, results = load_profile(profile), Path(results)
seeds = seed_list(settings, seeds)
folder, facts = corpus_folder(results, corpus), json.loads((results / "corpus.json").read_text())
train, test = (Packed(folder, s, device=device) for s in ("train", "test"))


def load(s, name):
    return load_model(seed_folder(results, s) / f"{name}.safetensors", device)


syncers = {s: load(s, "syncers_metric") for s in seeds}
levels, room, texts, draws = (
    next(iter(syncers.values())).levels,
    10,
    {},
    settings["evaluation"]["draws"],
)
speaker = dict(zip(test.index.id, test.index.speaker))
data = corpus_title(facts)
print(
    f"{data}: {len(test)} test clips of {test.index.speaker.nunique()} speakers; networks of seeds {', '.join(map(str, seeds))}"
)

# %% [markdown]
# ## Shifts of the sound
#
# The sound of each clip is moved by -10 to +10 frames (±400 ms) against its motion. At level 1 the shift must be found to the frame. At level $i$ a sample lasts $2^{i-1}$ frames, so a shift of $s$ frames is $s/2^{i-1}$ samples, and an answer is *right* if it is within half a sample of that. The error is given in ms too.
# Recorded clips come with offsets of their own, which nobody knows: there what counts is whether AV-Off *follows* the shift, from wherever it is for the sound as recorded (shift 0 itself left out). The coarse levels have few places to choose from, so chance is beside every number. How long the clips are decides how many windows the coarse levels have, so it stands in the table.

# %%
T = available_frames(np.asarray(test.lengths) - 2 * room, facts["lengths"]["sync"], 0.5)
clips = (test.lengths >= T + 1 + 2 * room).nonzero()[:, 0]
shifts, rows = range(-room, room + 1), []


def note(who, seed, i, s, offset):
    rows.append(
        pd.DataFrame(
            dict(
                seed=seed,
                method=who,
                level=i + 1,
                shift=s,
                id=[test.ids[k] for k in clips],
                offset=offset,
            )
        )
    )


for s in tqdm(shifts, desc="shifts"):
    x, a = planted_shift(test, clips.to(device), T, s, room)
    for seed, m in syncers.items():
        own, other = (
            av_scores(m, x[:, 1:], b[:, 4:])["offset"].cpu().numpy()
            for b in (a, shuffled_audio(a, 0))
        )
        for i in range(levels):
            note("metric syncers", seed, i, s, own[:, i])
            note("another clip's sound", seed, i, s, other[:, i])
            note("always 0", seed, i, s, 0)
shift = pd.concat(rows).assign(speaker=lambda d: d.id.map(speaker))
start = shift[shift["shift"] == 0].set_index(["method", "seed", "level", "id"]).offset
moved = (
    shift.offset.to_numpy()
    - start.loc[pd.MultiIndex.from_frame(shift[["method", "seed", "level", "id"]])].to_numpy()
)
planted = shift["shift"] / 2.0 ** (shift.level - 1)
shift = shift.assign(
    right=(shift.offset - planted).abs() <= 0.5,
    near=(shift.offset - planted).abs() <= 1,
    follows=np.where(shift["shift"] == 0, np.nan, np.abs(moved - planted) <= 1.0),
    error_ms=(shift.offset - planted).abs() * 40 * 2.0 ** (shift.level - 1),
)
each = shift.groupby(["seed", "method", "level", "id", "speaker"], as_index=False, sort=False)[
    ["right", "near", "follows", "error_ms"]
].mean()
t_shift = summary(each, ["right", "near", "follows", "error_ms"], ["level"])
t_shift["scale_ms"] = 100 * 2**t_shift.level
write_table(t_shift, results / "calibration_shift.csv")
heads_ = dict(
    right="right (within half a sample)",
    near="within one sample",
    follows="follows the clip's own offset, to one sample",
    error_ms="mean error, ms",
)


def show(t):
    t = t.sort_values("level", kind="stable")
    return wide(
        t.assign(row=[f"{v} ms, {m}" for v, m in zip(t.scale_ms, t.method)]),
        names=lambda c: heads_.get(c, c),
        method="row",
    ).rename(columns=dict(row="scale, judge"))


texts["Planted shifts"] = (
    f"Sound moved by -10 to +10 frames against the motion of {len(clips)} clips, {T} frames; shares of clips and shifts. `always 0` is a judge who does not listen: what is right by chance. {legend(t_shift)}\n\n{md(show(t_shift))}"
)
show(t_shift)

# %%
fig, axes = plt.subplots(1, levels, figsize=(11, 2.9))
for i, ax in enumerate(axes):
    q = (
        shift[(shift.level == i + 1) & (shift.method == "metric syncers")]
        .groupby("shift")
        .offset.quantile([0.05, 0.5, 0.95])
        .unstack()
    )
    ax.fill_between(q.index, q[0.05], q[0.95], alpha=0.25, step="mid", label="5 to 95 % of clips")
    ax.plot(q.index, q[0.5], ".", label="median")
    ax.plot(q.index, q.index / 2**i, color="k", lw=0.8, label="planted")
    ax.set(title=f"{200 * 2**i} ms", xlabel="planted, frames")
axes[0].set_ylabel("AV-Off, samples")
axes[0].legend(fontsize=7)
fig.tight_layout()
write_figure(fig, results / "calibration_shift.png")


# %% [markdown]
# ## Coupling at one scale
#
# The simulated speakers' motion follows the sound at four scales: the mouth (phonemes; 200 ms), nods (400 ms), turns (800 ms), leans (1600 ms). New clips of new speakers are made twice from the same seed, once whole and once with one of the couplings taken out (*removed*), and once with that coupling *alone*; nothing
# takes the place of what is taken out; the drift that follows no speech stays. The change of AV-Conf is read as a share of the confidence with everything coupled, at that level, since confidences of different levels have no common unit. What one expects: removing a scale costs most at its own level, and leaving
# it alone gives most there. It cannot be exact: the mouth moves at all four scales (sentences have pauses, words have vowels), and a window of 800 ms also contains what lasts 400.

# %%
def coupled(gain, n):  # n clips of new speakers; the same ones for every gain
    made = [
        simulate_clip(
            100_000 + k,
            draw_speaker(50_000 + k),
            1,
            (facts["lengths"]["sync"] + 3) / 25,
            Coupling(gain=gain),
            kind=train.features,
        )
        for k in range(n)
    ]
    T = facts["lengths"]["sync"]
    x, a = (
        torch.stack([torch.from_numpy(v(c)) for c in made])
        for v in (lambda c: c.landmarks[: T + 1], lambda c: c.audio[: 4 * T + 4])
    )
    return normalise(x, x[:, 0])[:, 1:].to(device), (a.to(device) - train.mean) / train.std


if facts["simulated"]:
    n, one = (
        max(8, min(160, len(test))),
        lambda k, v: tuple(v if j == k else 1 - v for j in range(4)),
    )
    kinds = (
        {"full": (1,) * 4, "none": (0,) * 4}
        | {f"{SCALES[k]} ms removed": one(k, 0) for k in range(4)}
        | {f"{SCALES[k]} ms alone": one(k, 1) for k in range(4)}
    )
    made = {
        name: coupled(tuple(map(float, gain)), n)
        for name, gain in tqdm(kinds.items(), desc="couplings")
    }
    conf = {
        name: {s: av_scores(m, x, a[:, 4:])["confidence"].cpu().numpy() for s, m in syncers.items()}
        for name, (x, a) in made.items()
    }
    rows = []
    for what, base in (("removed", "full"), ("alone", "none")):
        for k in range(4):
            name = f"{SCALES[k]} ms {what}"
            for s in seeds:
                d = (
                    (conf[base][s] - conf[name][s])
                    * (1 if what == "removed" else -1)
                    / conf["full"][s].mean(0)
                )
                rows += [
                    dict(
                        seed=s,
                        method=name,
                        id=j,
                        speaker=j,
                        **{f"{SCALES[i]} ms": d[j, i] for i in range(levels)},
                    )
                    for j in range(n)
                ]
    t_couple = summary(pd.DataFrame(rows), [f"{SCALES[i]} ms" for i in range(levels)])
    own = {}
    for name, d in pd.DataFrame(rows).groupby(
        "method", sort=False
    ):  # own level against the next best, clip by clip
        at, v = (
            f"{name.split()[0]} ms",
            d.groupby("id")[[f"{SCALES[i]} ms" for i in range(levels)]].mean(),
        )
        rival = v.mean().drop(at).idxmax()
        o = interval(v[at] - v[rival])
        own[name] = (
            f"{'yes' if o.low > 0 else 'not certain' if o.mean > 0 else 'no'} ({o} over {rival})"
        )
    write_table(t_couple, results / "calibration_coupling.csv")
    sure = [m for m, v in own.items() if v.startswith("yes")]
    verdicts = pd.DataFrame(
        [
            {
                "coupling": m,
                "largest at its own level (difference to the next, interval over clips)": v,
            }
            for m, v in own.items()
        ]
    )
    texts["Coupling at one scale"] = (
        f"Change of AV-Conf, as a share of its value with everything coupled, at four levels: what is lost where one coupling is removed, what is gained where it is the only one. {n} simulated clips of new speakers. {legend(t_couple)}\n\n{md(wide(t_couple))}\n\n{md(verdicts)}"
    )
    display(wide(t_couple))
else:
    print("Left out: what couples real motion to speech is not known.")

# %% [markdown]
# ## Damage that grows
#
# Half of the test clips (half of the speakers, where there are 8 or more) are damaged (`mssync.metrics.damage`), more and more; distances of sets are taken to the other half, which is left as it is, so that undamaged they show what two halves of one set are apart: no more than their bias, or the estimate of the bias is wrong. Measures that compare a clip with its own original, and synchrony, are taken on the same clips.
# The table lists every pair of a measure and a damage that it *should* see, with its value before and under the strongest damage, and the share of steps at which it does not go back (1.0: steady growth, or fall). Distances of motion cannot hear: shuffled audio is for AV-Conf and beats alone. What is not listed is in `calibration_monotone.csv`.

# %%
T = facts["lengths"]["sync"]
x, a, ids = test.windows(T)
who = by_speaker([speaker[i] for i in ids])
unit = np.arange(len(x)) if who is None else np.unique(who, return_inverse=True)[1]
first = np.isin(unit, np.random.default_rng(0).permutation(unit.max() + 1)[: (unit.max() + 1) // 2])
half, rest = np.flatnonzero(first), np.flatnonzero(~first)
x_rest, who_rest, halves = (
    x[rest],
    who,
    f"two random halves of the test {'clips' if who is None else 'speakers'} ({len(half)} and {len(rest)} clips)",
)
groups = None if who is None else (who[half], who[rest])
if min(len(half), len(rest)) < 5:  # too few to be halved
    half, groups = np.arange(len(x)), None
    x_rest = Packed(folder, "metric", device=device).windows(T)[0]
    halves = f"the {len(x)} test clips and the {len(x_rest)} of split metric, as there are too few test clips to be halved"
if groups is not None and min(len(set(g)) for g in groups) < 5:
    groups = None
space, loud = (
    shape_space(train),
    loudness(a, test.features, *test.stats) if test.features in ("mfcc", "fbank") else None,
)
encoders = {
    s: {
        e.cfg.frames: e
        for e in (load(s, f"motion_encoder_{k}") for k in facts["lengths"]["motion"])
    }
    for s in seeds
}
ruler = frame_axes(train, T)


def features(y, s):
    return frechet_features(y, ruler, encoders[s])


def distance(f, g, draws=draws):
    return frechet_interval(f, g, draws, *(groups or (None, None)), paired=False)


there = {s: features(x_rest, s) for s in seeds}
rows = []
for s in seeds:
    here = features(x[half], s)
    for k in here:
        rows.append(
            dict(
                seed=s,
                method="two halves",
                metric=k,
                clips=len(half) + len(x_rest),
                speakers=test.index.speaker.nunique(),
                drawn="clips" if groups is None else "speakers",
            )
            | dict(zip(("value", "bias", "low", "high"), distance(here[k], there[s][k])))
        )
t_half = over_seeds(pd.DataFrame(rows), ["metric"])
write_table(t_half, results / "calibration_halves.csv")
drawn = "clips drawn" if groups is None else "speakers drawn"
texts["Two halves of one set"] = (
    f"Distances between {halves}. {legend(t_half)} An interval wholly above 0 would say that the distance is more than its bias; one that holds 0 does not say that it is none.\n\n{md(wide(t_half, 'metric', method='method'))}"
)
wide(t_half, "metric", method="method")

# %%
clean, clean_rest = x[half].cpu().numpy(), x_rest.cpu().numpy()
spectra_rest = {r: motion_spectrum(clean_rest, r) for r in ("head", "lips")}
lip_columns = [
    "lmd",
    "lmd_front",
    "lmd_pose",
    "max_lip_error",
    "opening_difference",
    "silent_speed",
]


def of_clips(y, heard, quiet, s):  # DataFrame (clips, measures) of the damaged half
    d = pd.DataFrame(
        {
            f"AV-Conf {SCALES[i]} ms": v
            for i, v in enumerate(
                av_scores(syncers[s], y[:, 1:], heard[:, 4:])["confidence"].cpu().numpy().T
            )
        }
    )
    if s != seeds[0]:
        return d  # the rest knows no seed
    y = y.cpu().numpy()
    d = pd.concat([d, measures(y, space)], axis=1).assign(
        upper_face_deviation=upper_face_deviation(y, clean)
    )
    if loud is None:
        return d
    for kind in ("pause", "nod"):
        b = beat_alignment(y, quiet, kind)
        d[f"{kind}_beats"] = (b.alignment - b.chance).to_numpy()
    return d.join(lips_table(y, clean, quiet)[lip_columns].reset_index(drop=True))


def of_sets(y, s):  # name -> (measure of weights of the damaged clips and of the others; value)
    f = features(y, s)
    out = {
        k: (lambda w, v, k=k: frechet(f[k], there[s][k], w, v))
        for k in f
        if s == seeds[0] or k.startswith("FMD")
    }
    if s != seeds[0]:
        return out
    y = y.cpu().numpy()
    for r in ("head", "lips"):
        out[f"{r}_diversity"] = lambda w, v, D=motion_distances(y, r): set_diversity(D, w)
        out[f"{r}_spectrum_distance"] = lambda w, v, p=motion_spectrum(y, r), q=spectra_rest[r]: (
            spectrum_distance(p, q, w=w, w_real=v)
        )
    return out


planned = {n: d.strengths for n, d in DAMAGES.items()} | {"shuffled audio": (0, 0.25, 0.5, 0.75, 1)}
wrong, cache, rows = shuffled_audio(a[half], 0), {}, []
quiet_wrong = None if loud is None else loudness(wrong, test.features, *test.stats)
for name, strengths in tqdm(planned.items(), desc="damage"):
    for j, k in enumerate(strengths):
        y, swap = (
            (x[half], np.arange(len(half)) < round(k * len(half)))
            if name == "shuffled audio"
            else (damage(x[half].cpu(), name, k).to(device), np.zeros(len(half), bool))
        )
        heard = torch.where(torch.from_numpy(swap)[:, None, None].to(a.device), wrong, a[half])
        quiet = None if loud is None else np.where(swap[:, None], quiet_wrong, loud[half])
        for s in seeds:
            if j == 0 and s in cache:
                rows += [r | dict(damage=name) for r in cache[s]]
                continue  # undamaged: once
            d, sets, ends, now = (
                of_clips(y, heard, quiet, s),
                of_sets(y, s),
                j in (0, len(strengths) - 1),
                [],
            )
            mean, low, high, _ = intervals(d.to_numpy(), None if groups is None else groups[0])
            now += [
                dict(measure=m, value=v, low=l, high=h) for m, v, l, h in zip(d, mean, low, high)
            ]
            for m, f in sets.items():
                if not ends:
                    now.append(dict(measure=m, value=f(np.ones(len(y)), np.ones(len(x_rest)))))
                    continue
                v, b, l, h = set_interval(f, (len(y), len(x_rest)), groups or (), draws // 2)
                now.append(dict(measure=m, value=v, bias=b, low=l, high=h))
            rows += [r | dict(seed=s, damage=name, step=j, strength=k) for r in now]
            if j == 0:
                cache[s] = rows[-len(now) :]
growth = pd.DataFrame(rows)
write_table(growth, results / "calibration_damage.csv")


# %% [markdown]
# What each measure should see:

# %%
def see(sign, measures, damages):
    return {(m, d): sign for m in measures for d in damages.split(", ")}


conf, coarse = (
    [f"AV-Conf {SCALES[i]} ms" for i in range(levels)],
    [f"AV-Conf {SCALES[i]} ms" for i in range(2, levels)],
)
motion = [k for k in growth.measure.unique() if k.startswith("FMD")]
expected = (
    see(-1, conf, "noise, smooth, hold, slow, torn, shuffled audio")
    | see(-1, coarse, "freeze")
    | see(
        -1, ["lip_speed", "head_speed", "jitter", "lip_amplitude", "head_amplitude"], "smooth, slow"
    )
    | see(-1, ["head_speed", "head_amplitude", "head_diversity"], "freeze")
    | see(-1, ["nod_beats"] if facts["simulated"] else [], "shuffled audio")
    | see(1, ["FFD"], "noise, torn")
    | see(1, ["FD_velocity", *motion], "noise, smooth, hold, slow, freeze, torn")
    | see(1, ["FD_pose"], "slow, freeze")
    | see(1, ["jitter", "lip_speed", "silent_speed"], "noise")
    | see(1, ["shape_residual", "deformation"], "noise, torn")
    | see(
        1,
        ["lmd", "lmd_front", "lmd_pose", "max_lip_error", "opening_difference"],
        "noise, smooth, hold, slow, torn",
    )
    | see(1, ["head_spectrum_distance", "lips_spectrum_distance"], "noise, smooth, slow")
    | see(1, ["head_spectrum_distance"], "freeze")
    | see(1, ["upper_face_deviation"], "smooth, slow")
)
expected = {k: v for k, v in expected.items() if k[0] in set(growth.measure)}
course = (
    growth.groupby(["measure", "damage", "step"], sort=False)[["value", "low", "high"]]
    .mean()
    .reset_index()
)
by_seed = {
    k: g.pivot(index="seed", columns="step", values="value")
    for k, g in growth.groupby(["measure", "damage"])
}
rows = []
for (m, d), g in course.groupby(["measure", "damage"], sort=False):
    v, sign, all_seeds = g["value"].to_numpy(), expected.get((m, d)), by_seed[m, d]

    def end(r, c):
        return dict(zip((f"{c}", f"{c}_low", f"{c}_high"), (r.value, r.low, r.high))) | (
            {f"{c}_seeds_std": all_seeds.iloc[:, 0 if c == "undamaged" else -1].std()}
            if len(all_seeds) > 1
            else {}
        )

    rows.append(
        dict(measure=m, damage=d, expected={1: "grows", -1: "falls"}.get(sign, ""))
        | end(g.iloc[0], "undamaged")
        | end(g.iloc[-1], "strongest")
        | dict(
            steps=monotone(v, sign) if sign else "",
            seeds=len(all_seeds),
            steady_seeds=sum(monotone(u, sign) == 1 for u in all_seeds.to_numpy()) if sign else "",
        )
    )
verdict = pd.DataFrame(rows)
write_table(verdict, results / "calibration_monotone.csv")
asked = verdict[verdict.expected != ""].astype(dict(steps=float))
failed = asked[asked.steps < 1]


def ends(r, c):
    return f"{r[c]:.3g} [{r[c + '_low']:.3g}, {r[c + '_high']:.3g}]" + (
        f", seeds {r[c + '_seeds_std']:.2g}" if r["seeds"] > 1 else ""
    )


listed = pd.DataFrame(
    [
        dict(
            measure=r["measure"],
            damage=r["damage"],
            undamaged=ends(r, "undamaged"),
            strongest=ends(r, "strongest"),
            expected=r["expected"],
            steps=f"{r['steps']:.2f}",
            seeds=f"{r['steady_seeds']} of {r['seeds']}",
        )
        for r in asked.to_dict("records")
    ]
)
scales = "; ".join(f"{n} to {d.strengths[-1]:g} ({d.unit})" for n, d in DAMAGES.items())
texts["Damage that grows"] = (
    f"{len(half)} clips, {scales}, shuffled audio to all clips. Mean [95 % bootstrap interval, {drawn}]; of sets: value [interval of the value less its bias]; steps: share that does not go back, of the mean over seeds; seeds: in how many all steps are right (measures that know no seed: one). silent_speed counts clips without a pause as 0. "
    f"{len(asked) - len(failed)} of {len(asked)} pairs are steady."
    + (
        " Not steady: "
        + "; ".join(f"{r.measure} under {r.damage} ({r.steps:.2f})" for r in failed.itertuples())
        + "."
        if len(failed)
        else ""
    )
    + f"\n\n{md(listed)}"
)
print(texts["Damage that grows"].split("\n\n")[0])

# %%
names = list(growth.measure.unique())
fig, axes = plt.subplots(-(-len(names) // 6), 6, figsize=(14, 2.1 * -(-len(names) // 6)))
for ax, m in zip(axes.flat, names):
    for j, d in enumerate(planned):
        g = course[(course.measure == m) & (course.damage == d)]
        ax.plot(
            g.step,
            g["value"],
            color=f"C{j}",
            lw=1.6 if (m, d) in expected else 0.7,
            ls="-" if (m, d) in expected else ":",
            label=d,
        )
        u = by_seed[m, d]
        if len(u) > 1 and (m, d) in expected:
            ax.fill_between(g.step, u.min(), u.max(), color=f"C{j}", alpha=0.2, lw=0)
    ax.set_title(m, fontsize=8)
    ax.tick_params(labelsize=6)
    if m.startswith("F"):
        ax.set_yscale("symlog", linthresh=1)
for ax in axes.flat[len(names) :]:
    ax.axis("off")
axes.flat[0].legend(fontsize=5)
fig.supxlabel("step of the damage's strength (solid: should be seen)", fontsize=8)
fig.tight_layout()
write_figure(fig, results / "calibration_damage.png")

# %% [markdown]
# ## Rows that say what a number is worth
#
# The ground truth, real motion beside another clip's sound, the mean motion of the training clips, motion retrieved by the nearest sound, and no motion at all; with intervals over clips and deviations over seeds. Every table of the study repeats these rows.

# %%
made = {
    "Ground truth": x,
    "Retrieval": Retrieval(train, T)(x[:, 0], a),
    "Mean motion": MeanMotion(train, T)(x[:, 0], a),
    "Static": static(x[:, 0], T),
}
rows = []
for name, y in {**made, "Shuffled audio": x}.items():
    heard = shuffled_audio(a, 0) if name == "Shuffled audio" else a
    for s, m in syncers.items():
        score = MultiScaleSync(m)
        score.update(y[:, 1:], heard[:, 4:], ids)
        for i in range(levels):
            rows.append(
                score.compute()
                .reset_index()[["id", f"offset_{i + 1}", f"confidence_{i + 1}"]]
                .set_axis(["id", "offset", "conf"], axis=1)
                .assign(seed=s, method=name, level=i + 1)
            )
sync = pd.concat(rows).assign(off=lambda d: d.offset.abs(), speaker=lambda d: d.id.map(speaker))
t_sync = summary(sync, ["off", "conf"], ["level"])
t_sync["column"] = [
    f"{'|AV-Off|' if m == 'off' else 'AV-Conf'} {100 * 2**l} ms"
    for m, l in zip(t_sync.metric, t_sync.level)
]
write_table(t_sync, results / "calibration_rows.csv")
texts["Rows that say what a number is worth"] = (
    f"{T} frames. {legend(t_sync)}\n\n{md(wide(t_sync, 'column'))}"
)
display(wide(t_sync, "column"))
featured, rows = {s: {m: features(y, s) for m, y in made.items()} for s in seeds}, []
for name in list(made)[1:]:  # the ground truth's distance to itself is 0; its halves stand above
    for s in seeds:
        real, f = featured[s]["Ground truth"], featured[s][name]
        for k in f:
            rows.append(
                dict(
                    seed=s,
                    method=name,
                    metric=k,
                    clips=len(x),
                    speakers=test.index.speaker.nunique(),
                    drawn="clips" if who is None else "speakers",
                )
                | dict(
                    zip(
                        ("value", "bias", "low", "high"),
                        frechet_interval(f[k], real[k], draws, who),
                    )
                )
            )
t_frechet = over_seeds(pd.DataFrame(rows), ["metric"])
write_table(t_frechet, results / "calibration_frechet.csv")
texts["Distances of the same rows"] = f"{legend(t_frechet)}\n\n{md(wide(t_frechet, 'metric'))}"
wide(t_frechet, "metric")


# %% [markdown]
# Are these orders those of the methods, or of the clips that happened to be in the test set?

# %%
def ranked(what, s, values, draws=1000):
    tau, pairs = rank_stability(values, len(x), draws)
    k = pairs.kept.idxmin()
    return dict(
        measure=what,
        seed=s,
        tau=tau,
        order=" > ".join([*pairs.upper, pairs.lower.iloc[-1]]),
        weakest=f"{pairs.upper[k]} > {pairs.lower[k]}",
        kept=pairs.kept.min(),
    )


moving = {m: y for m, y in made.items() if m != "Ground truth"}
rows = [
    ranked(
        f"AV-Conf {100 * 2**i} ms",
        s,
        {m: g.set_index("id").conf.loc[ids].to_numpy() for m, g in d.groupby("method", sort=False)},
    )
    for (i, s), d in sync.groupby(["level", "seed"])
]
for s in seeds:
    real, made_of = featured[s]["Ground truth"], {m: featured[s][m] for m in moving}
    rows += [
        ranked(
            k,
            s,
            {m: lambda w, f=f: frechet(f[k], real[k], w, w) for m, f in made_of.items()},
            draws,
        )
        for k in real
        if s == seeds[0] or k.startswith("FMD")
    ]
of_lips = (
    {}
    if loud is None
    else {m: lips_table(y.cpu().numpy(), x.cpu().numpy(), loud) for m, y in moving.items()}
)
if of_lips:
    rows += [
        ranked(c, seeds[0], {m: t[c].to_numpy() for m, t in of_lips.items()})
        for c in ("lmd", "lmd_front", "max_lip_error", "opening_difference")
    ]
t_rank = pd.DataFrame(rows)
write_table(t_rank, results / "calibration_ranks.csv")
short = (
    t_rank.groupby(["measure", "order", "weakest"], sort=False)
    .agg(seeds=("seed", "count"), tau=("tau", "min"), kept=("kept", "min"))
    .reset_index()
)
texts["Order under resampling"] = (
    "Bootstrap resamples of the clips; highest value first. tau: Kendall's, mean between each resample's order and that of all clips; kept: how often the weakest pair of neighbours stays as it is (both: the lowest of the seeds).\n\n"
    + md(short.round(3).astype(str))
)
short.round(3)


# %% [markdown]
# ## Videos that other systems made
#
# Published outputs of other systems, ingested like any video: reference-free measures only, since nobody knows what these faces should have done. Windows of the study's length; a clip's value is the mean over its windows. Beside them the real test clips, and these with each other's sound. The systems are known to be good at the lips
# (several were trained on a lip-sync network of their own), so a metric that puts them near shuffled audio does not carry over to them: other faces, other recordings, other landmarks. Where a system's clips agree on an offset that is not 0, its videos were written with sound and pictures out of step, which a
# confidence alone would not say.

# %%
def free(y, b, names, methods):  # reference-free measures, one row a clip and seed
    rows, base = [], measures(y.cpu().numpy(), space)[["lip_speed", "head_speed", "jitter"]] * 100
    if loud is not None:
        q = beat_alignment(y.cpu().numpy(), loudness(b, test.features, *test.stats))
        base["beat_excess"] = (q.alignment - q.chance).to_numpy()
    for s, m in syncers.items():
        r = av_scores(m, y[:, 1:], b[:, 4:])
        d = base.assign(
            seed=s,
            id=names,
            method=methods,
            **{f"off_{i + 1}": r["offset"][:, i].abs().cpu().float() for i in range(levels)},
            **{f"conf_{i + 1}": r["confidence"][:, i].cpu() for i in range(levels)},
        )
        d["offset_ms"] = 40.0 * r["offset"][:, 0].cpu()
        g = d.groupby(["seed", "method", "id"])
        rows.append(g.mean().assign(offset_ms=g.offset_ms.median()).reset_index())
    return pd.concat(rows)


if generated:
    T = available_frames(np.asarray(test.lengths), facts["lengths"]["sync"], 0.5)
    others = Packed(generated, ("train", "metric", "val", "test"), train.stats, device)
    y, b, names = others.windows(T, T + 1)
    system = dict(zip(others.index.id, others.index.speaker))
    rx, ra, rn = test.windows(T, T + 1)
    every = pd.concat(
        [
            free(y, b, names, [system[n] for n in names]),
            free(rx, ra, rn, "real test clips"),
            free(rx, shuffled_audio(ra, 0, rn), rn, "real, shuffled audio"),
            free(y, shuffled_audio(b, 0, names), names, "all systems, shuffled audio"),
        ]
    )
    write_table(every, results / "calibration_generated_clips.csv")
    values, rows = [c for c in every if c not in ("seed", "method", "id")], []
    for m, d in every.groupby("method", sort=False):
        g = d.groupby("id")[values].mean()
        for c in values:
            over = interval(g[c]) if len(g) >= 5 else None
            of = d.groupby("seed")[c].mean()
            rows.append(
                dict(
                    method=m,
                    measure=c,
                    mean=g[c].mean(),
                    low=over.low if over else np.nan,
                    high=over.high if over else np.nan,
                    seeds_std=of.std() if len(seeds) > 1 else np.nan,
                    clips=len(g),
                )
            )
    t_gen = pd.DataFrame(rows)
    write_table(t_gen, results / "calibration_generated.csv")

    def text(r):
        return (
            f"{r['mean']:.2f}"
            + (f" [{r.low:.2f}, {r.high:.2f}]" if np.isfinite(r.low) else "")
            + (
                f", seeds {r.seeds_std:.2f}"
                if np.isfinite(r.seeds_std) and r.measure[:4] in ("off_", "conf")
                else ""
            )
        )

    t_gen["text"] = [text(r) for _, r in t_gen.iterrows()]
    shown = (
        t_gen.pivot(index=["method", "clips"], columns="measure", values="text")
        .loc[list(dict.fromkeys(zip(t_gen.method, t_gen.clips)))]
        .reset_index()[["method", "clips", *values]]
    )
    level1 = t_gen[t_gen.measure == "conf_1"].set_index("method")["mean"]
    texts["Videos that other systems made"] = (
        f"{T} frames a window. off: |AV-Off| in samples of the level; conf: AV-Conf; offset_ms: AV-Off at 200 ms with its sign, median over a clip's windows (positive: the sound comes late); speeds and jitter in % of face size a frame; beat_excess: head and speech beats together more often than by chance. Intervals over clips where there are 5 or more (fewer: the number alone).\n\n{md(shown)}"
    )
    fig, axes = plt.subplots(
        1, levels, figsize=(13, 0.28 * every.method.nunique() + 1.2), sharey=True
    )
    order = level1.sort_values().index
    for i, ax in enumerate(axes):
        for k, m in enumerate(order):
            v = every[every.method == m].groupby("id")[f"conf_{i + 1}"].mean()
            ax.plot(
                v,
                k + np.random.default_rng(0).uniform(-0.2, 0.2, len(v)),
                ".",
                ms=3,
                color="k" if "real" in m or "shuffled" in m else "C0",
            )
            ax.plot(v.mean(), k, "|", ms=14, color="C3")
        ax.set(title=f"AV-Conf, {200 * 2**i} ms", yticks=range(len(order)), yticklabels=order)
    fig.tight_layout()
    write_figure(fig, results / "calibration_generated.png")
    display(shown)
else:
    print("No folder of generated videos was given.")

# %% [markdown]
# ## In short

# %%
ours = t_shift[t_shift.method == "metric syncers"]
one = ours[(ours.level == 1) & (ours.metric == "right")].iloc[0]


def share(metric):
    both = [
        t_shift[(t_shift.metric == metric) & (t_shift.method == m)].sort_values("level")
        for m in ("metric syncers", "always 0")
    ]
    return ", ".join(
        f"{100 * v:.0f} % at {ms} ms (chance {100 * c:.0f} %)"
        for v, ms, c in zip(both[0]["mean"], both[0].scale_ms, both[1]["mean"])
    )


lines = [
    f"Level 1 finds {100 * one['mean']:.1f} % [{100 * one.low:.1f}, {100 * one.high:.1f}] of the planted shifts to the frame.",
    f"Within half a sample: {share('right')}. Following a clip's own offset to one sample: {share('follows')}.",
]
if facts["simulated"]:
    lines.append(
        f"Coupling at one scale shows most at its own level in {len(sure)} of {len(own)} trials with an interval that says so"
        + (f"; not: {', '.join(m for m in own if m not in sure)}." if len(sure) < len(own) else ".")
    )
apart = t_half[t_half.low > 0].metric.tolist()
lines.append(
    "No distance between two halves of one set is certainly more than its bias."
    if not apart
    else f"Two halves of one set are apart by more than the bias in {', '.join(apart)}."
)
lines.append(
    f"{len(asked) - len(failed)} of {len(asked)} pairs of a measure and a damage that it should see move steadily."
)
lines.append(
    f"Orders of the reference rows keep a Kendall tau of {t_rank.tau.min():.2f} or more under resampling."
)
write_text(
    f"# Calibration of the metrics on the {data}\n\nProfile {settings['name']}; networks of {len(seeds)} seed{'s' if len(seeds) > 1 else ''}; {len(test)} test clips of {test.index.speaker.nunique()} speakers.\n\n"
    + "\n".join(f"- {l}" for l in lines)
    + "\n\n"
    + "\n\n".join(f"## {t}\n\n{b}" for t, b in texts.items())
    + "\n",
    results / "calibration.md",
)
print("\n".join(lines))
