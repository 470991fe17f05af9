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
# The paper draws the landmarks as images and measures FVD in a video network trained on other videos (Section 4.2). Those weights cannot always be had, and an image of 68
# points says no more than the points. Here windows of 40 and 80 frames are encoded by a small autoencoder of motion, trained on split `train` only and then fixed for every
# method (`mssync.metrics.frechet`). Its distances, FMD, rank methods as FVD is meant to; they are not FVD, and no number of the two can be compared.

# %% tags=["parameters"]
profile: str = "smoke"  # name of a file in workflow/profiles, or a path to one
results: str = "../../results/smoke"  # folder that everything goes to
corpus: str = ""  # folder of an ingested corpus; empty: simulate one
seed: int = 0  # of the training; files go to results/seed_0
device: str = "cpu"  # cpu, cuda, cuda:1, ...

# %%
import json
from pathlib import Path

import pandas as pd
import torch
import torch.nn.functional as F

from mssync.baselines.reference import static
from mssync.data.packed import Packed
from mssync.metrics.frechet import frechet_interval, train_motion_encoder
from mssync.metrics.intervals import by_speaker
from mssync.study.outputs import corpus_folder, seed_folder, write_table
from mssync.study.profiles import load_profile
from mssync.training.models import save_model

settings, results = load_profile(profile), Path(results)
folder, facts, out = (
    corpus_folder(results, corpus),
    json.loads((results / "corpus.json").read_text()),
    seed_folder(results, seed),
)
packed, held_out = (Packed(folder, s, device=device) for s in ("train", "metric"))

# %%
encoders = {}
for name, frames in facts["lengths"]["motion"].items():
    encoders[name] = train_motion_encoder(packed, frames, seed=seed, **settings["motion_encoder"])
    save_model(
        out / f"motion_encoder_{name}.safetensors",
        encoders[name],
        corpus=facts["name"],
        clips=len(packed),
        seed=seed,
    )

# %% [markdown]
# ## What of the motion is in the code?
#
# The share of the inputs' variance that the reconstruction explains, on training clips and on the clips of split `metric`, whom the encoder has not seen (other speakers where there are several). Little is expected of deviations and velocities: the course of the lips cannot be told
# from so few numbers. The energies, how lively each part of the motion is, must be there on clips not seen, or distances in this code mean little (notebook 33_frechet).

# %%
rows = []
for e in encoders.values():
    for clips, p in {"training": packed, "not seen": held_out}.items():
        with torch.no_grad():
            i = e.inputs(p.windows(e.cfg.frames, stride=e.cfg.frames)[0])
            r = e.decode(e.encode(i))
        K = e.cfg.axes
        rows.append(
            dict(encoder=f"FMD_{e.cfg.frames}", clips=clips)
            | {
                what: float(1 - F.mse_loss(r[:, k], i[:, k]) / i[:, k].var())
                for what, k in dict(
                    deviations=slice(0, K), velocities=slice(K, 2 * K), energies=slice(2 * K, None)
                ).items()
            }
        )
explained = pd.DataFrame(rows)
for r in explained[explained.clips == "not seen"].itertuples():
    print(
        f"{r.encoder}, variance explained on clips not seen: deviations {r.deviations:.2f}, velocities {r.velocities:.2f}, energies {r.energies:.2f}"
    )
explained.round(2)

# %% [markdown]
# ## Does it see what it should?
#
# Distances to the clips of split `metric`: other real motion must be near, the same played backwards, frozen or twice as large must not. `bias` is the estimated upward bias of the distance between sets of this size, `low` and `high` are
# the bootstrap interval of the distance less it (`mssync.metrics.frechet.frechet_interval`), whole speakers resampled where there are enough.

# %%
rows, speaker = [], pd.concat([packed.index, held_out.index]).set_index("id").speaker
for e in encoders.values():
    x, _, ids = held_out.windows(e.cfg.frames)
    other, _, others = packed.windows(e.cfg.frames)
    with torch.no_grad():
        real = e(x)
        for what, y in {
            "training clips": other,
            "backwards": x.flip(1),
            "frozen": static(x[:, 0], x.shape[1] - 1),
            "twice as large": x[:, :1] + 2 * (x - x[:, :1]),
        }.items():
            own, theirs = (by_speaker(speaker[i]) for i in (ids, others))
            value, bias, low, high = (
                frechet_interval(e(y), real, groups=theirs, groups2=own, paired=False)
                if y is other
                else frechet_interval(e(y), real, groups=own)
            )
            rows.append(
                dict(
                    encoder=f"FMD_{e.cfg.frames}",
                    motion=what,
                    distance=value,
                    bias=bias,
                    low=low,
                    high=high,
                )
            )
checks = pd.DataFrame(rows)
write_table(checks, out / "motion_encoders.csv")
checks.round(2)
