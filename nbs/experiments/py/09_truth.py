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
#
# > Response of every generator per motion and scale, and what each of its branches moves
#
# Synchrony scores say that motion and speech belong together. In the simulated corpus the motion itself is known (`mssync.metrics.probes`): how much of the planted mouth, brows, nods, turns, tilts and leans does a generator recover? And does its finest branch take care of the lips and its coarsest of the head's contour, as the paper
# expects (Section 3.2)? The second question can be asked of any corpus, the first one of a simulated one only.

# %% tags=["parameters"]
profile: str = "smoke"  # name of a file in workflow/profiles, or a path to one
results: str = "../../results/smoke"  # folder that everything goes to
corpus: str = ""  # folder of an ingested corpus; empty: simulate one
seeds: str = ""  # of the networks, separated by commas; empty: the profile's
device: str = "cpu"  # cpu, cuda, cuda:1, ...

# %%
import json
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from tqdm.auto import tqdm

from mssync.baselines.reference import Retrieval, derangement, shuffled_audio, static
from mssync.data.corpus import read_clip
from mssync.data.packed import Packed
from mssync.metrics.probes import (
    branch_table,
    closures,
    lag,
    planted_motion,
    plot_roles,
    response,
)
from mssync.model.generator import generate
from mssync.study.outputs import (
    corpus_folder,
    corpus_title,
    seed_folder,
    write_figure,
    write_table,
    write_text,
)
from mssync.study.outputs import markdown as md
from mssync.study.profiles import full_models, load_profile, seed_list
from mssync.study.tables import differences, legend, method_styles, summary, whiskers, wide
from mssync.training.models import load_model

settings, results = load_profile(profile), Path(results)
seeds = seed_list(settings, seeds)
folder, facts = corpus_folder(results, corpus), json.loads((results / "corpus.json").read_text())
train, test = (Packed(folder, s, device=device) for s in ("train", "test"))
labels, full = (
    {v: d["label"] for v, d in settings["variants"].items()},
    list(full_models(settings).values()),
)
models = {
    s: {
        l: load_model(seed_folder(results, s) / f"generator_{v}.safetensors", device)
        for v, l in labels.items()
    }
    for s in seeds
}
T = facts["lengths"]["durations"][-1]
x, a, ids = test.windows(T)
speaker, WRONG = dict(zip(test.index.id, test.index.speaker)), ", shuffled audio"
data = corpus_title(facts)
about = f"{data}, profile {settings['name']}: {T} frames of {len(ids)} test clips of {len({speaker[i] for i in ids})} speakers; networks of {len(seeds)} seed{'s' if len(seeds) > 1 else ''}."
print(about)

# %% [markdown]
# ## Response per motion and scale
#
# *Ground truth*, measured by the same code, is what is attainable: its motion holds drift that follows no speech and vowels that differ from time to time, so its correlation is below 1. The zero rows: *Static*; *Shuffled audio*, real motion beside what was planted for another clip's speech; and the full models' motion for another clip's
# sound. All is measured from the second second on: a first frame tells where brows and head are, and a face that merely returns to rest would have a response. *Retrieval* has real motion to speech that is merely similar. A gain of 1 is motion as large as the average speaker's; the test speakers' own mean size is what the ground truth's gain says.

# %%
if facts["simulated"]:
    index = test.index.set_index("id", drop=False)
    START = min(
        25, T - 40
    )  # a first frame tells where the head is at that moment: what follows from it is no listening

    def cut(y):
        return y[:, START:].cpu().numpy()

    sources = [read_clip(folder, index.loc[i]) for i in ids]
    planted, real = planted_motion(sources, T + 1 - START, START), cut(x)
    similar = cut(Retrieval(train, T, most=20_000)(x[:, 0], a))
    fixed = {
        "Ground truth": response(real, planted, ids),
        "Static": response(cut(static(x[:, 0], T)), planted, ids),
        "Retrieval": response(similar, planted, ids),
    }
    lips, late, rows = (
        [],
        [
            dict(seed=s, method="Ground truth", **r)
            for r in lag(real, planted, 4).to_dict("records")
            for s in seeds
        ],
        [],
    )
    for s in tqdm(seeds, desc="seeds"):
        own = {
            "Ground truth": fixed["Ground truth"],
            "Static": fixed["Static"],
            "Shuffled audio": response(real, planted[derangement(len(ids), s).tolist()], ids),
            "Retrieval": fixed["Retrieval"],
        }
        for name, G in models[s].items():
            y = cut(generate(G, x[:, 0], a, s))
            own[name] = response(y, planted, ids)
            lips.append(closures(y, sources, START, ids=ids).assign(seed=s, method=name))
            late += [dict(seed=s, method=name, **r) for r in lag(y, planted, 4).to_dict("records")]
        lips += [
            closures(y, sources, START, ids=ids).assign(seed=s, method=m)
            for m, y in (
                ("Ground truth", real),
                ("Static", cut(static(x[:, 0], T))),
                ("Retrieval", similar),
                ("Shuffled audio", real[derangement(len(ids), s).tolist()]),
            )
        ]
        own |= {
            name + WRONG: response(
                cut(generate(models[s][name], x[:, 0], shuffled_audio(a, s), s)), planted, ids
            )
            for name in full
        }
        one = pd.concat([d.assign(method=m) for m, d in own.items()])
        one = one.assign(speaker=one.id.map(speaker))[
            ["method", "motion", "ms", "id", "speaker", "gain", "correlation"]
        ]
        write_table(one, seed_folder(results, s) / "truth.csv")
        rows.append(one.assign(seed=s))
    clips = pd.concat(rows, ignore_index=True)
    shut = summary(
        pd.concat(lips, ignore_index=True).assign(speaker=lambda d: d.id.map(speaker)),
        ["gap", "closed"],
    )
    write_table(shut, results / "truth_closures.csv")
    display(wide(shut))
    rows = summary(clips, ["gain", "correlation"], ["motion", "ms"])
    write_table(rows, results / "truth.csv")
    display(
        rows[rows.metric == "gain"]
        .pivot_table(index="method", columns=["motion", "ms"], values="mean", sort=False)
        .round(2)
    )
    display(
        rows[rows.metric == "correlation"]
        .pivot_table(index="method", columns=["motion", "ms"], values="mean", sort=False)
        .round(2)
    )
else:
    print(
        "Nobody knows what was planted in a recorded corpus: this part is left out, the masks follow."
    )

# %%
if facts["simulated"]:
    shown = [m for m in rows.method.unique() if m != "Static"]
    styles = method_styles(shown, list(labels.values()))
    panels = {
        "lips": ("lips",),
        "jaw": ("jaw",),
        "brows": ("brows",),
        "head": ("nods", "turns", "tilts", "leans"),
    }
    fig, axs = plt.subplots(2, 4, figsize=(14, 5.2), sharey="row")
    for ax_row, metric in zip(axs, ("gain", "correlation")):
        for ax, (title, names) in zip(ax_row, panels.items()):
            d = rows[(rows.metric == metric) & rows.motion.isin(names)]
            for j, m in enumerate(shown):
                g, at = (
                    d[d.method == m],
                    np.arange(4) + (j - (len(shown) - 1) / 2) * 0.8 / len(shown),
                )
                colour = styles[m]["color"]
                ax.errorbar(
                    at,
                    g["mean"],
                    whiskers(g),
                    fmt="s" if m == "Ground truth" else "x" if m.endswith("huffled audio") else "o",
                    ms=4,
                    lw=1.4,
                    color=colour,
                    label=m,
                )
                for s in seeds:
                    ax.plot(at, g[f"seed_{s}"], ".", ms=2, color=colour)
            ticks = d[d.method == shown[0]]
            ax.axhline(0, color=".8", lw=0.8, zorder=0)
            ax.set_xticks(
                range(4),
                [
                    f"{r.ms} ms" if len(names) == 1 else f"{r.motion}\n{r.ms} ms"
                    for r in ticks.itertuples()
                ],
            )
            ax.set_title(title)
        ax_row[0].set_ylabel(metric)
    fig.tight_layout()
    fig.legend(
        *axs[0, 0].get_legend_handles_labels(),
        loc="upper center",
        bbox_to_anchor=(0.5, 0),
        ncols=4,
        fontsize=8,
    )
    write_figure(fig, results / "truth.png")

# %% [markdown]
# ## In tables
#
# Which scales does the multi-scale loss recover that the others do not? Paired differences of the first full model to the other variants, clip by clip, answer that.

# %%
if facts["simulated"]:
    texts, first = {}, next(iter(full or labels.values()))

    def crossed(d):  # motions and scales by methods
        return md(
            d.pivot(index="column", columns="method", values="text")
            .loc[d.column.unique(), d.method.unique()]
            .reset_index()
            .rename(columns=dict(column="motion, scale"))
        )

    for metric in ("gain", "correlation"):
        for title, names in panels.items():
            part = rows[(rows.metric == metric) & rows.motion.isin(names)]
            part = part.assign(
                column=[
                    f"{r.ms} ms" if len(names) == 1 else f"{r.motion}, {r.ms} ms"
                    for r in part.itertuples()
                ]
            )
            texts[f"{metric.capitalize()}: {title}"] = md(wide(part, "column"))
    others = [l for l in labels.values() if l != first]
    if others:
        less = differences(
            clips, [(first, o) for o in others], ["gain", "correlation"], ["motion", "ms"]
        )
        less = less.assign(
            method=first + " less " + less.b,
            column=[f"{r.motion}, {r.ms} ms" for r in less.itertuples()],
        )
        less["text"] = [
            f"{r['mean']:.2f} [{r['low']:.2f}, {r['high']:.2f}]"
            + (f", {r['positive']} of {r['seeds']} seeds above 0" if r["seeds"] > 1 else "")
            for r in less.to_dict("records")
        ]
        for metric, d in less.groupby("metric", sort=False):
            texts[f"Differences of {metric}"] = crossed(d)
        write_table(less.drop(columns=["column", "text"]), results / "truth_differences.csv")
    late = pd.DataFrame(late)
    write_table(late, results / "truth_lag.csv")
    mean = (
        late.groupby(["method", "motion", "ms"], sort=False)
        .lag.agg(["mean", "min", "max"])
        .reset_index()
    )
    mean = mean.assign(
        column=[f"{r.motion}, {r.ms} ms" for r in mean.itertuples()],
        text=[
            f"{r['mean']:.0f}" + (f" ({r['min']} to {r['max']})" if r["min"] < r["max"] else "")
            for r in mean.to_dict("records")
        ],
    )
    texts[
        "Lag, ms, where the correlation is highest (of ±160 ms; mean over the seeds, and their range)"
    ] = crossed(mean)
    gains = (
        rows[rows.metric == "gain"]
        .assign(column=lambda d: d.motion + ", " + d.ms.astype(str) + " ms")
        .pivot(index="method", columns="column", values="mean")
    )
    shares = (
        (100 * gains / gains.loc["Ground truth"])
        .loc[
            [m for m in rows.method.unique() if m != "Ground truth"],
            [f"{k}, {v} ms" for k, v in dict.fromkeys(zip(rows.motion, rows.ms))],
        ]
        .round(0)
        .astype(int)
    )

    def none(m):  # motions whose correlation does not certainly lie above 0, or not in every seed
        d = rows[
            (rows.method == m)
            & (rows.metric == "correlation")
            & ~((rows.low > 0) & (rows.filter(regex=r"^seed_\d") > 0).all(axis=1))
        ]
        return ", ".join(f"{r.motion} {r.ms} ms" for r in d.itertuples())

    lines = [
        f"{m}: "
        + (
            f"no certain correlation with the planted {none(m)}; with all others there is, in every seed."
            if none(m)
            else "correlates with every planted motion at every scale, with intervals above 0, in every seed."
        )
        for m in labels.values()
    ]
    zeros = rows[rows.method.str.endswith("huffled audio")]
    lines.append(
        f"The rows that hear another clip's sound: {((zeros.low > 0) | (zeros.high < 0)).sum()} of {len(zeros)} intervals of 95 % exclude 0; largest mean {zeros[zeros.metric == 'gain']['mean'].abs().max():.2f} of a gain, {zeros[zeros.metric == 'correlation']['mean'].abs().max():.2f} of a correlation."
    )
    write_text(
        f"# What was planted, and what comes back\n\n{about} {legend(rows)}\n\nGain: regression on what the average speaker would do; 1: as large. Head motions with the other planted parts taken out; what all clips do alike taken out; from frame {START} on, since a first frame tells where the head is at that moment.\n\n"
        + "\n".join(f"- {l}" for l in lines)
        + f"\n\n## Lips at /p/, /b/ and /m/\n\nLeast gap of the lips within two frames of each onset, over the clip's median gap, and the share of onsets at which it is below 0.3. A clip with a first frame of open lips never closes if it is held.\n\n{md(wide(shut))}\n\n## Recovered: gain over the ground truth's, %\n\n{md(shares.T.rename_axis('motion, scale').reset_index())}\n\n"
        + "\n\n".join(f"## {t}\n\n{b}" for t, b in texts.items())
        + "\n",
        results / "truth.md",
    )
    print("\n".join(lines))
    display(shares)

# %% [markdown]
# ## Which branch moves what
#
# Mean mask of each branch on each part of the face, and its share of the variance of the velocity there (`mssync.metrics.probes.branch_table`), on the motion that the generator makes for the test clips. Variants with one branch have nothing to share.

# %%
rows = []
for s in tqdm(seeds, desc="seeds"):
    made = [
        branch_table(G, x[:, 0], a, ids, s).assign(model=name)
        for name, G in models[s].items()
        if G.branches > 1
    ]
    one = (
        pd.concat(made)
        if made
        else pd.DataFrame(
            columns=["model", "branch", "region", "id", "weight", "share", "variance", "hertz"]
        )
    )
    one = one.assign(speaker=one.id.map(speaker))[
        ["model", "branch", "region", "id", "speaker", "weight", "share", "variance", "hertz"]
    ]
    write_table(one, seed_folder(results, s) / "masks.csv")
    rows.append(one.assign(seed=s))
branches = pd.concat(rows, ignore_index=True)
masked = list(branches.model.unique())
if masked:
    masks = summary(
        branches, ["weight", "share", "variance", "hertz"], ["branch", "region"], "model"
    )
    fig, axs = plt.subplots(
        len(masked), 3, figsize=(12, 0.4 + 2.3 * len(masked)), sharey=True, squeeze=False
    )
    for ax_row, m in zip(axs, masked):
        for ax, (v, top, title) in zip(
            ax_row,
            (
                ("weight", 1, "mean mask"),
                ("share", 1, "share of the velocity"),
                ("hertz", 8, "RMS frequency, Hz"),
            ),
        ):
            plot_roles(
                ax,
                masks[(masks.model == m) & (masks.metric == v)],
                "mean",
                f"{m}:\n{title}",
                (0, top),
            )
else:
    masks = branches.drop(columns=["id", "speaker"])
    fig, ax = plt.subplots(figsize=(6, 1))
    ax.axis("off")
    ax.text(0.5, 0.5, "no variant of this profile has several branches", ha="center")
fig.tight_layout()
write_table(masks, results / "masks.csv")
write_figure(fig, results / "masks.png")

# %% [markdown]
# The paper's expectation as two differences, lips less contour of the head: above 0 on the finest branch, below 0 on the coarsest.

# %%
blocks = []
if masked:
    apart = differences(
        branches, [("lips", "contour")], ["weight", "share"], ["model", "branch"], "region"
    )
    ends = apart[apart.branch.isin([1, branches.branch.max()])]

    def says(r):  # an interval over clips and every seed must agree
        side = (
            1
            if r["low"] > 0 and r["positive"] == r["seeds"]
            else -1
            if r["high"] < 0 and r["positive"] == 0
            else 0
        )
        return (
            "not certain"
            if not side
            else "as expected"
            if side == (1 if r["branch"] == 1 else -1)
            else "the other way"
        )

    held = pd.DataFrame(
        [
            dict(
                model=r["model"],
                branch=f"{r['branch']}, {'finest' if r['branch'] == 1 else 'coarsest'}",
                measure=dict(weight="mean mask", share="share of the velocity")[r["metric"]],
                expected="above 0" if r["branch"] == 1 else "below 0",
                **{"lips less contour": f"{r['mean']:.2f} [{r['low']:.2f}, {r['high']:.2f}]"},
                seeds=f"{r['positive']} of {r['seeds']} above 0",
                verdict=says(r),
            )
            for r in ends.to_dict("records")
        ]
    )
    blocks = [("Expectation", md(held))] + [
        (
            f"{m}: {t}",
            md(
                wide(
                    masks[(masks.model == m) & (masks.metric == v)].assign(row=lambda d: d.branch),
                    "region",
                    method="row",
                ).rename(columns=dict(row="branch"))
            ),
        )
        for m in masked
        for v, t in (
            ("weight", "mean mask"),
            ("share", "share of the velocity"),
            ("hertz", "RMS frequency, Hz"),
        )
    ]
    display(held)
write_text(
    f"# Which branch moves what\n\n{about} "
    + (
        legend(masks, method="model")
        + " Branch 1 is the finest. Equal masks would be 1 over the number of branches. A verdict needs the interval and every seed."
        if masked
        else "No variant of this profile has several branches."
    )
    + "\n\n"
    + "\n\n".join(f"## {t}\n\n{b}" for t, b in blocks)
    + "\n",
    results / "masks.md",
)
