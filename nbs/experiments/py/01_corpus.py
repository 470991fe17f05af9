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
# # The corpus
#
# > What the study is made on: a simulated corpus, or a folder of clips from real videos
#
# The paper trains on 18,000 clips of VoxCeleb2 (II), cut in a *fixed* reference frame so that the head's motion stays in the landmarks (Section 4.1). That corpus cannot be
# passed on. Without a corpus of your own this notebook simulates one: synthesised speech drives a face rig, and the head follows the speech's energy and pitch at
# known time scales (`mssync.simulate.clips`). With one (`mssync ingest DIR OUT`) it is checked and left as it is.

# %% tags=["parameters"]
profile: str = "smoke"  # name of a file in workflow/profiles, or a path to one
results: str = "../../results/smoke"  # folder that everything goes to
corpus: str = ""  # folder of an ingested corpus; empty: simulate one

# %%
import json
import os
import shutil
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch

from mssync.data.corpus import SPLITS, CorpusError, read_clip, read_index
from mssync.data.landmarks import FPS, REGIONS, head_speed, lip_speed, mouth_opening, normalise
from mssync.data.packed import available_frames, available_lengths
from mssync.metrics.dynamics import corpus_motion, percentiles, within_head
from mssync.model.pyramid import position_pyramid
from mssync.simulate.clips import simulate_corpus
from mssync.study.outputs import corpus_folder, write_figure, write_table, write_text
from mssync.study.profiles import ROOT, ProfileError, load_profile

settings, results = load_profile(profile), Path(results)
folder = corpus_folder(results, corpus)

# %% [markdown]
# ## Make it, or check it
#
# Four splits share no clip, and no speaker where there are eight or more: `train` for the loss syncers and the generators, `metric` for the syncers that score them, `val` for
# Figure 5, `test` for the tables.

# %%
if not corpus:
    if settings["data"] != "simulated":
        raise ProfileError(
            f"profile {settings['name']}: simulates no corpus, give the folder of one (CORPUS=...)"
        )

    def make():
        return simulate_corpus(folder, jobs=os.cpu_count() or 1, **settings["corpus"])

    try:
        make()
    except CorpusError as e:  # this run's own folder, from other settings
        print(f"{e}: made anew")
        shutil.rmtree(folder)
        make()

index = read_index(folder)
if empty := [s for s in SPLITS if not (index.split == s).any()]:
    raise CorpusError(
        f"{folder / 'clips.csv'}: no clip in split {empty[0]}; `mssync ingest` draws the splits when it is done"
    )
minutes = index.groupby("split").frames.sum() / FPS / 60
splits = pd.DataFrame(
    dict(
        clips=index.split.value_counts(),
        speakers=index.groupby("split").speaker.nunique(),
        minutes=minutes.round(1),
    )
).loc[list(SPLITS)]
splits

# %% [markdown]
# ## How long are the clips?
#
# The paper scores synchrony on 80 frames (Section 4.3) and measures motion after 40, 80 and 200 (Table 2). Where the clips are shorter, the longest lengths that they
# allow take the place, here and in every table.

# %%
wanted = settings["evaluation"]
lengths = dict(
    sync=available_frames(index.frames, wanted["sync_frames"]),
    durations=available_lengths(index.frames, wanted["durations"]),
    motion={str(n): available_frames(index.frames, n) for n in wanted["motion_frames"]},
    figure4=available_frames(index.frames, wanted["figure4_frames"]),
    train={
        v: available_frames(index.frames, (settings["training"] | d["training"])["frames"])
        for v, d in settings["variants"].items()
    },
)
if lengths["sync"] < 41:
    raise CorpusError(
        f"{folder}: clips of {lengths['sync'] + 1} frames are too short to be scored at four time scales"
    )
pairs = {
    w: available_frames(index.frames, w) for w in (wanted["sync_frames"], *wanted["durations"])
}
shortened = ", ".join(f"{w} to {g}" for w, g in sorted(pairs.items()) if w != g)
print(
    "lengths as in the paper"
    if not shortened
    else f"the clips are short: lengths reduced from {shortened} frames"
)
lengths

# %% [markdown]
# ## Does it move, and at which scales?
#
# Speeds in units of the face's size a frame, and the energy of the motion at the four levels of the pyramid (Eq. 5): what remains of lips and head after each blur, as a
# share of the finest level. Lips lose most of their motion on the way up, the head keeps it; this is why one time scale is not enough.

# %%
part = index[index.split == "train"]
part = part.iloc[np.random.default_rng(0).permutation(len(part))[:100]]
tracks = [read_clip(folder, row).landmarks.astype(np.float64) for _, row in part.iterrows()]
tracks = [normalise(x, x[0]) for x in tracks]
stats = pd.DataFrame(
    [
        dict(
            lip_speed=lip_speed(x).mean(),
            head_speed=head_speed(x).mean(),
            mouth_opening=mouth_opening(x).mean(),
        )
        for x in tracks
    ]
)


def energies(x, region):  # variance of the points at each level
    levels = position_pyramid(torch.from_numpy(np.ascontiguousarray(x[None, :, REGIONS[region]])))
    return [float(l.var(1).mean()) for l in levels]


scales = np.array([[energies(within_head(x), "lips"), energies(x, "head")] for x in tracks]).mean(0)
scales = pd.DataFrame(
    scales.T / scales.T[:1],
    columns=["lips", "head"],
    index=pd.Index([200, 400, 800, 1600], name="ms"),
)

fig, axes = plt.subplots(1, 3, figsize=(11, 2.8))
for name in ("lip_speed", "head_speed"):
    axes[0].hist(stats[name], 20, alpha=0.6, label=name.replace("_", " "))
axes[0].set(xlabel="face sizes a frame", ylabel="clips")
axes[0].legend()
axes[1].hist(stats.mouth_opening, 20, color="C2")
axes[1].set(xlabel="mean mouth opening, face sizes")
scales.plot(ax=axes[2], marker="o", logx=True)
axes[2].set(
    xlabel="time scale, ms",
    ylabel="energy left",
    ylim=(0, 1.05),
    xticks=[200, 400, 800, 1600],
    xticklabels=[200, 400, 800, 1600],
)
axes[2].minorticks_off()
fig.tight_layout()
write_figure(fig, results / "corpus.png")

# %% [markdown]
# ## Does it move as people do?
#
# Medians of `mssync.metrics.dynamics.motion_statistics`, beside the 5-95 % range (and the quartiles) of the real clips in `data/real_motion.csv`, in windows of 8.6 s, or of 3 s where the clips are shorter. Correlations
# with energy and pitch need both in the clips' extras; a maximum over lags of few slow waves is large by chance, so chance stands beside them.

# %%
frames = 215 if (part.frames >= 215).mean() > 0.5 else 74
if (part.frames >= frames).any():
    motion = corpus_motion(folder, frames, part)
    if not any("~" in k for k in motion):
        print("correlations with the sound are skipped: the clips hold no energy and pitch")
    mine, people = percentiles(motion), pd.read_csv(ROOT / "data" / "real_motion.csv")
    people = (
        people[(people.group == "all but GRID") & (people.frames == frames)]
        .set_index("statistic")
        .loc[lambda d: d.index.isin(mine.index)]
    )
    beside = (
        mine.add_prefix("corpus_")
        .join(people[["p5", "p25", "p50", "p75", "p95"]].add_prefix("real_"))
        .loc[people.index]
    )
    write_table(beside.round(5).reset_index(names="statistic"), results / "corpus_motion.csv")
    print(
        f"{len(motion)} windows of {frames} frames; real: {int(people.windows.iloc[0])} windows of {int(people.clips.iloc[0])} clips"
    )
    print(
        beside.drop(index=[k for k in beside.index if "chance" in k])[
            ["corpus_p5", "corpus_p50", "corpus_p95", "real_p5", "real_p50", "real_p95"]
        ]
        .round(3)
        .to_string()
    )
    inside = (beside.corpus_p50 >= beside.real_p5) & (beside.corpus_p50 <= beside.real_p95)
    print("outside the real 5-95 % range:", ", ".join(inside.index[~inside]) or "none")
else:
    print(f"skipped: no clip has the {frames} frames that motion statistics need")

# %% [markdown]
# What the other notebooks read:

# %%
write_text(
    json.dumps(
        dict(
            name="simulated" if not corpus else folder.resolve().name,
            simulated=not corpus,
            sources=sorted(index.source.unique()),
            features=read_clip(folder, index.iloc[0]).features,
            clips=len(index),
            speakers=int(index.speaker.nunique()),
            splits=splits.reset_index().to_dict("records"),
            lengths=lengths,
            shortened=shortened,
            stats=stats.mean().round(5).to_dict(),
            energy_left=scales.round(4).reset_index().to_dict("records"),
        ),
        indent=1,
    ),
    results / "corpus.json",
)
