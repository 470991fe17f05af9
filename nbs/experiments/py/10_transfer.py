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
#
# > Generators of other runs on this run's test clips: trained on simulated faces and tested on real ones, the reverse, and one talker's model on other people
#
# Every generator gets the first frame and the sound of each test clip, the sound standardised as in its own training, and is judged by this run's metric syncers and by the shape space of this run's training faces. The rows to compare with are this corpus' own model, its ground truth,
# a frozen face, and the foreign model's motion for another clip's sound: what it gains over that, it heard.

# %% tags=["parameters"]
profile: str = "smoke"  # name of a file in workflow/profiles, or a path to one: of this run
results: str = "../../results/smoke"  # folder of this run: its corpus, metric syncers and generators; transfer.csv and transfer.md go there
corpus: str = ""  # folder of an ingested corpus; empty: the simulated one of this run
others: str = ""  # folders of finished runs, separated by commas, whose generators are brought here
seeds: str = (
    ""  # 0,1,2: which of this run; empty: those of the profile. A run with fewer lends what it has
)
device: str = "cpu"  # cpu, cuda, cuda:1, ...
variant: str = "short"  # which generator of every run

# %%
import json
from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd

from mssync.baselines.reference import shuffled_audio, static
from mssync.data.packed import Packed
from mssync.metrics.dynamics import dynamics_table, shape_space
from mssync.metrics.synchrony import av_scores
from mssync.model.generator import generate
from mssync.study.outputs import corpus_folder, write_figure, write_table, write_text
from mssync.study.profiles import load_profile, seed_list
from mssync.study.tables import legend, plot_seeds, summary, wide
from mssync.training.models import load_model

settings, results = load_profile(profile), Path(results)
folder, here = corpus_folder(results, corpus), json.loads((results / "corpus.json").read_text())
sources = [Path(f.strip()).expanduser() for f in others.split(",") if f.strip()]
if not sources:
    raise ValueError("transfer: others names no run whose generators could be brought here")
for f in sources:
    for n in ("run.json", "corpus.json"):
        if not (f / n).is_file():
            raise FileNotFoundError(f"{f}: no {n}, so no finished run of the study")


def name_of(facts):
    return "simulated corpus" if facts["simulated"] else f"corpus {facts['name']}"


def generator(run, s):
    return run / f"seed_{s}" / f"generator_{variant}.safetensors"


lacking = [
    f
    for f in (results, *sources)
    if not any(generator(f, s).is_file() for s in seed_list(settings, seeds))
]
if lacking:
    raise FileNotFoundError(
        f"{lacking[0]}: no generator {variant!r} of the seeds {', '.join(map(str, seed_list(settings, seeds)))}"
    )
seeds = [
    s
    for s in seed_list(settings, seeds)
    if all(generator(f, s).is_file() for f in (results, *sources))
]  # every row has the same seeds
if not seeds:
    raise ValueError(f"transfer: {', '.join(map(str, (results, *sources)))} have no seed in common")
T, space = here["lengths"]["sync"], shape_space(Packed(folder, "train"))
test = Packed(folder, "test", device=device)
x, a, ids = test.windows(T)
speaker = dict(zip(test.index.id, test.index.speaker))
print(
    f"tested on {name_of(here)}: {len(ids)} clips of {len(set(speaker.values()))} speakers, {T} frames; seeds {', '.join(map(str, seeds))}"
)

# %%
rows = []
for s in seeds:
    metric = load_model(results / f"seed_{s}" / "syncers_metric.safetensors", device)
    made = {"Ground truth": x, "Static": static(x[:, 0], T)}
    for run in (results, *sources):
        G = load_model(generator(run, s), device)
        if (G.cfg.features, G.cfg.audio_dim) != (test.features, test.width):
            print(
                f"{run.name}: left out, its generators take features {G.cfg.features!r}, the clips here have {test.features!r}"
            )
            continue
        heard = Packed(folder, "test", (G.audio_mean.cpu(), G.audio_std.cpu()), device).windows(T)[
            1
        ]
        name = f"trained on {name_of(json.loads((run / 'corpus.json').read_text()))}" + (
            " (here)" if run == results else ""
        )
        if name in made:
            name += f", {run.resolve().name}"
        made[name] = generate(G, x[:, 0], heard, s)
        made[f"{name}, shuffled audio"] = generate(G, x[:, 0], shuffled_audio(heard, s), s)
    for method, y in made.items():
        score = av_scores(metric, y[:, 1:], a[:, 4:])
        moved = dynamics_table(y.cpu().numpy(), x.cpu().numpy(), space, ids)
        rows += [
            dict(
                seed=s,
                method=method,
                id=i,
                speaker=speaker[i],
                **{f"AV-Conf, {100 * 2 ** (k + 1)} ms": v for k, v in enumerate(c)},
                **{n: r[n] for n in ("lip_speed", "head_speed", "shape_residual")},
            )
            for i, c, (_, r) in zip(ids, score["confidence"].tolist(), moved.iterrows())
        ]
clips = pd.DataFrame(rows)
names = [c for c in clips if c not in ("seed", "method", "id", "speaker")]
table = summary(clips, names).assign(tested_on=name_of(here), variant=variant)
write_table(table, results / "transfer.csv")
shown = wide(table)
write_text(
    f"# From one corpus to another\n\nTested on {name_of(here)}, {T} frames, by its own metric syncers; generator {variant!r} of every run. Speeds and shape residual are over the data's own. {legend(table)}\n\n{shown.to_markdown(index=False, disable_numparse=True)}\n",
    results / "transfer.md",
)
print(legend(table))
shown

# %%
fig, axes = plt.subplots(1, 3, figsize=(13, 0.42 * table.method.nunique() + 1.2), sharey=True)
for ax, n in zip(axes, (names[0], names[3], "shape_residual")):
    plot_seeds(ax, table[table.metric == n])
    ax.set_title(n.replace("_", " "), fontsize=9)
    ax.grid(axis="x", alpha=0.3)
fig.tight_layout()
write_figure(fig, results / "transfer.png")
