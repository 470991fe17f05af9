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
# # From one corpus to another
# > Generators of other runs on this run's test clips: trained on simulated faces and tested on real ones, the reverse, and one talker's model on other people
#
# Every generator gets the first frame and the sound of each test clip, the sound at the level of its
# own corpus and standardised as in its own training, and is judged by this run's metric syncers and
# by the shape space of this run's training faces. The rows to compare with are this corpus' own
# model, its ground truth, a frozen face, and the foreign model's motion for another clip's sound:
# what it gains over that, it conditions on.

# %% tags=["parameters"]
profile: str = "smoke"  # name of a file in workflow/profiles, or a path to one: of this run
# folder of this run: its corpus, metric syncers and generators; transfer.csv and .md go there
results: str = "../../results/smoke"
corpus: str = ""  # folder of an ingested corpus; empty: the simulated one of this run
# folders of finished runs, separated by commas, whose generators are brought here
others: str = ""
# 0,1,2: which of this run; empty: those of the profile. A run with fewer lends what it has
seeds: str = ""
device: str = "cpu"  # cpu, cuda, cuda:1, ...
variant: str = "short"  # which generator of every run

# %%
import matplotlib.pyplot as plt
import pandas as pd

from mssync.baselines.reference import shuffled_audio, static
from mssync.data.files import listed_folders
from mssync.data.packed import Packed
from mssync.metrics.dynamics import dynamics_table, shape_space
from mssync.model.generator import generate
from mssync.model.weights import load_model
from mssync.study.elsewhere import clips_for, takes
from mssync.study.evaluation import clip_scores
from mssync.study.outputs import markdown
from mssync.study.run import Study, finished_run
from mssync.study.tables import legend, plot_seeds, scale, summary, wide

plt.style.use("mssync.style")


def name_of(facts):
    return "simulated corpus" if facts["simulated"] else f"corpus {facts['name']}"


def generator(run, s):
    return run / f"seed_{s}" / f"generator_{variant}.safetensors"


study = Study(profile, results, corpus, seeds, device=device)
sources = listed_folders(others)
if not sources:
    raise ValueError("transfer: others names no run whose generators could be brought here")
runs = (study.results, *sources)
facts = {f: finished_run(f).facts for f in sources} | {study.results: study.facts}
for run in runs:
    if not any(generator(run, s).is_file() for s in study.seeds):
        asked = ", ".join(map(str, study.seeds))
        raise FileNotFoundError(f"{run}: no generator {variant!r} of the seeds {asked}")

# every row has the same seeds
seeds = [s for s in study.seeds if all(generator(run, s).is_file() for run in runs)]
if not seeds:
    raise ValueError(f"transfer: {', '.join(map(str, runs))} have no seed in common")

# %%
T = study.lengths["sync"]
space = shape_space(Packed(study.corpus, "train"))
ratios = ["lip_speed", "head_speed", "shape_residual"]  # to real
test = study.packed("test")
x, a, ids = test.windows(T)
speaker = dict(zip(test.index.id, test.index.speaker))
here = name_of(study.facts)
print(
    f"tested on {here}: {len(ids)} clips of {len(set(speaker.values()))} speakers, {T} frames; "
    f"seeds {', '.join(map(str, seeds))}"
)


# %%
def motions(s):
    "Motion of every row with the networks of one seed."
    made = {"Ground truth": x, "Static": static(x[:, 0], T)}
    for run in runs:
        G = load_model(generator(run, s), device)
        if why := takes(G, test):
            print(f"{run.name}: left out: {why}")
            continue
        _, heard = clips_for(G, study, T)
        name = f"trained on {name_of(facts[run])}" + (" (here)" if run == study.results else "")
        if name in made:
            name += f", {run.resolve().name}"
        made[name] = generate(G, x[:, 0], heard, s)
        made[f"{name}, shuffled audio"] = generate(G, x[:, 0], shuffled_audio(heard, s), s)
    return made


def measured(y, metric):
    "AV-Conf at every scale, speeds and residual, one row a clip."
    scores = pd.DataFrame(clip_scores(y, a, ids, metric)["overlap"])
    scores = scores.pivot(index="id", columns="level", values="confidence").loc[ids]
    scores = scores.rename(columns=lambda k: f"AV-Conf, {scale(k)}").reset_index(drop=True)
    moved = dynamics_table(y.cpu().numpy(), x.cpu().numpy(), space, ids)
    return pd.concat([scores, moved[ratios].reset_index(drop=True)], axis=1)


rows = []
for s in seeds:
    metric = study.at(s).network("syncers_metric")
    for method, y in motions(s).items():
        rows.append(measured(y, metric).assign(seed=s, method=method, id=ids))
clips = pd.concat(rows, ignore_index=True)
clips = clips.assign(speaker=clips.id.map(speaker))
names = [c for c in clips if c not in ("seed", "method", "id", "speaker")]
heard = [n for n in names if n not in ratios]
parts = summary(clips, heard), summary(clips, ratios, of="Ground truth")
table = pd.concat(parts, ignore_index=True).assign(tested_on=here, variant=variant)
study.table(table, "transfer.csv")
shown = wide(table)
study.text(
    f"# From one corpus to another\n\nTested on {here}, {T} frames, by its own metric syncers; "
    f"generator {variant!r} of every run. Speeds and shape residual are ratios to real (1 = real). "
    f"{legend(table)}\n\n{markdown(shown)}\n",
    "transfer.md",
)

# %%
print(legend(table))
shown

# %%
fig, axes = plt.subplots(1, 3, figsize=(13, 0.42 * table.method.nunique() + 1.2), sharey=True)
for ax, n in zip(axes, (names[0], names[3], "shape_residual")):
    plot_seeds(ax, table[table.metric == n])
    ax.set_title(n.replace("_", " "))
    ax.grid(axis="x", alpha=0.3)
study.figure(fig, "transfer.png")
