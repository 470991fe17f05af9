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
# The paper trains on 18,000 clips of VoxCeleb2 (II), cut in a *fixed* reference frame so that the
# head's motion stays in the landmarks (Section 4.1). That corpus cannot be passed on. Without a
# corpus of your own this notebook simulates one: synthesised speech drives a face rig, and the head
# follows the speech's energy and pitch at known time scales (`mssync.simulate.clips`). With one
# (`mssync ingest DIR OUT`) it is checked and left as it is.

# %% tags=["parameters"]
profile: str = "smoke"  # name of a file in workflow/profiles, or a path to one
results: str = "../../results/smoke"  # folder that everything goes to
corpus: str = ""  # folder of an ingested corpus; empty: simulate one

# %%
import json
import os

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch

from mssync.data.corpus import SPLITS, CorpusError, read_clip, read_index
from mssync.data.landmarks import FPS, REGIONS, head_speed, lip_speed, mouth_opening, normalise
from mssync.metrics.dynamics import corpus_motion, percentiles, within_head
from mssync.model.pyramid import SCALES, position_pyramid
from mssync.simulate.renew import renew_corpus
from mssync.study.lengths import long_enough, served_text, shortened_text, study_lengths
from mssync.study.profiles import ROOT, ProfileError
from mssync.study.run import Study

plt.style.use("mssync.style")
study = Study(profile, results, corpus)
settings = study.settings

# %% [markdown]
# ## Make it, or check it
#
# A simulated corpus of these settings is finished if it was stopped half way; one of other settings
# is made anew. Whatever a simulation has not made is never touched (`mssync.simulate.renew`).
#
# Four splits share no clip, and no speaker where there are eight or more: `train` for the loss
# syncers and the generators, `metric` for the syncers that score them, `val` for Figure 5, `test` for
# the tables. In the paper's protocol the scoring syncers learn from `train` too (`metric_split`);
# then `metric` may be empty.

# %%
if not corpus:
    if settings["data"] != "simulated":
        raise ProfileError(
            f"profile {settings['name']}: simulates no corpus, give the folder of one (CORPUS=...)"
        )
    renew_corpus(study.corpus, jobs=os.cpu_count() or 1, **settings["corpus"])

index = read_index(study.corpus)
wanted = settings["evaluation"]
counts = index.split.value_counts().reindex(list(SPLITS), fill_value=0)
needed = [s for s in SPLITS if s != "metric" or wanted["metric_split"] == "metric"]
empty = [s for s in needed if not counts[s]]
if empty:
    raise CorpusError(
        f"{study.corpus / 'clips.csv'}: no clip in split {empty[0]}; "
        "`mssync ingest` draws the splits when it is done"
    )

others = "metric" if counts["metric"] else "val"
if others == "metric" and wanted["metric_split"] == "train":
    print(
        f"{counts['metric']:,} clips of split metric are learnt from by nobody: both pyramids of "
        "syncers learn from split train; deal them to it with `splits: {metric: 0}` when ingesting"
    )

of_split = index.groupby("split")
people = of_split.speaker.nunique().reindex(list(SPLITS), fill_value=0)
for key, n in settings["expected"].items():
    split, what = key.split("_") if "_" in key else (key, "clips")
    found = (people if what == "people" else counts)[split]
    if n and not 0.9 < found / n < 1.1:
        print(f"split {split} has {found:,} {what}, the profile's corpus about {n:,}")

splits = pd.DataFrame(
    dict(
        clips=counts,
        speakers=people,
        minutes=(of_split.frames.sum() / FPS / 60).round(1),
    )
).loc[[s for s in SPLITS if counts[s]]]
splits

# %% [markdown]
# ## How long are the clips?
#
# The paper scores synchrony on 80 frames (Section 4.3) and measures motion after 40, 80 and 200
# (Table 2). Each length is measured on the test clips that have it, and learnt from the training
# clips that have it. Where nearly none has, the longest length that most clips allow takes the place,
# here and in every table (`mssync.study.lengths`).

# %%
frames = {s: index.frames[index.split == s].to_numpy() for s in SPLITS}
training = {
    v: (settings["training"] | d["training"])["frames"] for v, d in settings["variants"].items()
}
lengths = study_lengths(frames, wanted, training, others)
shortened = shortened_text(frames, wanted, others)
if shortened:
    print(f"the clips are short: lengths reduced from {shortened} frames")
else:
    print("lengths as in the profile")

served = {T: long_enough(frames["test"], T) for T in {lengths["sync"], *lengths["durations"]}}
for T, n in sorted(served.items()):
    print(served_text(T, n, counts["test"]))
for T in sorted(set(lengths["train"].values())):
    print(served_text(T, long_enough(frames["train"], T), counts["train"], "training"))
lengths


# %% [markdown]
# ## Does it move, and at which scales?
#
# Speeds are in units of the face's size a frame. The energy of the motion at the four levels of the
# pyramid (Eq. 5) is what remains of lips and head after each blur, as a share of the finest level.
# Lips lose most of their motion on the way up, the head keeps it; this is why one time scale is not
# enough.

# %%
def energies(x, region):
    "Variance of a region's points at each level of the pyramid, (4,), of motion (T, 68, 2)."
    points = np.ascontiguousarray(x[None, :, REGIONS[region]])
    return [float(level.var(1).mean()) for level in position_pyramid(torch.from_numpy(points))]


def speeds(x):
    "Mean speeds of one clip, and how far its mouth is open."
    return dict(
        lip_speed=lip_speed(x).mean(),
        head_speed=head_speed(x).mean(),
        mouth_opening=mouth_opening(x).mean(),
    )


part = index[index.split == "train"]
part = part.iloc[np.random.default_rng(0).permutation(len(part))[:100]]
tracks = [read_clip(study.corpus, row).landmarks.astype(np.float64) for _, row in part.iterrows()]
tracks = [normalise(x, x[0]) for x in tracks]

stats = pd.DataFrame([speeds(x) for x in tracks])
found = np.array([[energies(within_head(x), "lips"), energies(x, "head")] for x in tracks]).mean(0)
scales = pd.DataFrame(
    found.T / found.T[:1], columns=["lips", "head"], index=pd.Index(SCALES, name="ms")
)

# %%
fig, (speed, opening, left) = plt.subplots(1, 3, figsize=(11, 3))
speed.hist([stats.lip_speed, stats.head_speed], 20, label=["lips", "head"])
speed.set(title="How fast they move", xlabel="mean speed, face sizes a frame", ylabel="clips")
speed.legend()
opening.hist(stats.mouth_opening, 20, color="C2")
opening.set(title="How far the mouth opens", xlabel="mean opening, face sizes", ylabel="clips")
scales.plot(ax=left, marker="o", logx=True)
left.set(title="What is left of the motion", xlabel="time scale, ms", ylabel="share of its energy")
left.set(ylim=(0, 1.05), xticks=SCALES, xticklabels=SCALES)
left.minorticks_off()
study.figure(fig, "corpus.png")


# %% [markdown]
# ## Does it move as people do?
#
# Medians of `mssync.metrics.dynamics.motion_statistics`, beside the 5-95 % range (and the quartiles)
# of the real clips in `data/real_motion.csv`, in windows of 8.6 s, or of 3 s where the clips are
# shorter. Correlations with energy and pitch need both in the clips' extras; a maximum over lags of
# few slow waves is large by chance, so chance stands beside them.

# %%
def real_motion(frames):
    "Percentiles of real people's motion, in windows of that many frames."
    people = pd.read_csv(ROOT / "data" / "real_motion.csv")
    kept = (people.group == "all but GRID") & (people.frames == frames)
    return people[kept].set_index("statistic")


span = 215 if (part.frames >= 215).mean() > 0.5 else 74
beside = None
if (part.frames >= span).any():
    motion = corpus_motion(study.corpus, span, part)
    mine = percentiles(motion)
    people = real_motion(span).loc[lambda d: d.index.isin(mine.index)]
    ranges = people[["p5", "p25", "p50", "p75", "p95"]].add_prefix("real_")
    beside = mine.add_prefix("corpus_").join(ranges).loc[people.index]
    study.table(beside.round(5).reset_index(names="statistic"), "corpus_motion.csv")

# %%
if beside is None:
    print(f"skipped: no clip has the {span} frames that motion statistics need")
else:
    if not any("~" in k for k in motion):
        print("correlations with the sound are skipped: the clips hold no energy and pitch")
    print(
        f"{len(motion)} windows of {span} frames; real: {int(people.windows.iloc[0])} windows "
        f"of {int(people.clips.iloc[0])} clips"
    )
    inside = (beside.corpus_p50 >= beside.real_p5) & (beside.corpus_p50 <= beside.real_p95)
    print("outside the real 5-95 % range:", ", ".join(inside.index[~inside]) or "none")
    shown = [f"{whose}_{p}" for whose in ("corpus", "real") for p in ("p5", "p50", "p95")]
    measured = [k for k in beside.index if "chance" not in k]
    display(beside.loc[measured, shown].round(3))

# %% [markdown]
# ## What the other notebooks read

# %%
facts = dict(
    name=study.corpus.resolve().name if corpus else "simulated",
    simulated=not corpus,
    sources=sorted(index.source.unique()),
    features=read_clip(study.corpus, index.iloc[0]).features,
    clips=len(index),
    speakers=int(index.speaker.nunique()),
    splits=splits.reset_index().to_dict("records"),
    others=others,
    lengths=lengths,
    shortened=shortened,
    served={str(T): n for T, n in sorted(served.items())},
    stats=stats.mean().round(5).to_dict(),
    energy_left=scales.round(4).reset_index().to_dict("records"),
)
study.text(json.dumps(facts, indent=1), "corpus.json")
