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
# > Tables 2 and 3, lips and heads, Figures 3, 4 and 5, beside the paper's figures
#
# How the tables are made and what they say stands in notebook 67_report, the figures in 66_figures.
# With each random seed syncers, encoders and generators are trained anew on the same corpus; a CSV
# has every number with its bootstrap interval over clips and its standard deviation between seeds
# (64_tables).

# %% tags=["parameters"]
profile: str = "smoke"  # name of a file in workflow/profiles, or a path to one
results: str = "../../results/smoke"  # folder that everything goes to
corpus: str = ""  # folder of an ingested corpus; empty: simulate one
seeds: str = ""  # 0,1,2: which have been trained; empty: those of the profile
# folders of other people's clips (mssync import-method), separated by commas
methods: str = ""
device: str = "cpu"  # cpu, cuda, cuda:1, ...
# draw landmarks of the people of a given corpus (Figure 4, videos); not for what you publish
draw_people: bool = False

# %%
import json

import pandas as pd
from IPython.display import Markdown, display

from mssync.baselines.official import method_note, official_clips
from mssync.baselines.reference import Retrieval
from mssync.baselines.systems import BASELINES  # noqa: F401  (what `study.baselines` loads)
from mssync.data.files import listed_folders
from mssync.data.landmarks import FPS
from mssync.data.video import write_video
from mssync.model.generator import Generator  # noqa: F401  (what `network` loads)
from mssync.model.weights import load_model  # noqa: F401
from mssync.simulate.clips import spoken
from mssync.study import figures, report
from mssync.study.notebooks import run_record
from mssync.study.run import Study
from mssync.study.tables import method_styles

study = Study(profile, results, corpus, seeds, device=device)
settings, facts, lengths, labels = study.settings, study.facts, study.lengths, study.labels
official = official_clips(methods, study.packed("test"))
sync = study.measurements("sync")
sync = sync.assign(off=sync.offset.abs())
val = sync[sync.split == "val"]
sync = sync[sync.split == "test"]
T_sync = lengths["sync"]
T_long = lengths["durations"][-1]
trained = {study.labels[v]: lengths["train"][v] for v in study.full}
own = [*labels.values(), *study.compared.values()]
style = method_styles(list(sync.method.unique()), own)
print(f"{study.title}: {sync.id.nunique()} test clips of {sync.speaker.nunique()} speakers")
print(f"seeds {', '.join(map(str, study.seeds))}. {study.note}")

# %% [markdown]
# ## Table 3: synchrony at four time scales
#
# |AV-Off| and AV-Conf. A confidence is a difference of distances in one particular syncer, so ours and the paper's have no common unit,
# and the standard deviation between seeds is in part that each seed has its own metric syncer:
# compare orders and gaps within a block, not values between blocks. In the paired differences of the
# claims (11_claims) the syncer cancels out.

# %%
rows = report.synchrony_rows(sync, study.title)
study.table(rows, "table3.csv")
text = report.synchrony_text(rows, labels, T_sync, study.note)
study.text(text, "table3.md")
Markdown(text)

# %% [markdown]
# ## Table 2: dynamics
#
# The paper's FID, FVD and t-FID compare drawn landmarks in networks trained on photographs and
# videos; our FFD and FMD compare the landmarks themselves in a basis and an encoder trained on
# landmarks, FD_velocity and FD_pose velocities and the head's pose. They answer the same question in
# different units: only the order of methods can be compared. Each seed has its own encoders, so here
# too the standard deviation between seeds is in part the measure's own.

# %%
distances = study.measurements("frechet")
dynamics = study.measurements("dynamics")
rows = report.dynamics_rows(distances, study.title)
study.table(rows, "table2.csv")
ratios = report.ratio_rows(dynamics[dynamics.span == "whole"])
study.table(ratios, "dynamics_ratios.csv")
images = study.measurements("images")
text = report.dynamics_text(
    rows,
    ratios,
    list(lengths["motion"].values()),
    report.why_absent(images, study.seeds),
    " and ".join(images.raster.unique()),
    study.note,
)
study.text(text, "table2.md")
Markdown(text)

# %% [markdown]
# ## Lips
#
# Distances to the real lips, in per cent of the face's size, and what the lips do in pauses
# (`mssync.metrics.lips`).

# %%
rows, why = report.lip_rows(study.measurements("lips"), T_sync)
study.table(rows, "lips.csv")
text = report.lips_text(rows, study.title, why, study.note)
study.text(text, "lips.md")
Markdown(text)

# %% [markdown]
# ## Heads
#
# Beats of head and speech, brows and lids, how differently the clips of a method move, and how far
# the spectrum of its motion lies from the real one (`mssync.metrics.heads`).

# %%
rows = report.head_rows(study.measurements("heads"), study.measurements("sets"), T_long)
study.table(rows, "heads.csv")
text = report.heads_text(rows, study.title, study.note)
study.text(text, "heads.md")
Markdown(text)

# %% [markdown]
# ## The measures of other benchmarks
#
# THEval's five of landmarks and sound, and LVE, FDD and MHD, under their names
# (`mssync.metrics.theval`).

# %%
rows = report.theval_rows(study.measurements("theval"), T_long)
study.table(rows, "theval.csv")
text = report.theval_text(rows, study.title, study.note)
study.text(text, "theval.md")
Markdown(text)

# %% [markdown]
# ## Figure 3: not only the mean
#
# Distributions of AV-Conf$_1$ and of AV-Off$_1$ (with its sign) at the finest scale: mean over seeds,
# and a band from the lowest to the highest seed.

# %%
finest = sync[(sync.level == 1) & (sync.scoring == "overlap")]
few = figures.few_methods(list(style), list(study.full.values()), own)
study.figure(figures.figure3(finest, few, style), "figure3.png")

# %% [markdown]
# ## Figure 4: look at them
#
# A test clip: as recorded, and as MS-Sync and a baseline make it from the same first frame and sound,
# by the networks of the first seed. Landmarks of real people are not drawn unless you ask for it
# (`draw_people`); numbers never replace this look, so ask for it on your own corpus.

# %%
draw = facts["simulated"] or draw_people
T = lengths["figure4"]
if draw:
    first = study.at(study.seeds[0])
    x, a, ids = study.packed("test").windows(T)
    pick = slice(0, settings["evaluation"]["sequences"])
    x = x[pick]
    a = a[pick]
    ids = ids[pick]
    shown = report.shown_generators(labels, study.full)
    networks = {n: first.network(f"generator_{v}") for v, n in shown.items()}
    networks |= dict(list(first.baselines().items())[:2])
    retrieval = None
    if "suhmo" not in labels and (study.packed("train").lengths > T).any():
        retrieval = Retrieval(study.packed("train"), T)
    tracks = report.sequences(x, a, networks, study.seeds[0], retrieval)
    tracks |= report.official_sequences(ids, official, T)
    one = {m: v[0] for m, v in tracks.items()}
    fig = figures.figure4(one, method_styles(list(one), own))
    study.figure(fig, "figure4.png")
else:
    print("Figure 4 and videos are left out: they would show the landmarks of real people")
    print("(draw_people=True makes them)")

# %% [markdown]
# ## Figure 5: what the scales are for
#
# AV-Conf at four scales on split `val` while training goes on, for the full model and the ablations
# of Section 4.6, mean over seeds and a band from the lowest to the highest. The paper's finding:
# little difference at the finest scale; at coarser ones the single-scale loss falls behind, and a
# single-scale generator cannot make full use of the multi-scale loss. Mind that a single-scale
# generator is also smaller, and that its one level of the audio pyramid looks ahead 60 ms only.

# %%
logs = pd.concat(
    [study.measurements(f"generator_{v}").assign(variant=v, label=n) for v, n in labels.items()]
)
study.table(logs, "figure5.csv")
levels = val[val.scoring == "overlap"].groupby(["method", "level"]).confidence.mean().reset_index()
begin = settings["training"]["teacher_steps"]
fig = figures.figure5(logs, figures.ablated(labels, study.full), style, levels, begin)
study.figure(fig, "figure5.png")

# %% [markdown]
# ## How much of it?
#
# Where variants of the profile change one number at a time (`sweeps`: $\lambda$, the levels in the
# loss; `curve`: clips to learn from), what it does.

# %%
if study.swept:
    table3 = pd.read_csv(study.results / "table3.csv")
    conf = table3[(table3.metric == "AV-Conf") & (table3.scoring == "overlap")]
    fig = figures.plot_sweep(conf, ratios, study.swept, (lengths["durations"][0], T_long))
    study.figure(fig, "sweep.png")
else:
    print("This profile sweeps nothing.")

# %% [markdown]
# ## Does it stay a face?
#
# Growth of the shape residual with the length of the sequence. The dotted lines are the training
# lengths; beyond them errors accumulate, which is what MS-Sync-long is for.

# %%
fig = figures.plot_residual(study.measurements("residual"), style, trained)
study.figure(fig, "residual.png")

# %% [markdown]
# The same far beyond any clip, to a chain of test clips' sound: how far the head wanders, how its
# size changes, and whether the face stays one.

# %%
fig = figures.plot_drift(study.measurements("drift"), style, trained)
study.figure(fig, "drift.png")

# %% [markdown]
# ## See and hear it
#
# Ground truth beside each full model, with the sound; for a simulated clip the sound is synthesised
# again from its seed.

# %%
videos = {}
if draw:
    with_sound = ", with the sound" if facts["simulated"] else ""
    for k, id in enumerate(ids[: settings["evaluation"]["videos"]]):
        shown = {m: tracks[m][k] for m in ("Ground truth", *study.full.values())}
        pictures = report.side_by_side(shown)
        wave = None
        if facts["simulated"]:
            wave = spoken(id, settings["corpus"])[: int(len(pictures) / FPS * 16000)]
        name = f"example_{k + 1}.mp4"
        write_video(study.results / name, pictures, FPS, wave)
        videos[name] = f"a test clip beside what is generated from its first frame{with_sound}"

# %% [markdown]
# ## The baselines' budgets
#
# All learn from the same clips. Steps, windows and frames say how much each saw.

# %%
seconds = report.notebook_seconds(study.results, study.seeds)
if study.compared:
    text = report.budgets_text(report.budget_rows(study, seconds))
    study.text(text, "budgets.md")
    display(Markdown(text))
else:
    print("This profile compares with no baseline.")

# %% [markdown]
# ## Record of the run

# %%
known = {k: facts[k] for k in ("name", "simulated", "clips", "speakers", "lengths")}
record = run_record(settings, study.seeds, device=device, corpus=known, seconds=seconds)
if official:
    record["methods"] = [method_note(f) for f in listed_folders(methods)]
study.text(json.dumps(record, indent=1), "run.json")

have = set(report.WRITTEN) - (set() if draw else {"figure4.png"})
have -= set() if study.swept else {"sweep.png"}
have -= set() if study.compared else {"budgets.md"}
title = f"Study, profile {settings['name']}, {study.title}"
text = report.contents_text(title, study.note + settings["about"], have, videos, seconds)
study.text(text, "README.md")
