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
# # An encoder of motion
#
# > What stands in for I3D when motion is compared as a distribution
#
# The paper draws the landmarks as images and measures FVD in a video network trained on other videos
# (Section 4.2). Those weights cannot always be had, and an image of 68 points says no more than the
# points. Here windows of 40 and 80 frames are encoded by a small autoencoder of motion, trained on
# split `train` only and then fixed for every method (`mssync.metrics.frechet`). Its distances, FMD,
# rank methods as FVD is meant to; they are not FVD, and no number of the two can be compared.

# %% tags=["parameters"]
profile: str = "smoke"  # name of a file in workflow/profiles, or a path to one
results: str = "../../results/smoke"  # folder that everything goes to
corpus: str = ""  # folder of an ingested corpus; empty: simulate one
seed: int = 0  # of the training; files go to results/seed_0
device: str = "cpu"  # cpu, cuda, cuda:1, ...

# %%
import pandas as pd
import torch
import torch.nn.functional as F

from mssync.baselines.reference import static
from mssync.metrics.frechet import frechet_interval, train_motion_encoder
from mssync.metrics.intervals import by_speaker
from mssync.study.run import Study

study = Study(profile, results, corpus, seed=seed, device=device)
train = study.packed("train")
held_out = study.packed(study.others)
most = study.settings["evaluation"]["others"]
if len(held_out) > most:
    held_out = held_out.only(most, spread=True)
some = train.only(min(len(train), most), spread=True)  # to measure on

# %%
encoders = []
for name, frames in study.lengths["motion"].items():
    options = study.settings["motion_encoder"]
    encoder = train_motion_encoder(train, frames, seed=seed, **options)
    about = dict(corpus=study.facts["name"], clips=len(train), seed=seed)
    study.save(f"motion_encoder_{name}", encoder, **about)
    encoders.append(encoder)


# %% [markdown]
# ## What of the motion is in the code?
#
# The share of the inputs' variance that the reconstruction explains, on training clips and on other
# clips (of split `metric`, or of `val` where that is empty; of each at most as many as
# `evaluation: {others: ...}` says), which the encoder has not seen (other speakers where there are
# several). Little is expected of deviations and velocities: the course of the lips cannot be told
# from so few numbers. The energies, how lively each part of the motion is, must be there on clips not
# seen, or distances in this code mean little (notebook 33_frechet).

# %%
def explained_of(encoder, clips):
    "Share of the variance of each kind of input that comes back, windows side by side."
    windows = clips.windows(encoder.cfg.frames, stride=encoder.cfg.frames)[0]
    with torch.no_grad():
        given = encoder.inputs(windows)  # (windows, 3K + 2, frames)
        back = encoder.decode(encoder.encode(given))
    K = encoder.cfg.axes
    kinds = dict(deviations=slice(K), velocities=slice(K, 2 * K), energies=slice(2 * K, None))

    def share(k):
        return float(1 - F.mse_loss(back[:, k], given[:, k]) / given[:, k].var())

    return {kind: share(k) for kind, k in kinds.items()}


rows = []
for encoder in encoders:
    for whose, clips in (("training", some), ("not seen", held_out)):
        about = dict(encoder=f"FMD_{encoder.cfg.frames}", clips=whose)
        rows.append(about | explained_of(encoder, clips))
explained = pd.DataFrame(rows)
explained.round(2)

# %% [markdown]
# ## Does it see what it should?
#
# Distances to the other clips: other real motion must be near, the same played backwards, frozen or
# twice as large must not. `bias` is the estimated upward bias of the distance between sets of this
# size, `low` and `high` are the bootstrap interval of the bias-corrected distance
# (`mssync.metrics.frechet.frechet_interval`); the resampling unit is the speaker where there are
# enough.

# %%
speaker_of = pd.concat([train.index, held_out.index]).set_index("id").speaker
rows = []
for encoder in encoders:
    x, _, ids = held_out.windows(encoder.cfg.frames)
    other, _, other_ids = some.windows(encoder.cfg.frames)
    own = by_speaker(speaker_of[ids])
    theirs = by_speaker(speaker_of[other_ids])
    damaged = {
        "backwards": x.flip(1),
        "frozen": static(x[:, 0], x.shape[1] - 1),
        "twice as large": x[:, :1] + 2 * (x - x[:, :1]),
    }
    with torch.no_grad():
        real = encoder(x)
        found = {
            "training clips": frechet_interval(
                encoder(other), real, groups=theirs, groups2=own, paired=False
            )
        }
        for what, y in damaged.items():
            found[what] = frechet_interval(encoder(y), real, groups=own)
    for what, numbers in found.items():
        about = dict(encoder=f"FMD_{encoder.cfg.frames}", motion=what)
        rows.append(about | dict(zip(("distance", "bias", "low", "high"), numbers)))
checks = pd.DataFrame(rows)
study.table(checks, "motion_encoders.csv")
checks.round(2)
