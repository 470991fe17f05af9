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
# # Tables and figures
#
# > Tables 2 and 3 and Figures 3, 4 and 5, beside the paper's figures, and what they say about its claims

# %% tags=["parameters"]
profile: str = "smoke"              # name of a file in workflow/profiles, or a path to one
results: str = "../../results/smoke"  # folder that everything goes to
corpus: str = ""                    # folder of an ingested corpus; empty: simulate one
seed: int = 0                       # of everything random
device: str = "cpu"                 # cpu, cuda, cuda:1, ...
draw_people: bool = False           # draw landmarks of the people of a given corpus (Figure 4, videos); leave that out of what you publish

# %%
import json
from pathlib import Path
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch
from mssync.landmarks import EDGES, FPS
from mssync.packed import Packed
from mssync.pyramid import WINDOW
from mssync.sync import PADDED_SHIFT, SHIFTS, shift_range
from mssync.stats import interval, paired_difference
from mssync.runs import load_model
from mssync.study import corpus_folder, generate, load_profile, mean_std, paper_table, run_record, write_figure, write_table, write_text

settings, results = load_profile(profile), Path(results)
folder, facts = corpus_folder(results, corpus), json.loads((results/"corpus.json").read_text())
data = "simulated corpus" if facts["simulated"] else f"corpus {facts['name']} ({', '.join(facts['sources'])})"
note = f"Lengths reduced because the clips are short: {facts['shortened']} frames. " if facts["shortened"] else ""
sync, dynamics, residual, distances = (pd.read_csv(results/f"{n}.csv", dtype=dict(id=str, speaker=str)) for n in ("sync", "dynamics", "residual", "frechet"))
val, sync = sync[sync.split == "val"], sync[sync.split == "test"]
labels = {v: d["label"] for v, d in settings["variants"].items()}
full = {v: l for v, l in labels.items() if settings["variants"][v]["generator"].get("multiscale") is not False and settings["variants"][v]["training"].get("loss_levels") != 1}       # without the single-scale ablations
methods, first = list(sync.method.unique()), next(iter((full or labels).values()))
T_sync, written = facts["lengths"]["sync"], {}
print(f"{data}: {sync.id.nunique()} test clips of {sync.speaker.nunique()} speakers. {note}")

# %% [markdown]
# ## Table 3: synchrony at four time scales
#
# |AV-Off| and AV-Conf, mean ± standard deviation over the test clips. A confidence is a difference of distances in one particular syncer, so ours and the paper's have no common
# unit: compare orders and gaps within a block, not values between blocks.

# %%
s = sync.assign(off=sync.offset.abs()).groupby(["scoring", "method", "level"], sort=False).agg(
    off_mean=("off", "mean"), off_std=("off", lambda v: v.std(ddof=0)), conf_mean=("confidence", "mean"), conf_std=("confidence", lambda v: v.std(ddof=0))).reset_index()
ours = s.assign(source="this run", data=data)
p = paper_table(3).pivot_table(index=["method", "level"], columns="metric", values=["mean", "std"], sort=False)
p.columns = [f"{dict([('AV-Off', 'off'), ('AV-Conf', 'conf')])[m]}_{k}" for k, m in p.columns]
table3 = pd.concat([ours, p.reset_index().assign(source="paper, Table 3", data="VoxCeleb2 (II)", scoring="not stated")])
table3["scale_ms"] = 100 * 2**table3.level
write_table(table3[["source", "data", "scoring", "method", "level", "scale_ms", "off_mean", "off_std", "conf_mean", "conf_std"]], results/"table3.csv")

def wide(block):
    rows = {}
    for r in block.itertuples():
        rows.setdefault(r.method, {}).update({f"AV-Off {r.scale_ms} ms": mean_std(r.off_mean, r.off_std), f"AV-Conf {r.scale_ms} ms": mean_std(r.conf_mean, r.conf_std)})
    return pd.DataFrame([dict(method=m) | r for m, r in rows.items()]).fillna("")

shifts = ", ".join(str(shift_range(-(-T_sync // 2**i) - WINDOW + 1, s)) for i, s in enumerate(SHIFTS))
blocks = {f"This run, {data}, {T_sync} frames, scored on the overlap": table3[table3.scoring == "overlap"],
          f"This run, {data}, {T_sync} frames, zero-padded as in SyncNet's code": table3[table3.scoring == "padded"],
          "The paper's Table 3, VoxCeleb2 (II), 80 frames: other data, other syncers": table3[table3.source != "this run"]}
write_text(f"# Table 3: landmark-domain synchrony at four time scales\n\n{note}|AV-Off| (lower is better, in samples of the level: 40, 80, 160, 320 ms) and AV-Conf (higher is better), "
           f"mean ± standard deviation over test clips. Overlap: shifts up to {shifts} samples; padded: up to {PADDED_SHIFT} at every level.\n\n" + "\n\n".join(f"## {t}\n\n{wide(b).to_markdown(index=False, disable_numparse=True)}" for t, b in blocks.items()) + "\n", results/"table3.md")
written |= {"table3.md": "Table 3, beside the paper's", "table3.csv": "the same as data"}
display(*(wide(b) for b in blocks.values()))

# %% [markdown]
# ## Table 2: dynamics
#
# The paper's FID, FVD and t-FID compare drawn landmarks in networks trained on photographs and videos; our FFD and FMD compare the landmarks themselves in a basis and an encoder
# trained on landmarks. They answer the same question in different units: only the order of methods can be compared.

# %%
t2 = distances.rename(columns=dict(frames="duration_frames"))
t2["text"] = [f"{v:.2f} (bias {b:.2f})" for v, b in zip(t2.value, t2.bias)]
w2 = t2.pivot(index="method", columns=["duration_frames", "metric"], values="text").loc[t2.method.unique()]
w2 = w2[sorted(w2.columns)]; w2.columns = [f"{m}, {d} frames" for d, m in w2.columns]
pp = paper_table(2)
wp = pp.pivot(index="method", columns=["duration_frames", "metric"], values="mean").loc[pp.method.unique()]
wp = wp[sorted(wp.columns)]; wp.columns = [f"{m}, {d} frames" for d, m in wp.columns]
ratios = dynamics[(dynamics.span == "whole")].groupby(["method", "frames"], sort=False)[["lip_speed", "head_speed", "lip_amplitude", "head_amplitude", "jitter", "shape_residual"]].mean()
late = dynamics[(dynamics.span == "last 40") & (dynamics.frames == dynamics.frames.max())].groupby("method", sort=False).shape_residual.mean()
w_ratios = ratios.reset_index().round(2).astype(str).rename(columns=dict(frames="duration"))
write_table(pd.concat([t2.drop(columns="text").assign(source="this run", data=data), pp.rename(columns=dict(mean="value"))[["method", "duration_frames", "metric", "value"]].assign(source="paper, Table 2", data="VoxCeleb2 (II)")])
            [["source", "data", "method", "duration_frames", "metric", "value", "bias"]], results/"table2.csv")
write_table(ratios.reset_index(), results/"dynamics_ratios.csv")
md = lambda d: d.to_markdown(index=False, disable_numparse=True)
write_text(f"# Table 2: quality of dynamics\n\n{note}All distances are to be minimised, and measured on the last frames of each duration.\n\n## This run, {data}: Fréchet distances of faces (FFD) and of motion (FMD)\n\n"
           f"{md(w2.reset_index())}\n\n## This run: motion and faces over the data's own (1 is as real)\n\n{md(w_ratios)}\n\n"
           f"## The paper's Table 2, VoxCeleb2 (II): FID, FVD and t-FID of drawn landmarks; other quantities on other data\n\n{md(wp.reset_index().astype(str))}\n", results/"table2.md")
written |= {"table2.md": "Table 2 (our distances), motion and faces over the data's, and the paper's Table 2", "table2.csv": "the distances as data", "dynamics_ratios.csv": "speeds, amplitudes and shape residuals over the data's"}
display(w2, wp, ratios.round(2))

# %% [markdown]
# ## Figure 3: not only the mean
#
# Distributions of AV-Conf$_1$ and of AV-Off$_1$ (with its sign) at the finest scale.

# %%
fig, axes = plt.subplots(1, 2, figsize=(11, 3.4))
level1, colour = sync[(sync.level == 1) & (sync.scoring == "overlap")], {m: f"C{i}" for i, m in enumerate(methods)}
grid = np.linspace(level1.confidence.min(), level1.confidence.max(), 200)
for m, g in level1.groupby("method", sort=False):
    style = dict(color=colour[m], label=m, lw=2 if m == "Ground truth" else 1.2)
    h = max(1.06 * g.confidence.std() * len(g)**-.2, 1e-3)                                       # Gaussian kernel, Silverman's width
    axes[0].plot(grid, np.exp(-((grid[:, None] - g.confidence.values) / h)**2 / 2).mean(1) / h / np.sqrt(2 * np.pi), **style)
    n = g.offset.value_counts(normalize=True).reindex(range(-15, 16), fill_value=0)
    axes[1].plot(n.index, n, drawstyle="steps-mid", **style)
axes[0].set(xlabel="AV-Conf at 200 ms", ylabel="density", ylim=0); axes[1].set(xlabel="AV-Off at 200 ms, frames", ylabel="share of clips"); axes[1].legend(fontsize=7)
fig.tight_layout()
write_figure(fig, results/"figure3.png"); written["figure3.png"] = "Figure 3: distributions of AV-Conf and AV-Off at 200 ms"


# %% [markdown]
# ## Figure 4: look at them
#
# Test sequences over 120 frames: ground truth and every method from the same first frame and sound. Landmarks of real people are not drawn unless you ask for it
# (`draw_people`); numbers never replace this look, so ask for it on your own corpus.

# %%
def sequences():
    x, a, ids = Packed(folder, "test", device=device).windows(facts["lengths"]["figure4"])
    pick = slice(0, settings["evaluation"]["sequences"]); x, a = x[pick], a[pick]
    return ids[pick], {"Ground truth": x} | {l: generate(load_model(results/f"generator_{v}.safetensors", device), x[:, 0], a, seed) for v, l in labels.items()}

if facts["simulated"] or draw_people:
    ids, tracks = sequences()
    at = np.linspace(0, facts["lengths"]["figure4"], 13).round().astype(int)
    fig, axes = plt.subplots(len(ids) * len(tracks), 1, figsize=(12, 1.05 * len(ids) * len(tracks)))
    for ax, (k, (m, x)) in zip(axes, [(k, t) for k in range(len(ids)) for t in tracks.items()]):
        for j, t in enumerate(at):
            f = x[k, t].cpu().numpy().clip(-6, 6) + [3.4 * j, 0]
            for e in EDGES: ax.plot(f[e, 0], f[e, 1], color="k" if m == "Ground truth" else "C0", lw=.8)
        ax.set(aspect="equal", xlim=(-2, 3.4 * len(at) - 1.5), ylim=(2.1, -2.1)); ax.axis("off")
        ax.text(-2, 0, m.replace(", ", ",\n"), ha="right", va="center", fontsize=7)
    fig.suptitle(f"frames {', '.join(map(str, at))}", fontsize=8, y=.9)
    write_figure(fig, results/"figure4.png", 80); written["figure4.png"] = "Figure 4: sequences of every method over 120 frames"
else: print("Figure 4 and videos are left out: they would show the landmarks of real people (draw_people=True makes them)")

# %% [markdown]
# ## Figure 5: what the scales are for
#
# AV-Conf at four scales on split `val` while training goes on, for the full model and the two ablations of Section 4.6. The paper's finding: little difference at the finest scale;
# at coarser ones the single-scale loss falls behind, and a single-scale generator cannot make full use of the multi-scale loss. Where a profile starts teacher-forced (`teacher_steps`, which the
# paper does not have), a grey line marks the step at which the adversarial and synchrony losses begin: left of it the two ablations are one and the same. Mind that a single-scale generator is also smaller,
# and that its one level of the audio pyramid looks ahead 60 ms only.

# %%
logs = {v: pd.read_csv(results/f"generator_{v}.csv") for v in labels}
fig, axes = plt.subplots(4, 1, figsize=(7, 9), sharex=True)
for i, ax in enumerate(axes, 1):
    for v, log in logs.items():
        if v in full and labels[v] != first: continue                                     # the paper shows the short model and the ablations
        ax.plot(log.step, log[f"AV-Conf_{i}"], marker=".", label=labels[v])
    for m, style in (("Ground truth", "--"), ("Static", ":")):
        ax.axhline(val[(val.method == m) & (val.level == i) & (val.scoring == "overlap")].confidence.mean(), color="k", lw=.8, ls=style, label=m)
    if begin := settings["training"].get("teacher_steps"): ax.axvline(begin, color="grey", lw=.8)
    ax.set_ylabel(f"AV-Conf, {100 * 2**i} ms")
axes[0].legend(fontsize=7); axes[-1].set_xlabel("step")
fig.tight_layout()
write_figure(fig, results/"figure5.png")
write_table(pd.concat([l.assign(variant=v, label=labels[v]) for v, l in logs.items()]), results/"figure5.csv")
written |= {"figure5.png": "Figure 5: AV-Conf over training, with the ablations", "figure5.csv": "all training logs"}

# %% [markdown]
# ## Does it stay a face?
#
# Growth of the shape residual with the length of the sequence, over the data's own. The vertical lines are the training lengths; beyond them errors accumulate, which is what
# MS-Sync-long is for.

# %%
fig, ax = plt.subplots(figsize=(8, 3))
for m, g in residual.groupby("method", sort=False): ax.plot(g.frame, g.residual, label=m, color=colour[m], lw=2 if m == "Ground truth" else 1.2)
for v, l in full.items(): ax.axvline(facts["lengths"]["train"][v], color=colour[l], lw=.8, ls=":")
ax.axhline(1.5, color="grey", lw=.8, ls="--"); ax.set(xlabel="frame", ylabel="shape residual over the data's", yscale="log"); ax.legend(fontsize=7)
write_figure(fig, results/"residual.png"); written["residual.png"] = "growth of the shape residual with the length of the sequence"

# %% [markdown]
# ## What holds
#
# Each claim with its number, the 95 % bootstrap interval and a verdict. Clips of one speaker resemble each other, so where there are 8 test speakers or more a speaker is one
# value, else a clip. Synchrony is compared pairwise on the same clips and must exceed the reference by an interval that excludes 0.

# %%
unit = "speaker" if sync.speaker.nunique() >= 8 else "id"
claims = []
def claim(method, what, i, holds): claims.append(dict(method=method, claim=what, value=i.mean, low=i.low, high=i.high, n=i.n, unit=dict(id="clip").get(unit, unit), holds="yes" if holds else "no"))

overlap = sync[sync.scoring == "overlap"]
conf = overlap.pivot_table(index=unit, columns=["method", "level"], values="confidence")
for l in full.values():
    for other in ["Static", "Shuffled audio", *([f"{l}, shuffled audio"] if f"{l}, shuffled audio" in methods else [])]:
        for i in sorted(overlap.level.unique()):
            d = paired_difference(conf[l, i], conf[other, i]); claim(l, f"AV-Conf at {100 * 2**i} ms exceeds {other}", d, d.low > 0)
for loss_only in [(labels[a], labels[b]) for a in labels for b in labels if a != b and settings["variants"][a]["generator"] == settings["variants"][b]["generator"]    # the same network, another loss
                  and settings["variants"][b]["training"] == dict(settings["variants"][a]["training"], loss_levels=1)]:
    for i in sorted(overlap.level.unique()):
        d = paired_difference(conf[loss_only[0], i], conf[loss_only[1], i]); claim(loss_only[0], f"AV-Conf at {100 * 2**i} ms exceeds {loss_only[1]}", d, d.low > 0)
for v, l in full.items():
    T = min(facts["lengths"]["durations"], key=lambda d: abs(d - facts["lengths"]["train"][v]))
    own = dynamics[(dynamics.method == l) & (dynamics.span == "whole") & (dynamics.frames == T)].groupby(unit).mean(numeric_only=True)
    for name in ("lip_speed", "head_speed"):
        d = interval(own[name]); claim(l, f"{name.replace('_', ' ')} over the data's within 0.5 to 2, {T} frames", d, .5 <= d.mean <= 2)
    d = interval(own.shape_residual); claim(l, f"shape residual over the data's at most 1.5, {T} frames", d, d.mean <= 1.5)
    for r in distances[(distances.method == l) & distances.metric.str.startswith("FMD")].itertuples():
        static = distances[(distances.method == "Static") & (distances.frames == r.frames) & (distances.metric == r.metric)].value.item()
        claims.append(dict(method=l, claim=f"{r.metric} below Static's, {r.frames} frames (difference)", value=r.value - static, low=r.minus_static_low, high=r.minus_static_high,
                           n=sync.id.nunique(), unit="clip", holds="yes" if r.value < static and r.minus_static_high < 0 else "no"))
claims = pd.DataFrame(claims)
write_table(claims, results/"claims.csv")
shown = claims.assign(value=[f"{v:.2f} [{a:.2f}, {b:.2f}]" for v, a, b in zip(claims.value, claims.low, claims.high)]).drop(columns=["low", "high"])
write_text(f"# What holds on the {data}\n\n{note}Profile {settings['name']}, seed {seed}. {(claims.holds == 'yes').sum()} of {len(claims)} claims hold.\n\n{md(shown.astype(str))}\n", results/"claims.md")
written |= {"claims.md": f"each claim with its interval and verdict ({(claims.holds == 'yes').sum()} of {len(claims)} hold)", "claims.csv": "the same as data"}
shown

# %% [markdown]
# ## See and hear it
#
# Ground truth beside each full model, with the sound; for a simulated clip the sound is synthesised again from its seed.

# %%
if facts["simulated"] or draw_people:
    import cv2
    from mssync.animate import draw_faces, write_video
    from mssync.simulate import draw_speaker, simulate_clip
    for k, id in enumerate(ids[:settings["evaluation"]["videos"]]):
        wave, c = None, settings["corpus"]
        if facts["simulated"]:
            n = int(id.removeprefix("sim"))
            wave = simulate_clip(n, draw_speaker(n % c["speakers"], seed), seed, c["seconds"], return_wave=True)[1]
        panels = []
        for m in ("Ground truth", *full.values()):
            frames = draw_faces(tracks[m][k].cpu().numpy() * .17 + .5, 320)
            for f in frames: cv2.putText(f, m, (8, 20), cv2.FONT_HERSHEY_SIMPLEX, .5, (0, 0, 0), 1, cv2.LINE_AA)
            panels.append(frames)
        write_video(results/f"example_{k + 1}.mp4", list(np.concatenate(panels, 2)), FPS, wave[:int(len(panels[0]) / FPS * 16000)] if wave is not None else None)
        written[f"example_{k + 1}.mp4"] = "a test clip beside what is generated from its first frame and sound" + (", with the sound" if facts["simulated"] else "")

# %% [markdown]
# ## Record of the run

# %%
durations = {}
for f in sorted((results/"notebooks").glob("*.ipynb")):
    if not f.name.startswith("06") and ".failed" not in f.name: durations[f.stem] = round(json.loads(f.read_text())["metadata"].get("papermill", {}).get("duration") or 0)
write_text(json.dumps(run_record(settings, seed, device=device, corpus={k: facts[k] for k in ("name", "simulated", "clips", "speakers", "lengths")}, seconds=durations), indent=1), results/"run.json")
written |= {"run.json": f"revision, versions, settings and time of the run ({sum(durations.values()) / 60:.0f} minutes in all)",
            "corpus.png": "speeds and scales of the corpus", "sync.csv, dynamics.csv, frechet.csv": "all measurements, one row a clip", "notebooks/": "the executed notebooks"}
write_text(f"# Study, profile {settings['name']}, {data}\n\n{note}{settings['about']}\n\n" + "".join(f"- `{n}`: {w}\n" for n, w in written.items()), results/"README.md")
