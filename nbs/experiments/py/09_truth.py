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
# # What was planted, and what comes back
# > Response of every generator per motion and scale, and what each of its branches moves
#
# Synchrony scores say that motion and speech belong together. In the simulated corpus the motion
# itself is known ([39_probes](../metrics/39_probes.ipynb)): how much of the planted mouth, brows,
# nods, turns, tilts and leans does a generator recover? And does its finest branch take care of the
# lips and its coarsest of the head's contour, as the paper expects (Section 3.2)? The second question
# can be asked of any corpus, the first one of a simulated one only.

# %% tags=["parameters"]
profile: str = "smoke"  # name of a file in workflow/profiles, or a path to one
results: str = "../../results/smoke"  # folder that everything goes to
corpus: str = ""  # folder of an ingested corpus; empty: simulate one
seeds: str = ""  # of the networks, separated by commas; empty: the profile's
device: str = "cpu"  # cpu, cuda, cuda:1, ...

# %%
import pandas as pd
from tqdm.auto import tqdm

from mssync.baselines.systems import BASELINES  # noqa: F401  (what `study.baselines` loads)
from mssync.data.corpus import read_clip
from mssync.metrics.probes import lag
from mssync.model.generator import Generator  # noqa: F401  (what `network` loads)
from mssync.model.weights import load_model  # noqa: F401
from mssync.study.outputs import markdown as md
from mssync.study.run import Study
from mssync.study.tables import legend, summary, wide
from mssync.study.truth import (
    MASKS,
    Planted,
    branch_rows,
    expectation,
    mask_tables,
    masks_figure,
    paired_differences,
    recovered,
    recovered_shares,
    truth_figure,
    truth_lines,
    truth_text,
    with_trainings,
)

study = Study(profile, results, corpus, seeds, device=device)
labels = [*study.labels.values(), *study.compared.values()]
full = list(study.full.values())
test = study.packed("test")
T = study.lengths["durations"][-1]
x, a, ids = test.windows(T)
speaker = dict(zip(test.index.id, test.index.speaker))
count = len(study.seeds)
looks = study.settings["looks"]
about = (
    f"{study.title}, profile {study.settings['name']}: {T} frames of {len(ids)} test clips of "
    f"{len({speaker[i] for i in ids})} speakers; "
    f"networks of {count} seed{'s' if count > 1 else ''}."
)
print(about)


# %% [markdown]
# ## Response per motion and scale
#
# *Ground truth*, measured by the same code, is what is attainable: its motion holds drift that
# follows no speech and vowels that differ from time to time, so its correlation is below 1. The zero
# rows: *Static*; *Shuffled audio*, real motion beside what was planted for another clip's speech; and
# the full models' motion for another clip's sound. *Retrieval* has real motion to speech that is
# merely similar. A gain of 1 is motion as large as the average speaker's; the test speakers' own mean
# size is what the ground truth's gain says.

# %%
def networks(s):
    "label -> generator or baseline of a seed"
    one = study.at(s)
    return one.generators() | one.baselines()


def measure(study):
    "Responses, closures and lags of every seed."
    index = test.index.set_index("id", drop=False)
    sources = [read_clip(study.corpus, index.loc[i]) for i in ids]
    P = Planted(sources, x, a, study.packed("train"))
    real = lag(P.motion["Ground truth"], P.planted, 4).to_dict("records")
    late = [dict(seed=s, method="Ground truth", **r) for r in real for s in study.seeds]
    clips, lips = [], []
    for s in tqdm(study.seeds, desc="seeds"):
        one, shut, own = recovered(P, networks(s), full, s)
        columns = ["method", "motion", "ms", "id", "speaker", "gain", "correlation"]
        one = one.assign(speaker=one.id.map(speaker))[columns]
        study.at(s).table(one, "truth.csv")
        clips.append(one.assign(seed=s))
        lips.append(shut.assign(seed=s, speaker=shut.id.map(speaker)))
        late += [dict(seed=s, **r) for r in own.to_dict("records")]
    late = pd.DataFrame(late)[["seed", "method", "motion", "ms", "lag", "correlation"]]
    return P, *(pd.concat(t, ignore_index=True) for t in (clips, lips)), late


if study.facts["simulated"]:
    P, clips, lips, late = measure(study)
    shut = summary(lips, ["gap", "closed"])
    rows = summary(clips, ["gain", "correlation"], ["motion", "ms"])
    study.table(shut, "truth_closures.csv")
    study.table(rows, "truth.csv")
    study.table(late, "truth_lag.csv")
    study.figure(truth_figure(rows, labels, study.seeds), "truth.png")
    display(wide(shut))
else:
    print("What was planted in a recorded corpus is not known: only the masks follow.")

# %% [markdown]
# ## In tables
#
# Which scales does the multi-scale loss recover that the others do not? Paired differences of the
# first full model to the other variants and to the baselines, clip by clip, answer that, by the rule
# of the claims: a difference counts if both intervals, over clips and over trainings, lie on one side
# of 0.

# %%
if study.facts["simulated"]:
    others = [label for label in labels if label != study.first]
    less = None
    if others:
        less = paired_differences(clips, study.first, others, looks)
        study.table(less, "truth_differences.csv")
    rows = with_trainings(rows, looks)
    study.text(truth_text(about, rows, shut, late, less, labels, P.start), "truth.md")
    print("\n".join(truth_lines(rows, labels)))
    display(recovered_shares(rows))

# %% [markdown]
# ## Which branch moves what
#
# Mean mask of each branch on each part of the face, and its share of the variance of the velocity
# there, on the motion that the generator makes for the test clips. Variants with one branch have
# nothing to share.

# %%
branches = []
columns = ["model", "branch", "region", "id", "speaker", *MASKS[4:]]
for s in tqdm(study.seeds, desc="seeds"):
    one = branch_rows(networks(s), x[:, 0], a, ids, s)
    one = one.assign(speaker=one.id.map(speaker))[columns]
    study.at(s).table(one, "masks.csv")
    branches.append(one.assign(seed=s))
branches = pd.concat(branches, ignore_index=True)
if len(branches):
    masks = summary(branches, MASKS[4:], ["branch", "region"], "model")
else:
    masks = branches.drop(columns=["id", "speaker"])
study.table(masks, "masks.csv")
study.figure(masks_figure(masks), "masks.png")

# %% [markdown]
# The paper's expectation as two differences, lips less contour of the head: above 0 on the finest
# branch, below 0 on the coarsest.

# %%
parts = ["# Which branch moves what"]
if len(branches):
    held = expectation(branches, looks)
    parts.append(
        f"{about} {legend(masks, method='model')} Branch 1 is the finest. Equal masks would be 1 "
        "over the number of branches. A verdict needs both intervals."
    )
    parts.append(f"## Expectation\n\n{md(held)}")
    parts += [f"## {title}\n\n{table}" for title, table in mask_tables(masks).items()]
    display(held)
else:
    parts.append(f"{about} No variant of this profile has several branches.")
study.text("\n\n".join(parts) + "\n", "masks.md")
