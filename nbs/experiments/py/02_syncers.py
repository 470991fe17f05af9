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
# A syncer embeds five samples of landmarks and the sound around them, and is trained so that what belongs together lies together (Section 3.1, Eq. 2 and 3). On the levels of
# the pyramid (Eq. 5) the same five samples span 200, 400, 800 and 1600 ms. Two pyramids of syncers are trained apart: one to be the generator's loss, with unit
# embeddings and Eq. 2, on split `train`; one to score what it generates, with Euclidean distances and a margin loss (Section 4.3), on split `metric`. They share no clip, so
# the score does not reward having learned the loss syncers' own errors. (In the paper both learn from the same clips, Section 4.3: `evaluation: {metric_split: train}`, as in the profile `paper`.)

# %% tags=["parameters"]
profile: str = "smoke"  # name of a file in workflow/profiles, or a path to one
results: str = "../../results/smoke"  # folder that everything goes to
corpus: str = ""  # folder of an ingested corpus; empty: simulate one
seed: int = 0  # of the training; files go to results/seed_0
device: str = "cpu"  # cpu, cuda, cuda:1, ...
role: str = "loss"  # loss or metric

# %%
import json
from pathlib import Path

import matplotlib.pyplot as plt

from mssync.data.packed import Packed
from mssync.metrics.synchrony import av_scores
from mssync.study.notebooks import checkpoint
from mssync.study.outputs import corpus_folder, seed_folder, write_figure, write_table
from mssync.study.profiles import load_profile, syncer_config, syncer_training
from mssync.training.models import save_model
from mssync.training.syncers import train_syncers

settings, results = load_profile(profile), Path(results)
folder, facts, out = (
    corpus_folder(results, corpus),
    json.loads((results / "corpus.json").read_text()),
    seed_folder(results, seed),
)
split = "train" if role == "loss" else settings["evaluation"]["metric_split"]
packed, held_out = Packed(folder, split, device=device), Packed(folder, "val", device=device)
shape, training = syncer_config(settings, role, packed), syncer_training(settings, role)
print(
    f"{len(packed)} clips to train on, {len(held_out)} held out; {training.loss}, {'unit' if shape.normalised else 'free'} embeddings of {shape.dim}"
)

# %%
depends = vars(shape), vars(training), split, seed, results / "corpus.json", folder / "clips.csv"
syncers, log = train_syncers(
    packed,
    held_out,
    shape,
    training,
    seed + 1000 * (role == "metric"),
    checkpoint(out, f"syncers_{role}", *depends),
    logdir=out / "logs" / f"syncers_{role}",
)
save_model(
    out / f"syncers_{role}.safetensors",
    syncers,
    role=role,
    split=split,
    clips=len(packed),
    corpus=facts["name"],
    seed=seed,
)
write_table(log, out / f"syncers_{role}.csv")

# %% [markdown]
# ## Retrieval
#
# The loss has no natural scale: without a temperature the cosines of Eq. 2 cannot bring it below 2.0 (about 2.9 when the negatives spread evenly), where guessing gives
# $\ln 49 = 3.89$. What can be read is retrieval: how often the true motion lies nearer to the sound than all 48 others, half of them from the same clip. Guessing gives 1/49.

# %%
fig, axes = plt.subplots(1, training.levels, figsize=(11, 2.6), sharey=True)
for i, ax in enumerate(axes, 1):
    for prefix, style in (("", "-"), ("held_out_", "--")):
        ax.plot(
            log.step,
            log[f"{prefix}retrieval_{i}"],
            style,
            label="held out" if prefix else "training",
        )
    ax.axhline(1 / (training.negatives + 1), color="grey", lw=0.8, ls=":")
    ax.set(title=f"{200 * 2 ** (i - 1)} ms", xlabel="step", ylim=(0, 1.02))
axes[0].set_ylabel("retrieval")
axes[0].legend()
fig.tight_layout()

# %% [markdown]
# ## Does it find the offset?
#
# The mean distance between motion and sound on held-out clips, the sound shifted against the motion. A syncer that learned has its minimum at 0.

# %%
x, a, _ = held_out.windows(facts["lengths"]["sync"])
curves = av_scores(syncers, x[:, 1:], a[:, 4:])
fig2, axes = plt.subplots(1, training.levels, figsize=(11, 2.6))
for i, (ax, c, s) in enumerate(zip(axes, curves["curve"], curves["shifts"])):
    ax.plot(range(-s, s + 1), c.mean(0).cpu(), marker=".")
    off = curves["offset"][:, i].abs().float()
    ax.axvline(0, color="grey", lw=0.8, ls=":")
    ax.set(title=f"{200 * 2**i} ms, |off| {off.mean():.2f}", xlabel=f"shift, {40 * 2**i} ms each")
axes[0].set_ylabel("mean distance")
fig2.tight_layout()
write_figure(fig, out / f"syncers_{role}.png")
write_figure(fig2, out / f"syncers_{role}_shift.png")
