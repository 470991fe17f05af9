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
# Every method gets the first frame and the sound of each test clip; no clip of split `test` was seen
# by any training, and none of its speakers where the corpus has eight or more. Beside the trained
# generators stand rows that say what a number is worth:
#
# - **Ground truth**, the clip itself;
# - **Static**, its first frame repeated;
# - **Shuffled audio**, real motion scored against another clip's sound: synchrony by chance, with
#   nothing wrong in the motion. Where a measure takes no sound it has the ground truth's value;
# - **Mean motion**, the training clips' mean displacement, put on every face: what can be known
#   without the sound;
# - **Retrieval**, the motion of the training window that sounds most alike: what can be had without
#   learning;
# - the **baselines** that the profile names (50_systems), trained on the same clips with the same
#   budget;
# - **MS-Sync-short, shuffled audio**, motion generated from another clip's sound: what remains if the
#   generator does not condition on the right one (and **NAME (official)**, what somebody's own code
#   made of these clips, as far as its videos are there:
#   [52_official](../baselines/52_official.ipynb)).
#
# How each table is made, and tests of it, stand in notebook 65_evaluation.

# %% tags=["parameters"]
profile: str = "smoke"  # name of a file in workflow/profiles, or a path to one
results: str = "../../results/smoke"  # folder that everything goes to
corpus: str = ""  # folder of an ingested corpus; empty: simulate one
# folders of other people's clips (mssync import-method), separated by commas
methods: str = ""
seed: int = 0  # whose networks measure and are measured; files go to results/seed_0
device: str = "cpu"  # cpu, cuda, cuda:1, ...

# %%
from functools import partial

from mssync.baselines.official import official_clips
from mssync.baselines.systems import BASELINES  # noqa: F401  (what `study.baselines` loads)
from mssync.metrics.dynamics import shape_space
from mssync.metrics.frechet import frame_axes
from mssync.metrics.heads import heads_table
from mssync.metrics.lips import lips_table
from mssync.metrics.theval import theval_table
from mssync.study.claims import claims_with, claims_with_official, frechet_pairs
from mssync.study.evaluation import (
    PC_AVS_SCALE,
    Methods,
    distribution_features,
    drift_of,
    dynamics_of,
    frechet_tables,
    has_loudness,
    image_networks,
    measured_by,
    residual_of,
    sets_table,
    synchrony_table,
)
from mssync.study.lengths import served_text
from mssync.study.run import Study

study = Study(profile, results, corpus, seed=seed, device=device)
asked = study.settings["evaluation"]
T_sync = study.lengths["sync"]
durations = study.lengths["durations"]
T_long = durations[-1]

splits = {s: study.packed(s) for s in ("train", "val", "test")}
splits["others"] = study.packed(study.others)
if len(splits["others"]) > asked["others"]:
    splits["others"] = splits["others"].only(asked["others"], spread=True)
models = study.generators() | study.baselines()
official = official_clips(methods, splits["test"])
methods = Methods(splits, models, study.full.values(), seed, official)
space = shape_space(splits["train"])

test = splits["test"]
print(f"{len(test)} test clips of {test.index.speaker.nunique()} speakers")
if study.facts["shortened"]:
    print(f"the clips are short: {study.facts['shortened']} frames")
for T, clips in study.facts["served"].items():
    print(served_text(int(T), clips, len(test)))
for T in dict.fromkeys((T_sync, *durations)):
    for said in methods.said(T):
        print(said)

# %% [markdown]
# ## Synchrony (Table 3, Figure 3)
#
# AV-Off and AV-Conf on the generated frames by the metric syncers. Scored twice: on the overlap only,
# and in SyncNet's zero-padded form that the paper probably used, which breaks down at coarse scales
# on short clips (`mssync.metrics.synchrony`). Two more rows take the real motion apart: what do lips
# alone, on a head that holds still, tell at each scale, and what does the head alone? The window of a
# clip is its first, so all begin with the onset of speech: at coarse scales another clip's sound is
# partly in sync. The two best-known rows on split `val` are the reference lines of Figure 5.

# %%
sync = synchrony_table(methods, study.network("syncers_metric"), T_sync)
study.table(sync, "sync.csv")

shown = sync[sync.split == "test"].assign(off=sync.offset.abs())
shown = shown.groupby(["scoring", "method", "level"], sort=False)
shown[["off", "confidence"]].mean().unstack().round(2)

# %% [markdown]
# ## Dynamics
#
# Ratios to real, one row a clip (1 = real). `whole` is all frames of that duration, with the given one;
# `last 40` shows what errors have done by then. The shape residual is the distance of a frame to the
# linear space of the training faces: what makes a torn face visible in a number.

# %%
dynamics = dynamics_of(methods, durations, space)
study.table(dynamics, "dynamics.csv")

whole = dynamics[dynamics.span == "whole"].groupby(["frames", "method"], sort=False)
whole.mean(numeric_only=True).round(2)

# %% [markdown]
# How the residual grows with the length of the sequence, frame by frame:

# %%
study.table(residual_of(methods, T_long, space), "residual.csv")

# %% [markdown]
# And far beyond the clips: to 1000 frames (40 s), from the first frames of some test clips and a
# chain of test clips' sound. The seams are not speech, but a face must survive them. There is no true
# motion to that sound, so the rows as long are the generators' and Static's; the real clips' own way
# stands beside them until they end (`mssync.metrics.heads.drift_curve`). Place is in % of the face's
# size, size in %, the shape residual a ratio to real; with intervals over the chains.

# %%
drift = drift_of(methods, T_long, asked["drift_frames"], asked["drift_clips"], space)
study.table(drift, "drift.csv")

some = drift[drift.frame.isin([40, T_long, asked["drift_frames"]])]
some.set_index(["method", "frame"])[["position", "size", "residual", "deformation"]].round(2)

# %% [markdown]
# ## Lips and heads (Table 5)
#
# Distances to the real lips, and what they do in pauses (`mssync.metrics.lips`); beats of head and
# speech, brows and lids (`mssync.metrics.heads`). A measure that needs the sound is given the one
# that the method was given; `Shuffled audio` is measured with the wrong one, which shows what
# alignment is worth that comes by chance. Pauses belong to the sound, so `sound` names the clip whose
# it was. Features that do not hold the loudness leave both out.

# %%
if not has_loudness(methods):
    print(f"pauses and beats are left out: features {test.features!r} do not hold the loudness")
lips = measured_by(methods, partial(lips_table, given=1), T_sync, PC_AVS_SCALE)
heads = measured_by(methods, heads_table, T_long)
study.table(lips, "lips.csv")
study.table(heads, "heads.csv")
# what other benchmarks measure (35b_theval)
theval = measured_by(methods, partial(theval_table, given=1), T_long)
study.table(theval, "theval.csv")
for df in (lips, heads, theval):
    display(df.groupby("method", sort=False).mean(numeric_only=True).round(2))

# %% [markdown]
# ## Sets of clips
#
# Diversity and spectra belong to a set of clips: how differently its clips move, and how far the mean
# spectrum of its motion lies from the real one. Each has its estimated bias and its interval
# (`mssync.metrics.intervals.set_interval`). Whole speakers are resampled where there are enough, and
# where both sets are the same clips, the same ones of both. What *other* real motion reaches, the
# clips of split `metric` (of `val` where that is empty), stands beside it. Shown are the
# bias-corrected values.

# %%
sets = sets_table(methods, T_long)
study.table(sets, "sets.csv")

shown = sets.assign(value=sets.value - sets.bias)
shown.pivot_table(index="method", columns="metric", values="value", sort=False).round(2)

# %% [markdown]
# ## Distances of distributions (Table 2)
#
# FFD compares single faces, FD_velocity and FD_pose velocities and the head's pose, FMD windows of
# motion in the learned encoders; all on the last frames, as the paper does for long sequences
# (Section 4.2). Lower is better. The floor is what *other* real motion reaches (clips of other
# speakers where there are several). `bias` estimates how much a distance is too large for so few
# clips, and `low` and `high` bound the bias-corrected distance
# (`mssync.metrics.frechet.frechet_interval`). Whether one method is nearer to the real motion than
# another is a difference of two distances to the same clips, with a bias and an interval of its own
# (`frechet_difference`, in `frechet_pairs.csv`: the pairs that notebook 69_claims asks about).
#
# FID, FVD and t-FID need two published networks and, without a GPU, hours: they are computed where
# the profile says `evaluation: {images: true}`, each with the network that it needs; what cannot be
# had is said in `images.csv` (`mssync.metrics.images`). `raster` says how the faces are drawn. In
# their 2048 dimensions fewer draws must do (`image_draws`).

# %%
networks, images = image_networks(asked["images"], asked["raster"], device, asked["over_time"])
study.table(images, "images.csv")
for r in images.itertuples():
    if r.computed == "no":
        print(f"{r.distances}: left out, {r.why}")
    else:
        print(f"{r.distances}: faces drawn as {r.raster}")

# %%
features = partial(
    distribution_features,
    axes=frame_axes(splits["train"], T_sync),
    encoders=study.encoders(),
    networks=networks,
    raster=asked["raster"],
    reference=test.reference,
)
claims = claims_with_official(list(official), claims_with(study.compared))
pairs = frechet_pairs(study.labels, claims)
distances, differences = frechet_tables(
    methods, durations, features, pairs, asked["draws"], image_draws=asked["image_draws"]
)
study.table(distances, "frechet.csv")
study.table(differences, "frechet_pairs.csv")

shown = distances.assign(value=distances.value - distances.bias)
shown.pivot_table(index="method", columns=["frames", "metric"], values="value", sort=False).round(2)
