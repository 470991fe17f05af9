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
# # Measuring everything
#
# > All methods on the test clips, with the networks of one seed: synchrony at four scales, dynamics, lips, heads, and distances of distributions
#
# Every method gets the first frame and the sound of each test clip; no clip of split `test` was seen by any training, and none of its speakers where the corpus has eight or more. Beside the trained generators stand rows that
# say what a number is worth:
#
# - **Ground truth**, the clip itself;
# - **Static**, its first frame repeated;
# - **Shuffled audio**, real motion scored against another clip's sound: synchrony by chance, with nothing wrong in the motion. Where a measure hears nothing it has the ground truth's value;
# - **Mean motion**, the training clips' mean displacement, put on every face: what can be known without listening;
# - **Retrieval**, the motion of the training window that sounds most alike: what can be had without learning;
# - **MS-Sync-short, shuffled audio**, motion generated from another clip's sound: what remains if the generator does not listen.

# %% tags=["parameters"]
profile: str = "smoke"  # name of a file in workflow/profiles, or a path to one
results: str = "../../results/smoke"  # folder that everything goes to
corpus: str = ""  # folder of an ingested corpus; empty: simulate one
seed: int = 0  # whose networks measure and are measured; files go to results/seed_0
device: str = "cpu"  # cpu, cuda, cuda:1, ...

# %%
import json
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from tqdm.auto import tqdm

from mssync.baselines.reference import (
    MeanMotion,
    Retrieval,
    derangement,
    head_only,
    lips_only,
    shuffled_audio,
    static,
)
from mssync.data.audio import KINDS, loudness
from mssync.data.packed import Packed
from mssync.metrics.dynamics import dynamics_table, residual_curve, shape_space
from mssync.metrics.frechet import (
    frame_axes,
    frechet_difference,
    frechet_features,
    frechet_interval,
)
from mssync.metrics.heads import (
    drift_curve,
    heads_table,
    motion_distances,
    motion_spectrum,
    set_diversity,
    spectrum_distance,
)
from mssync.metrics.images import I3DFeatures, InceptionFeatures, WeightsError, image_features
from mssync.metrics.intervals import by_speaker, set_interval
from mssync.metrics.lips import lips_table
from mssync.metrics.synchrony import MultiScaleSync
from mssync.model.generator import generate
from mssync.study.claims import frechet_pairs
from mssync.study.outputs import corpus_folder, seed_folder, write_table
from mssync.study.profiles import full_models, load_profile
from mssync.training.models import load_model

settings, results = load_profile(profile), Path(results)
folder, facts, out = (
    corpus_folder(results, corpus),
    json.loads((results / "corpus.json").read_text()),
    seed_folder(results, seed),
)
lengths, asked = facts["lengths"], settings["evaluation"]
packed = {s: Packed(folder, s, device=device) for s in ("train", "metric", "val", "test")}
test, speakers = packed["test"], pd.concat([p.index for p in packed.values()])[["id", "speaker"]]
models = {
    d["label"]: load_model(out / f"generator_{v}.safetensors", device)
    for v, d in settings["variants"].items()
}
metric = load_model(out / "syncers_metric.safetensors", device)
print(
    f"{len(test)} test clips of {test.index.speaker.nunique()} speakers"
    + (f"; the clips are short: {facts['shortened']} frames" if facts["shortened"] else "")
)

# %% [markdown]
# Motion of a method, anew for every duration, since a generator that hears less of the future at the end moves differently there. Retrieval chooses from at most 20,000 training windows.

# %%
WRONG = ", shuffled audio"


@cache
def clips(split, T):
    return packed[split].windows(T)


@cache
def baseline(name, T):
    if name == "Mean motion":
        return MeanMotion(packed["train"], T)
    return Retrieval(packed["train"], T, most=20_000)


@cache
def motion(method, T, split="test"):
    x, a, _ = clips(split, T)
    if method in ("Ground truth", "Shuffled audio"):
        return x
    if method == "Static":
        return static(x[:, 0], T)
    if method in ("Mean motion", "Retrieval"):
        return baseline(method, T)(x[:, 0], a)
    return generate(
        models[method.removesuffix(WRONG)],
        x[:, 0],
        shuffled_audio(a, seed) if method.endswith(WRONG) else a,
        seed,
    )


def host(method, T):
    return motion(method, T).cpu().numpy()


methods = [
    "Ground truth",
    "Static",
    "Shuffled audio",
    "Mean motion",
    "Retrieval",
    *models,
    *(l + WRONG for l in full_models(settings).values()),
]

# %% [markdown]
# ## Synchrony (Table 3, Figure 3)
#
# AV-Off and AV-Conf on the generated frames by the metric syncers. Scored twice: on the overlap only, and in SyncNet's zero-padded form that the paper probably used, which
# breaks down at coarse scales on short clips (`mssync.metrics.synchrony`). Two more rows take the real motion apart: what do lips alone, on a head that holds still, tell at each scale, and what does the head alone? The window of a clip is its first, so all begin with the onset of speech: at coarse scales another clip's sound is partly in sync. The two best-known rows on split `val` are the reference lines of Figure 5.

# %%
rows, PARTS = [], {"Ground truth, lips only": lips_only, "Ground truth, head only": head_only}
for split, names in (
    ("test", [*methods, *PARTS, *(p + WRONG for p in PARTS)]),
    ("val", methods[:2]),
):
    x, a, ids = clips(split, lengths["sync"])
    for method in names:
        part = PARTS.get(method.removesuffix(WRONG))
        y, heard = (
            part(x) if part else motion(method, lengths["sync"], split),
            shuffled_audio(a, seed)
            if method == "Shuffled audio" or part and method.endswith(WRONG)
            else a,
        )
        for padded in (False, True):
            s = MultiScaleSync(metric, padded)
            s.update(y[:, 1:], heard[:, 4:], ids)
            for id, r in s.compute().iterrows():
                rows += [
                    dict(
                        split=split,
                        method=method,
                        scoring="padded" if padded else "overlap",
                        id=id,
                        level=i,
                        offset=int(r[f"offset_{i}"]),
                        confidence=r[f"confidence_{i}"],
                    )
                    for i in range(1, metric.levels + 1)
                ]
sync = pd.DataFrame(rows).merge(speakers, on="id")
write_table(sync, out / "sync.csv")
sync[sync.split == "test"].assign(off=sync.offset.abs()).groupby(
    ["scoring", "method", "level"], sort=False
)[["off", "confidence"]].mean().unstack().round(2)

# %% [markdown]
# ## Dynamics
#
# Ratios over the data's own means, one row a clip: 1 is as real. `whole` is all generated frames of that duration; `last 40` shows what errors have done by then. The shape
# residual is the distance of a frame to the linear space of the training faces: what makes a torn face visible in a number.

# %%
space, rows = shape_space(packed["train"]), []
for T in lengths["durations"]:
    x, _, ids = clips("test", T)
    x = x.cpu().numpy()
    for method in methods:
        y = host(method, T)
        for span, part in (("whole", slice(None)), ("last 40", slice(-40, None))):
            rows.append(
                dynamics_table(y[:, part], x[:, part], space, ids)
                .reset_index()
                .assign(method=method, frames=T, span=span)
            )
dynamics = pd.concat(rows)[
    [
        "method",
        "frames",
        "span",
        "id",
        *rows[0].columns.difference(["method", "frames", "span", "id"], sort=False),
    ]
].merge(speakers, on="id")
write_table(dynamics, out / "dynamics.csv")
dynamics[dynamics.span == "whole"].groupby(["frames", "method"], sort=False).mean(
    numeric_only=True
).round(2)

# %% [markdown]
# How the residual grows with the length of the sequence, frame by frame:

# %%
T = lengths["durations"][-1]
x = clips("test", T)[0].cpu().numpy()
curves = [
    pd.DataFrame(dict(method=m, frame=range(T + 1), residual=residual_curve(host(m, T), x, space)))
    for m in methods
    if m != "Shuffled audio"
]
write_table(pd.concat(curves), out / "residual.csv")

# %% [markdown]
# And far beyond the clips: to 1000 frames (40 s), from the first frames of some test clips and a chain of test clips' sound. The seams are not speech, but a face must survive
# them. There is no true motion to that sound, so the rows are the generators' and Static's; 1 is as far as real clips go (`mssync.metrics.heads.drift_curve`).

# %%
_, a, _ = clips("test", T)
frames = asked["drift_frames"] + 1
some, links = min(asked["drift_clips"], len(a)), -(-frames // (T + 1))
chain = torch.stack(
    [torch.cat([a[(k + j) % len(a)] for j in range(links)])[: 4 * frames] for k in range(some)]
)
x0 = clips("test", T)[0][:some, 0]
rows = [
    drift_curve(y.cpu().numpy(), x, space).rename_axis("frame").reset_index().assign(method=m)
    for m, y in [
        ("Static", static(x0, frames - 1)),
        *((m, generate(G, x0, chain, seed)) for m, G in models.items()),
    ]
]
drift = pd.concat(rows)
write_table(drift[["method", *drift.columns.drop("method")]], out / "drift.csv")
drift[drift.frame.isin([40, 200, frames - 1])].groupby(
    ["method", "frame"], sort=False
).mean().round(2)


# %% [markdown]
# ## Lips and heads
#
# Distances to the real lips, and what they do in pauses (`mssync.metrics.lips`); beats of head and speech, brows and lids (`mssync.metrics.heads`). What a measure hears is what the method heard; `Shuffled audio` is heard with
# the wrong sound, which shows what alignment is worth that comes by chance. Pauses belong to the sound, so `sound` names the clip that was heard. Features that do not hold the loudness leave both out.

# %%
def heard(method, T):  # loudness of what the method heard, and whose sound it is
    _, a, ids = clips("test", T)
    order = (
        derangement(len(ids), seed).tolist()
        if method == "Shuffled audio" or method.endswith(WRONG)
        else range(len(ids))
    )
    return loudness(a, test.features, *test.stats)[order] if hears else np.zeros(a.shape[:2]), [
        ids[k] for k in order
    ]


def measured(table, T):
    rows = []
    for m in methods:
        loud, sound = heard(m, T)
        rows.append(
            table(host(m, T), clips("test", T)[0].cpu().numpy(), loud, clips("test", T)[2])
            .assign(sound=sound, method=m, frames=T)
            .reset_index()
        )
    df = (
        pd.concat(rows)
        .merge(speakers, on="id")
        .merge(speakers.rename(columns=dict(id="sound", speaker="sound_speaker")), on="sound")
    )
    df = (
        df
        if hears
        else df.drop(
            columns=[
                c for c in df if c.startswith(("silent", "beat", "nod", "speech", "head_beats"))
            ]
        )
    )
    first = ["method", "frames", "id", "speaker", "sound", "sound_speaker"]
    return df[first + [c for c in df if c not in first]]


hears = test.features in KINDS
if not hears:
    print(f"pauses and beats are left out: features {test.features!r} do not hold the loudness")
lips, heads = measured(lips_table, lengths["sync"]), measured(heads_table, lengths["durations"][-1])
write_table(lips, out / "lips.csv")
write_table(heads, out / "heads.csv")
for df in (lips, heads):
    display(df.groupby("method", sort=False).mean(numeric_only=True).round(2))

# %% [markdown]
# ## Sets of clips
#
# Diversity and spectra belong to a set of clips: how differently its clips move, and how far the mean spectrum of its motion lies from the real one. Each has its estimated bias and its interval (`stats.set_interval`). Whole speakers are resampled where there are enough, and where both sets are the same clips, the same ones of both. What
# *other* real motion reaches, the clips of split `metric`, stands beside it.

# %%
OTHERS, of_speaker = "Ground truth, other clips", speakers.set_index("id").speaker


def groups(ids):
    return by_speaker(of_speaker[ids])


def facts_of(ids, *more):  # for a row: its clips, their speakers, and what is resampled
    kinds = list(dict.fromkeys("clips" if groups(i) is None else "speakers" for i in (ids, *more)))
    return dict(clips=len(ids), speakers=of_speaker[ids].nunique(), drawn=" and ".join(kinds))


def row(found, **more):
    return dict(more, **dict(zip(("value", "bias", "low", "high"), found)))


T, rows, draws = lengths["durations"][-1], [], 500
x, _, ids = clips("test", T)
y, _, others = clips("metric", T)
sources = {"Ground truth": (x.cpu().numpy(), ids), OTHERS: (y.cpu().numpy(), others)} | {
    m: (host(m, T), ids) for m in methods[1:]
}
for region in ("head", "lips"):
    for m, (v, of) in sources.items():
        D = motion_distances(v, region)
        rows.append(
            row(
                set_interval(lambda w: set_diversity(D, w), (len(of),), (groups(of),), draws),
                method=m,
                frames=T,
                metric=f"{region.capitalize()} diversity, %",
            )
            | facts_of(of)
        )
    real = motion_spectrum(sources["Ground truth"][0], region)
    for m, (v, of) in list(sources.items())[1:]:
        s = motion_spectrum(v, region)
        found = (
            set_interval(
                lambda w, w_real: spectrum_distance(s, real, w=w, w_real=w_real),
                (len(of), len(ids)),
                (groups(of), groups(ids)),
                draws,
            )
            if m == OTHERS
            else set_interval(
                lambda w: spectrum_distance(s, real, w=w, w_real=w),
                (len(of),),
                (groups(of),),
                draws,
            )
        )
        rows.append(
            row(found, method=m, frames=T, metric=f"{region.capitalize()} spectrum distance, dB")
            | facts_of(of, *([ids] if m == OTHERS else []))
        )
sets = pd.DataFrame(rows)
write_table(sets, out / "sets.csv")
sets.assign(value=sets.value - sets.bias).pivot_table(
    index="method", columns="metric", values="value", sort=False
).round(2)

# %% [markdown]
# ## Distances of distributions (Table 2)
#
# FFD compares single faces, FD_velocity and FD_pose velocities and the head's pose, FMD windows of motion in the learned encoders; all on the last frames, as the paper does for long sequences (Section 4.2). The floor is
# what *other* real motion reaches, the clips of split `metric` (other speakers where there are several). `bias` estimates how much a distance is too large for so few clips, and `low` and `high` bound the distance less its bias
# (`mssync.metrics.frechet.frechet_interval`). Whether one method is nearer to the real motion than another is a difference of two distances to the same clips, with a bias and an interval of its own (`frechet_difference`, in `frechet_pairs.csv`: the pairs that
# notebook 69_claims asks about).
#
# FID, FVD and t-FID need two published networks and, without a GPU, hours: they are computed where the profile says `evaluation: {images: true}`, each with the network that it needs; what cannot be had is said in `images.csv` (`mssync.metrics.images`). `raster` says how
# the faces are drawn. In their 2048 dimensions fewer draws must do.

# %%
encoders = {
    n: load_model(out / f"motion_encoder_{n}.safetensors", device) for n in lengths["motion"]
}
encoders = {e.cfg.frames: e for e in encoders.values()}
axes, networks, rows = frame_axes(packed["train"], lengths["sync"]), {}, []
for name, make, gives in (
    ("inception", InceptionFeatures, "FID and t-FID"),
    ("i3d", I3DFeatures, "FVD"),
):
    why = "" if asked["images"] else "they need `evaluation: {images: true}` in the profile"
    if asked["images"]:
        try:
            networks[name] = make(device=device)
        except WeightsError as e:
            why = " ".join(str(e).split())
    rows.append(
        dict(
            distances=gives,
            network=name,
            raster=asked["raster"],
            computed="no" if why else "yes",
            why=why or "the network is there",
        )
    )
images = pd.DataFrame(rows)
write_table(images, out / "images.csv")
for r in images.itertuples():
    print(
        f"{r.distances}: "
        + (f"left out, {r.why}" if r.computed == "no" else f"faces drawn as {r.raster}")
    )


def features(y):
    return frechet_features(y, axes, encoders) | (
        image_features(y.cpu().numpy(), networks, asked["raster"], lengths=tuple(sorted(encoders)))
        if networks
        else {}
    )


# %%
rows, pairs = [], []
for T in tqdm(lengths["durations"], desc="Fréchet distances"):
    (x, _, ids), (y, _, others) = clips("test", T), clips("metric", T)
    real, made = (
        features(x),
        {OTHERS: features(y)} | {m: features(motion(m, T)) for m in methods[1:]},
    )
    for m, f in made.items():
        for name in real:
            draws = (
                asked["draws"]
                if name.startswith(("FFD", "FD_", "FMD"))
                else min(asked["draws"], 20)
            )
            at = dict(method=m, frames=T, metric=name)
            if m == OTHERS:
                rows.append(
                    row(
                        frechet_interval(
                            f[name], real[name], draws, groups(others), groups(ids), paired=False
                        ),
                        **at,
                    )
                    | facts_of(others, ids)
                )
            else:
                rows.append(
                    row(frechet_interval(f[name], real[name], draws, groups(ids)), **at)
                    | facts_of(ids)
                )
    for a, b in frechet_pairs({v: d["label"] for v, d in settings["variants"].items()}):
        for name in [n for n in ("FFD", "FMD_40") if n in real]:
            pairs.append(
                row(
                    frechet_difference(
                        made[a][name], made[b][name], real[name], asked["draws"], groups(ids)
                    ),
                    a=a,
                    b=b,
                    frames=T,
                    metric=name,
                )
                | facts_of(ids)
            )
distances = pd.DataFrame(rows)
write_table(distances, out / "frechet.csv")
write_table(
    pd.DataFrame(pairs, columns=["a", "b", *distances.columns.drop("method")]),
    out / "frechet_pairs.csv",
)
distances.assign(value=distances.value - distances.bias).pivot_table(
    index="method", columns=["frames", "metric"], values="value", sort=False
).round(2)
