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
# > All methods on the test clips: synchrony at four scales, dynamics, faces, and distances of distributions
#
# Every method gets the first frame and the sound of each test clip; nobody in split `test` was seen by any training. Beside the four trained generators stand rows that
# say what a number is worth:
#
# - **Ground truth**, the clip itself;
# - **Static**, its first frame repeated;
# - **Shuffled audio**, real motion scored against another clip's sound: synchrony by chance, with nothing wrong in the motion;
# - **MS-Sync-short, shuffled audio**, motion generated from another clip's sound: what remains if the generator does not listen.

# %% tags=["parameters"]
profile: str = "smoke"              # name of a file in workflow/profiles, or a path to one
results: str = "../../results/smoke"  # folder that everything goes to
corpus: str = ""                    # folder of an ingested corpus; empty: simulate one
seed: int = 0                       # of everything random
device: str = "cpu"                 # cpu, cuda, cuda:1, ...

# %%
import json
from pathlib import Path
import numpy as np
import pandas as pd
from tqdm.auto import tqdm
from mssync.packed import Packed
from mssync.sync import MultiScaleSync
from mssync.frechet import frame_axes, frechet, frechet_bias, frechet_features
from mssync.dynamics import dynamics_table, residual_curve
from mssync.baselines import shuffled_audio, static
from mssync.runs import load_model
from mssync.study import corpus_folder, generate, load_profile, shape_space, write_table

settings, results = load_profile(profile), Path(results)
folder, facts = corpus_folder(results, corpus), json.loads((results/"corpus.json").read_text())
lengths = facts["lengths"]
packed = {s: Packed(folder, s, device=device) for s in ("train", "metric", "val", "test")}
test = packed["test"]
models = {d["label"]: load_model(results/f"generator_{v}.safetensors", device) for v, d in settings["variants"].items()}
metric = load_model(results/"syncers_metric.safetensors", device)
print(f"{len(test)} test clips of {test.index.speaker.nunique()} speakers" + (f"; the clips are short: {facts['shortened']} frames" if facts["shortened"] else ""))


# %% [markdown]
# Motion of a method for clips `x`, `a`, anew for every duration, since a generator that hears less of the future at the end moves differently there.

# %%
def motion(method, x, a):
    if method in ("Ground truth", "Shuffled audio"): return x
    if method == "Static": return static(x[:, 0], x.shape[1] - 1)
    if method.endswith(", shuffled audio"): return generate(models[method.removesuffix(", shuffled audio")], x[:, 0], shuffled_audio(a, seed), seed)
    return generate(models[method], x[:, 0], a, seed)

full = [d["label"] for d in settings["variants"].values() if d["generator"].get("multiscale") is not False and d["training"].get("loss_levels") != 1]     # without the single-scale ablations
methods = ["Ground truth", "Static", "Shuffled audio", *models, *(f"{m}, shuffled audio" for m in full)]

# %% [markdown]
# ## Synchrony (Table 3, Figure 3)
#
# AV-Off and AV-Conf on the generated frames by the metric syncers. Scored twice: on the overlap only, and in SyncNet's zero-padded form that the paper probably used, which
# breaks down at coarse scales on short clips (`mssync.sync`). The window of a clip is its first, so all begin with the onset of speech: at coarse scales another clip's sound is partly in sync. The two best-known rows on split `val` are the reference lines of Figure 5.

# %%
rows = []
for split, names in (("test", methods), ("val", methods[:2])):
    x, a, ids = packed[split].windows(lengths["sync"])
    for method in names:
        y, heard = motion(method, x, a), shuffled_audio(a, seed) if method == "Shuffled audio" else a
        for padded in (False, True):
            s = MultiScaleSync(metric, padded); s.update(y[:, 1:], heard[:, 4:], ids)
            for id, r in s.compute().iterrows():
                rows += [dict(split=split, method=method, scoring="padded" if padded else "overlap", id=id, level=i, offset=int(r[f"offset_{i}"]), confidence=r[f"confidence_{i}"])
                         for i in range(1, metric.levels + 1)]
sync = pd.DataFrame(rows).merge(pd.concat([p.index for p in packed.values()])[["id", "speaker"]], on="id")
write_table(sync, results/"sync.csv")
sync[sync.split == "test"].assign(off=sync.offset.abs()).groupby(["scoring", "method", "level"], sort=False)[["off", "confidence"]].mean().unstack().round(2)

# %% [markdown]
# ## Dynamics
#
# Ratios over the data's own means, one row a clip: 1 is as real. `whole` is all generated frames of that duration; `last 40` shows what errors have done by then. The shape
# residual is the distance of a frame to the linear space of the training faces: what makes a torn face visible in a number.

# %%
space, rows = shape_space(packed["train"], seed), []
for T in lengths["durations"]:
    x, a, ids = test.windows(T)
    for method in methods:
        if method == "Shuffled audio": continue                     # its motion is the ground truth's
        y = motion(method, x, a)
        for span, part in (("whole", slice(None)), ("last 40", slice(-40, None))):
            d = dynamics_table(y[:, part].cpu().numpy(), x[:, part].cpu().numpy(), space, ids)
            rows.append(d.reset_index().assign(method=method, frames=T, span=span))
dynamics = pd.concat(rows)[["method", "frames", "span", "id", *rows[0].columns.difference(["method", "frames", "span", "id"], sort=False)]]
dynamics = dynamics.merge(test.index[["id", "speaker"]], on="id")
write_table(dynamics, results/"dynamics.csv")
dynamics[dynamics.span == "whole"].groupby(["frames", "method"], sort=False).mean(numeric_only=True).round(2)

# %% [markdown]
# How the residual grows with the length of the sequence, frame by frame:

# %%
x, a, _ = test.windows(lengths["durations"][-1])
curves = [pd.DataFrame(dict(method=m, frame=range(x.shape[1]), residual=residual_curve(motion(m, x, a).cpu().numpy(), x.cpu().numpy(), space))) for m in methods if m != "Shuffled audio"]
write_table(pd.concat(curves), results/"residual.csv")

# %% [markdown]
# ## Distances of distributions (Table 2)
#
# FFD compares single faces, FMD windows of motion in the learned encoders; both on the last frames, as the paper does for long sequences (Section 4.2). The floor is
# what *other* real motion reaches, the clips of split `metric` (other speakers where there are several). `bias` is how much a distance is too large for so few clips. The interval of the difference to Static draws the clips
# again with replacement, the same ones for both.

# %%
encoders = {n: load_model(results/f"motion_encoder_{n}.safetensors", device) for n in lengths["motion"]}
encoders = {e.cfg.frames: e for e in encoders.values()}
axes, rng, rows = frame_axes(packed["train"], lengths["sync"], seed=seed), np.random.default_rng(seed), []
def features(y): return frechet_features(y, axes, encoders)

for T in tqdm(lengths["durations"], desc="Fréchet distances"):
    x, a, _ = test.windows(T)
    real = features(x)
    made = {"Ground truth, other clips": features(packed["metric"].windows(T)[0])}
    made |= {m: features(motion(m, x, a)) for m in methods if m not in ("Ground truth", "Shuffled audio")}
    for name in real:
        draws = [rng.integers(0, len(x), len(x)) for _ in range(200)] if name != "FFD" else []
        redrawn = {m: np.array([frechet(f[name][i], real[name][i]) for i in draws]) for m, f in made.items() if m != "Ground truth, other clips"}
        for m, f in made.items():
            less = redrawn[m] - redrawn["Static"] if m in redrawn and draws else np.array([np.nan])
            rows.append(dict(method=m, frames=T, metric=name, value=frechet(f[name], real[name]), bias=frechet_bias(f[name], real[name]),
                             minus_static_low=np.quantile(less, .025), minus_static_high=np.quantile(less, .975)))
distances = pd.DataFrame(rows)
write_table(distances, results/"frechet.csv")
distances.pivot_table(index="method", columns=["frames", "metric"], values="value", sort=False).round(2)
