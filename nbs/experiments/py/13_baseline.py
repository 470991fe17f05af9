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
# # Training a baseline
#
# > Another system that makes motion from sound, on the same clips with the same budget
#
# Tables 1 to 5 of the paper compare MS-Sync with published systems. What each of them is, how it was
# rebuilt for landmarks and what was changed stands in a notebook of its own (43 and those after it,
# listed in 50_systems). Here one is trained: on the split that MS-Sync learns from, with its windows,
# its number of steps and its batch unless the profile says otherwise, or for the minutes that the
# profile gives to each.

# %% tags=["parameters"]
profile: str = "smoke"  # name of a file in workflow/profiles, or a path to one
results: str = "../../results/smoke"  # folder that everything goes to
corpus: str = ""  # folder of an ingested corpus; empty: simulate one
seed: int = 0  # of the training; files go to results/seed_0
device: str = "cpu"  # cpu, cuda, cuda:1, ...
baseline: str = "wav2lip"  # a key of the profile's baselines

# %%
from dataclasses import replace
from functools import partial

import matplotlib.pyplot as plt

from mssync.baselines.fit import fit
from mssync.baselines.systems import BASELINES  # noqa: F401  (what the profile names)
from mssync.metrics.dynamics import shape_space
from mssync.model.weights import load_model  # noqa: F401  (what `network` loads)
from mssync.study.evaluation import progress_row
from mssync.study.notebooks import checkpoint
from mssync.study.profiles import baseline_configs
from mssync.study.run import Study

plt.style.use("mssync.style")
study = Study(profile, results, corpus, seed=seed, device=device)
train = study.packed("train")
val = study.packed("val")
system, shape, training = baseline_configs(study.settings, baseline, train)
longest = study.lengths["train"][next(iter(study.labels))]  # what the clips allow
training = replace(training, frames=min(training.frames, longest))
limit = f", or {training.minutes:g} minutes" if training.minutes else ""
print(
    f"{system.label}: {training.steps} steps of {training.batch} windows of {training.frames} "
    f"frames{limit}"
)

# %% [markdown]
# ## What is measured on the way
#
# As for the generators (04_generator): AV-Conf by the metric syncers on split `val`, and beside it
# what tells whether it still is a face that moves.

# %%
x_val, a_val, _ = val.windows(study.lengths["sync"])
on_the_way = dict(metric=study.network("syncers_metric"), space=shape_space(train))
on_the_way |= dict(frames=training.frames, seed=seed)
evaluate = partial(progress_row, x=x_val, a=a_val, **on_the_way)

# %% [markdown]
# ## Training

# %%
name = f"baseline_{baseline}"
facts_file = study.results / "corpus.json"
loss_file, metric_file = (study.folder / f"syncers_{r}.safetensors" for r in ("loss", "metric"))
depends = vars(shape), vars(training), seed, facts_file, loss_file, metric_file
code = [system.__module__.removeprefix("mssync."), "baselines.fit"]
G, log = fit(
    system,
    train,
    shape,
    training,
    study.network("syncers_loss"),
    seed,
    val,
    checkpoint(study.folder, name, *depends, code=code),
    evaluate,
    logdir=study.folder / "logs" / name,
    checkpoint_minutes=study.settings["checkpoint_minutes"],
)

# %%
study.save(
    name,
    G,
    label=system.label,
    baseline=baseline,
    profile=study.settings["name"],
    frames=training.frames,
    batch=training.batch,
    steps=int(log.step.iloc[-1]),
    corpus=study.facts["name"],
    seed=seed,
)
study.table(log, f"{name}.csv")
log.tail(3).round(3)

# %%
terms = [c.removeprefix("held_out_") for c in log if c.startswith("held_out_")]
synchrony = [c for c in log if c.startswith("AV-Conf")]
motion = ["lip_speed", "head_speed", "shape_residual"]

fig, axes = plt.subplots(1, 3, figsize=(13, 3.2))
log.plot("step", [f"held_out_{t}" for t in terms], ax=axes[0], title="Loss on held-out clips")
log.plot("step", synchrony, ax=axes[1], title="AV-Conf on held-out clips")
log.plot("step", motion, ax=axes[2], title="Ratio to real (1 = real)")
axes[2].axhline(1, color="grey", lw=0.8, ls=":")
for ax in axes:
    ax.legend(loc="center left", bbox_to_anchor=(1, 0.5), fontsize=7)  # off the curves
study.figure(fig, f"{name}.png")
