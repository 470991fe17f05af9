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
# method (`mssync.frechet`). Its distances, FMD, rank methods as FVD is meant to; they are not FVD, and no number of the two can be compared.

# %% tags=["parameters"]
profile: str = "smoke"              # name of a file in workflow/profiles, or a path to one
results: str = "../../results/smoke"  # folder that everything goes to
corpus: str = ""                    # folder of an ingested corpus; empty: simulate one
seed: int = 0                       # of the training; files go to results/seed_0
device: str = "cpu"                 # cpu, cuda, cuda:1, ...

# %%
import json
from pathlib import Path
import pandas as pd
import torch
from mssync.packed import Packed
from mssync.baselines import static
from mssync.frechet import frechet, frechet_bias, train_motion_encoder
from mssync.runs import save_model
from mssync.study import corpus_folder, load_profile, seed_folder, write_table

settings, results = load_profile(profile), Path(results)
folder, facts, out = corpus_folder(results, corpus), json.loads((results/"corpus.json").read_text()), seed_folder(results, seed)
packed = Packed(folder, "train", device=device)

# %%
encoders = {}
for name, frames in facts["lengths"]["motion"].items():
    encoders[name] = train_motion_encoder(packed, frames, seed=seed, **settings["motion_encoder"])
    save_model(out/f"motion_encoder_{name}.safetensors", encoders[name], corpus=facts["name"], clips=len(packed), seed=seed)

# %% [markdown]
# ## Does it see what it should?
#
# Distances to the clips of split `metric`, whom the encoder has not seen: other real motion must be near, the same played backwards, frozen or twice as large must not. The
# bias, what the distance would show between two sets of this size drawn from one distribution, is estimated by halving.

# %%
rows = []
for name, e in encoders.items():
    x, _, _ = Packed(folder, "metric", device=device).windows(e.cfg.frames)
    other, _, _ = packed.windows(e.cfg.frames)
    with torch.no_grad():
        real = e(x)
        for what, y in {"training clips": other, "backwards": x.flip(1), "frozen": static(x[:, 0], x.shape[1] - 1), "twice as large": x[:, :1] + 2 * (x - x[:, :1])}.items():
            rows.append(dict(encoder=f"FMD_{e.cfg.frames}", motion=what, distance=frechet(e(y), real), bias=frechet_bias(e(y), real)))
checks = pd.DataFrame(rows)
write_table(checks, out/"motion_encoders.csv")
checks.round(2)
