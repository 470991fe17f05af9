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
# # Training syncers
#
# > Four networks that know which motion belongs to which sound, one a time scale; once as a loss, once as a metric
#
# A syncer embeds five samples of landmarks and the sound around them, and is trained so that what
# belongs together lies together (Section 3.1, Eq. 2 and 3). On the levels of the pyramid (Eq. 5) the
# same five samples span 200, 400, 800 and 1600 ms. Two pyramids of syncers are trained apart: one to
# be the generator's loss, with unit embeddings and Eq. 2, on split `train`; one to score what it
# generates, with Euclidean distances and a margin loss (Section 4.3), on split `metric`. They share
# no clip, so the score does not reward having learned the loss syncers' own errors. (In the paper
# both learn from the same clips, Section 4.3: `evaluation: {metric_split: train}`, as in the profile
# `paper`.)

# %% tags=["parameters"]
profile: str = "smoke"  # name of a file in workflow/profiles, or a path to one
results: str = "../../results/smoke"  # folder that everything goes to
corpus: str = ""  # folder of an ingested corpus; empty: simulate one
seed: int = 0  # of the training; files go to results/seed_0
device: str = "cpu"  # cpu, cuda, cuda:1, ...
role: str = "loss"  # loss or metric

# %%
import matplotlib.pyplot as plt
import torch

from mssync.data.packed import landmarkers
from mssync.metrics.synchrony import av_scores
from mssync.study.notebooks import checkpoint
from mssync.study.profiles import syncer_config, syncer_training
from mssync.study.run import Study
from mssync.training.syncers import train_syncers

plt.style.use("mssync.style")
study = Study(profile, results, corpus, seed=seed, device=device)
split = "train" if role == "loss" else study.settings["evaluation"]["metric_split"]
clips = study.packed(split)
held_out = study.packed("val")
start = study.begin(f"{role}_syncers")
shape = start.cfg if start else syncer_config(study.settings, role, clips)
training = syncer_training(study.settings, role)
name = f"syncers_{role}"
print(
    f"{len(clips)} clips to train on, {len(held_out)} held out; {training.loss}, "
    f"{'unit' if shape.normalised else 'free'} embeddings of {shape.dim}"
    + (f"; begins with {study.settings['start'][f'{role}_syncers']}" if start else "")
)

# %% [markdown]
# ## Training
#
# The checkpoint's name holds everything that the result depends on, so a training that was stopped
# goes on and a changed one begins anew.

# %%
depends = (
    vars(shape),
    vars(training),
    split,
    seed,
    study.results / "corpus.json",
    study.corpus / "clips.csv",
    clips.content,
    *study.start_files,
)
syncers, log = train_syncers(
    clips,
    held_out,
    shape,
    training,
    seed + 1000 * (role == "metric"),  # the two pyramids begin differently
    checkpoint(study.folder, name, *depends),
    logdir=study.folder / "logs" / name,
    checkpoint_minutes=study.settings["checkpoint_minutes"],
    start=start,
)
about = dict(role=role, split=split, clips=len(clips), corpus=study.facts["name"], seed=seed)
study.save(name, syncers, landmarker=", ".join(landmarkers(clips)), **about)
study.table(log, f"{name}.csv")

# %% [markdown]
# ## Retrieval
#
# The loss has no natural scale: without a temperature the cosines of Eq. 2 cannot bring it below 2.0
# (about 2.9 when the negatives spread evenly), where guessing gives $\ln 49 = 3.89$. What can be read
# is retrieval: how often the true motion lies nearer to the sound than all 48 others, all different
# windows, up to half of them from the same clip. Guessing gives 1/49.

# %%
fig, axes = plt.subplots(1, training.levels, figsize=(11, 2.8), sharey=True)
for i, ax in enumerate(axes, 1):
    ax.plot(log.step, log[f"retrieval_{i}"], label="training")
    ax.plot(log.step, log[f"held_out_retrieval_{i}"], "--", label="held out")
    ax.axhline(1 / (training.negatives + 1), color="grey", lw=0.8, ls=":")
    ax.set(title=f"{200 * 2 ** (i - 1)} ms", xlabel="step", ylim=(0, 1.02))
axes[0].set_ylabel("share found")
axes[0].legend()
study.figure(fig, f"{name}.png")

# %% [markdown]
# ## Does it find the offset?
#
# The mean distance between motion and sound on held-out clips, the sound shifted against the motion.
# A syncer that learned has its minimum at 0.

# %%
x, a, _ = held_out.windows(study.lengths["sync"])
parts = [
    av_scores(syncers, x_k[:, 1:], a_k[:, 4:])  # the first frame is given, not generated
    for x_k, a_k in zip(x.split(64), a.split(64))
]
curves = [torch.cat(level) for level in zip(*(p["curve"] for p in parts))]
offsets = torch.cat([p["offset"] for p in parts])
fig, axes = plt.subplots(1, training.levels, figsize=(11, 2.8))
for i, ax in enumerate(axes):
    curve = curves[i]
    shift = parts[0]["shifts"][i]
    off = offsets[:, i].abs().float().mean()
    ax.plot(range(-shift, shift + 1), curve.mean(0).cpu(), marker=".")
    ax.axvline(0, color="grey", lw=0.8, ls=":")
    ax.set(title=f"{200 * 2**i} ms, |AV-Off| {off:.2f}", xlabel=f"shift, {40 * 2**i} ms each")
axes[0].set_ylabel("mean distance")
study.figure(fig, f"{name}_shift.png")
