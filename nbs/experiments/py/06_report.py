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
# Every number stands with its bootstrap interval over clips and its standard deviation between seeds (notebook 64_tables). With each random seed syncers, encoders and generators are trained anew on the same corpus.

# %% tags=["parameters"]
profile: str = "smoke"  # name of a file in workflow/profiles, or a path to one
results: str = "../../results/smoke"  # folder that everything goes to
corpus: str = ""  # folder of an ingested corpus; empty: simulate one
seeds: str = ""  # 0,1,2: which have been trained; empty: those of the profile
device: str = "cpu"  # cpu, cuda, cuda:1, ...
draw_people: bool = False  # draw landmarks of the people of a given corpus (Figure 4, videos); leave that out of what you publish

# %%
import json
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from mssync.baselines.reference import Retrieval
from mssync.data.landmarks import EDGES, FPS
from mssync.data.packed import Packed
from mssync.metrics.intervals import mean_std
from mssync.metrics.synchrony import PADDED_SHIFT, SHIFTS, shift_range
from mssync.model.generator import generate
from mssync.model.pyramid import WINDOW
from mssync.study.notebooks import run_record
from mssync.study.outputs import (
    corpus_folder,
    corpus_title,
    paper_table,
    read_measurements,
    write_figure,
    write_table,
    write_text,
)
from mssync.study.outputs import markdown as md
from mssync.study.profiles import full_models, load_profile, seed_list, sweeps
from mssync.study.tables import legend, method_styles, over_seeds, summary, whiskers, wide
from mssync.training.models import load_model

settings, results = load_profile(profile), Path(results)
seeds = seed_list(settings, seeds)
folder, facts = corpus_folder(results, corpus), json.loads((results / "corpus.json").read_text())
data = corpus_title(facts)
note = (
    f"Lengths reduced because the clips are short: {facts['shortened']} frames. "
    if facts["shortened"]
    else ""
)
sync, dynamics, lips, heads, sets, drift, residual, distances, images = (
    read_measurements(results, n, seeds)
    for n in ("sync", "dynamics", "lips", "heads", "sets", "drift", "residual", "frechet", "images")
)
sync = sync.assign(off=sync.offset.abs())
val, sync = sync[sync.split == "val"], sync[sync.split == "test"]
labels = {v: d["label"] for v, d in settings["variants"].items()}
full = full_models(settings)
methods, first = list(sync.method.unique()), next(iter((full or labels).values()))
T_sync, T_long, written = facts["lengths"]["sync"], facts["lengths"]["durations"][-1], {}
print(
    f"{data}: {sync.id.nunique()} test clips of {sync.speaker.nunique()} speakers, {'seeds' if len(seeds) > 1 else 'seed'} {', '.join(map(str, seeds))}. {note}"
)


def under(level, *blocks):
    return "\n\n".join(
        f"{'#' * level} {t}\n\n{md(b) if isinstance(b, pd.DataFrame) else b}" for t, b in blocks
    )  # headings and tables as Markdown


# %% [markdown]
# ## Table 3: synchrony at four time scales
#
# |AV-Off| and AV-Conf. A confidence is a difference of distances in one particular syncer, so ours and the paper's have no common unit, and the standard deviation between seeds is in part that each seed has its own metric syncer:
# compare orders and gaps within a block, not values between blocks. In the paired differences at the end the syncer cancels out.

# %%
names = dict(off="AV-Off", confidence="AV-Conf")
ours = (
    summary(sync, list(names), ["scoring", "level"])
    .replace(dict(metric=names))
    .assign(source="this run", data=data)
)
paper = paper_table(3)[["method", "level", "metric", "mean", "std"]].assign(
    source="paper, Table 3", data="VoxCeleb2 (II)", scoring="not stated"
)
table3 = pd.concat([ours, paper])
table3["scale_ms"] = 100 * 2**table3.level
order = ["source", "data", "scoring", "method", "level", "scale_ms", "metric"]
write_table(table3[order + [c for c in table3 if c not in order]], results / "table3.csv")


def ms(l):
    return f"{100 * 2**l} ms"


def blocks(rows):
    return [
        (f"{n}, {better} is better", wide(rows[rows.metric == n], "level", ms))
        for n, better in (("AV-Conf", "higher"), ("AV-Off", "lower"))
    ]


def as_printed(t, columns):  # the paper's own mean ± std
    t = (
        t.assign(text=[mean_std(m, s) for m, s in zip(t["mean"], t["std"])])
        .pivot(index="method", columns=columns, values="text")
        .loc[t.method.unique()]
    )
    return t.fillna("").rename_axis(columns=None).reset_index()


shifts = ", ".join(
    str(shift_range(-(-T_sync // 2**i) - WINDOW + 1, s)) for i, s in enumerate(SHIFTS)
)
overlap = blocks(ours[ours.scoring == "overlap"])
write_text(
    f"# Table 3: landmark-domain synchrony at four time scales\n\n{note}{legend(ours)} |AV-Off| in samples of the level (40, 80, 160, 320 ms). Overlap: shifts up to {shifts} samples; padded: up to {PADDED_SHIFT} at every level.\n\n"
    + f"## This run, {data}, {T_sync} frames, scored on the overlap\n\n"
    + under(3, *overlap)
    + f"\n\n## This run, {data}, {T_sync} frames, zero-padded as in SyncNet's code\n\n"
    + under(3, *blocks(ours[ours.scoring == "padded"]))
    + "\n\n## The paper's Table 3, VoxCeleb2 (II), 80 frames: other data, other syncers\n\nMean ± standard deviation over clips.\n\n"
    + under(
        3,
        *(
            (
                n,
                as_printed(paper[paper.metric == n], "level").rename(
                    columns=lambda c: ms(c) if isinstance(c, int) else c
                ),
            )
            for n in ("AV-Conf", "AV-Off")
        ),
    )
    + "\n",
    results / "table3.md",
)
written |= {"table3.md": "Table 3, beside the paper's", "table3.csv": "the same as data"}
print(legend(ours))
display(*(b for _, b in overlap))

# %% [markdown]
# ## Table 2: dynamics
#
# The paper's FID, FVD and t-FID compare drawn landmarks in networks trained on photographs and videos; our FFD and FMD compare the landmarks themselves in a basis and an encoder
# trained on landmarks, FD_velocity and FD_pose velocities and the head's pose. They answer the same question in different units: only the order of methods can be compared. Each seed has its own encoders, so here too the standard deviation between seeds is in part the
# measure's own.

# %%
t2 = over_seeds(
    distances.rename(columns=dict(frames="duration_frames")), ["duration_frames", "metric"]
).assign(source="this run", data=data)
pp = paper_table(2)
order = ["source", "data", "method", "duration_frames", "metric"]
write_table(
    pd.concat(
        [
            t2,
            pp[["method", "duration_frames", "metric", "mean"]].assign(
                source="paper, Table 2", data="VoxCeleb2 (II)"
            ),
        ]
    )[order + [c for c in t2 if c not in order]],
    results / "table2.csv",
)
whole = dynamics[dynamics.span == "whole"]
kinds = dict(
    lip_speed="Lip speed",
    head_speed="Head speed",
    lip_amplitude="Lip amplitude",
    head_amplitude="Head amplitude",
    jitter="Jitter",
    shape_residual="Shape residual",
    deformation="Deformation residual",
)
ratios = summary(whole, list(kinds), ["frames"])
write_table(ratios, results / "dynamics_ratios.csv")
what = dict(FFD="faces", FD_velocity="velocities", FD_pose="the head's pose") | {
    m: f"motion over {m.split('_')[1]} frames" for m in t2.metric.unique() if m.startswith("FMD")
}


def frames(d):
    return f"{d} frames"


fd = [
    (f"{m}: Fréchet distance of {w}", wide(t2[t2.metric == m], "duration_frames", frames))
    for m, w in what.items()
    if (t2.metric == m).any()
]
on_pictures = dict(
    FID="drawn frames",
    **{
        f"{k}_{n}": f"{w}, {n} frames"
        for n in facts["lengths"]["motion"].values()
        for k, w in (("FVD", "drawn sequences"), ("t-FID", "drawn traces"))
    },
)
fid = [
    (f"{m}: Fréchet distance of {w}", wide(t2[t2.metric == m], "duration_frames", frames))
    for m, w in on_pictures.items()
    if (t2.metric == m).any()
]
absent = images[images.computed == "no"].groupby(["distances", "why"], sort=False).seed.unique()
absent = [
    f"{what}: not computed"
    + (f" (seeds {', '.join(map(str, of))})" if len(of) < len(seeds) else "")
    + f", {why}"
    for (what, why), of in absent.items()
]
fid = "\n\n".join(
    [
        *([f"Faces drawn as {' and '.join(images.raster.unique())}."] if fid else []),
        *absent,
        *(
            [under(3, *fid)]
            if fid
            else [
                "Two published networks are needed, which are downloaded on first use or named by a path (notebook 37_images); the profiles `paper` and `authors` ask for them. "
                "The distances above stand beside these, not for them."
            ]
        ),
    ]
)
dyn = [(k, wide(ratios[ratios.metric == m], "frames", frames)) for m, k in kinds.items()]
still = "Shuffled audio moves as the ground truth does, and no measure here hears anything: its values are the ground truth's."
write_text(
    f"# Table 2: quality of dynamics\n\n{note}## This run, {data}: Fréchet distances\n\nTo be minimised, measured on the last frames of each duration. {legend(t2)} Other clips are those of split `metric`. {still}\n\n{under(3, *fd)}\n\n"
    f"## This run: FID, FVD and t-FID of drawn landmarks\n\n{fid}\n\n"
    f"## This run: motion and faces over the data's own (1 is as real)\n\n{legend(ratios)} {still}\n\n{under(3, *dyn)}\n\n"
    f"## The paper's Table 2, VoxCeleb2 (II): FID, FVD and t-FID of drawn landmarks; other quantities on other data\n\n"
    + under(
        3,
        *(
            (
                m,
                g.pivot(index="method", columns="duration_frames", values="mean")
                .loc[g.method.unique()]
                .rename(columns=frames)
                .rename_axis(columns=None)
                .reset_index()
                .astype(str),
            )
            for m, g in pp.groupby("metric", sort=False)
        ),
    )
    + "\n",
    results / "table2.md",
)
written |= {
    "table2.md": "Table 2 (our distances), motion and faces over the data's, and the paper's Table 2",
    "table2.csv": "the distances as data",
    "dynamics_ratios.csv": "speeds, amplitudes and shape residuals over the data's",
}
display(*(b for _, b in fd), *(b for _, b in dyn))


# %% [markdown]
# ## Lips
#
# Distances to the real lips, in per cent of the face's size, and what the lips do in pauses (`mssync.metrics.lips`). A generated motion may be as good as the recorded one and differ from it; ground truth is 0 by construction, and the baselines say what
# a value means. The paper's Table 5 measures LMD after rendering to images, in a unit that it does not state, so it is not set beside ours.

# %%
def pick(columns, df):
    return {c: n for c, n in columns.items() if c in df}


def by_sound(df, keep):
    return (
        df[keep]
        .drop(columns=["id", "speaker"])
        .rename(columns=dict(sound="id", sound_speaker="speaker"))
    )  # pauses and beats belong to the sound that was heard


to_lips = dict(
    lmd="LMD, %",
    lmd_front="LMD_front, %",
    max_lip_error="Maximum lip error, %",
    opening_difference="Opening difference, %",
)
in_pauses = dict(
    silent_opening="Opening in pauses, %", silent_speed="Lip speed in pauses, % a frame"
)
lip_rows = [summary(lips, list(to_lips)).replace(dict(metric=to_lips))]
lip_text = [
    ("Distance to the real lips", f"{legend(lip_rows[0])} {still}\n\n{md(wide(lip_rows[0]))}")
]
if "silent_frames" in lips:
    quiet = by_sound(lips, lips.silent_frames > 0)
    if quiet.id.nunique() >= 5:
        lip_rows.append(summary(quiet, list(in_pauses)).replace(dict(metric=in_pauses)))
        lip_text.append(
            (
                "Lips in pauses",
                f"{legend(lip_rows[1])} Mean over the clips with a pause; Shuffled audio is real motion in another clip's pauses.\n\n{md(wide(lip_rows[1]))}",
            )
        )
    else:
        lip_text.append(
            (
                "Lips in pauses",
                f"Not computed: {quiet.id.nunique()} of {lips.id.nunique()} clips have a pause within {T_sync} frames, 5 are needed.",
            )
        )
else:
    lip_text.append(
        ("Lips in pauses", "Not computed: the corpus' audio features do not hold the loudness.")
    )
write_table(pd.concat(lip_rows).assign(frames=T_sync), results / "lips.csv")
write_text(
    f"# Lips\n\n{note}This run, {data}, {T_sync} frames.\n\n{under(2, *lip_text)}\n",
    results / "lips.md",
)
written |= {
    "lips.md": "lips: distances to the real ones, and what they do in pauses",
    "lips.csv": "the same as data",
}
display(*(wide(r) for r in lip_rows))

# %% [markdown]
# ## Heads
#
# Beats of head and speech, brows and lids, how differently the clips of a method move, and how far the spectrum of its motion lies from the real one (`mssync.metrics.heads`). Diversity and spectra belong to sets of clips: their bias is estimated and taken off.

# %%
to_heads = pick(
    dict(
        beat_alignment="Beat alignment",
        beat_excess="Beat alignment over chance",
        nod_alignment="Nod alignment",
        nod_excess="Nod alignment over chance",
    ),
    heads,
)
to_faces = dict(upper_face_deviation="Upper-face dynamics deviation, %")
head_rows = [summary(heads, list(c)).replace(dict(metric=c)) for c in (to_heads, to_faces) if c]
of_sets = over_seeds(sets, ["metric"])
diverse, spectra = (of_sets[of_sets.metric.str.contains(w)] for w in ("diversity", "spectrum"))
write_table(pd.concat([*head_rows, of_sets]).assign(frames=T_long), results / "heads.csv")
head_text = [
    (
        "Beats of head and speech",
        f"{legend(head_rows[0])} A clip in which head or speech has no beat has 0, as Static does. Shuffled audio is real motion with another clip's sound.\n\n{md(wide(head_rows[0]))}"
        if to_heads
        else "Not computed: the corpus' audio features do not hold the loudness.",
    ),
    (
        "Brows and lids",
        f"{legend(head_rows[-1])} Deviation: real less generated, so positive is too little motion. {still}\n\n{md(wide(head_rows[-1]))}",
    ),
    (
        "Diversity",
        f"{legend(diverse)} Mean distance between the motions of two clips, in per cent of the face's size; {still[0].lower()}{still[1:]}\n\n{md(wide(diverse))}",
    ),
    (
        "Spectra of motion",
        f"{legend(spectra)} Static has the largest distance there is, 40 dB. {still}\n\n{md(wide(spectra))}",
    ),
]
write_text(
    f"# Heads\n\n{note}This run, {data}, {T_long} frames.\n\n{under(2, *head_text)}\n",
    results / "heads.md",
)
written |= {
    "heads.md": "heads: beats, brows and lids, diversity, spectra",
    "heads.csv": "the same as data",
}
display(*(wide(r) for r in (*head_rows, diverse, spectra)))

# %% [markdown]
# ## Figure 3: not only the mean
#
# Distributions of AV-Conf$_1$ and of AV-Off$_1$ (with its sign) at the finest scale: mean over seeds, and a band from the lowest to the highest seed.

# %%
fig, axes = plt.subplots(1, 2, figsize=(11, 3.4))
level1, style = (
    sync[(sync.level == 1) & (sync.scoring == "overlap")],
    method_styles(methods, list(labels.values())),
)
grid, offsets = (
    np.linspace(level1.confidence.min(), level1.confidence.max(), 200),
    np.arange(-15, 16),
)


def density(v):  # Gaussian kernel, Silverman's width
    h = max(1.06 * v.std() * len(v) ** -0.2, 1e-3)
    return np.exp(-(((grid[:, None] - v.values) / h) ** 2) / 2).mean(1) / h / np.sqrt(2 * np.pi)


def banded(ax, at, curves, label, **kw):  # curves (seeds, points)
    curves = np.stack(curves)
    ax.plot(at, curves.mean(0), label=label, **kw)
    if len(curves) > 1:
        ax.fill_between(at, curves.min(0), curves.max(0), color=kw["color"], alpha=0.15, lw=0)


for m, g in level1.groupby("method", sort=False):
    banded(axes[0], grid, [density(v) for _, v in g.groupby("seed").confidence], m, **style[m])
    banded(
        axes[1],
        offsets,
        [
            v.value_counts(normalize=True).reindex(offsets, fill_value=0).values
            for _, v in g.groupby("seed").offset
        ],
        m,
        **style[m],
    )
axes[0].set(xlabel="AV-Conf at 200 ms", ylabel="density", ylim=0)
axes[1].set(xlabel="AV-Off at 200 ms, frames", ylabel="share of clips")
fig.legend(
    *axes[1].get_legend_handles_labels(),
    fontsize=7,
    loc="lower center",
    ncol=4,
    bbox_to_anchor=(0.5, 1),
)
fig.tight_layout()
write_figure(fig, results / "figure3.png")
written["figure3.png"] = "Figure 3: distributions of AV-Conf and AV-Off at 200 ms"


# %% [markdown]
# ## Figure 4: look at them
#
# Test sequences over 120 frames: ground truth, retrieval and every generator from the same first frame and sound, by the networks of the first seed. Landmarks of real people are not drawn unless you ask for it
# (`draw_people`); numbers never replace this look, so ask for it on your own corpus.

# %%
def sequences():
    x, a, ids = Packed(folder, "test", device=device).windows(facts["lengths"]["figure4"])
    pick = slice(0, settings["evaluation"]["sequences"])
    x, a = x[pick], a[pick]
    train = Packed(folder, "train", device=device)
    T = facts["lengths"]["figure4"]
    similar = (
        {"Retrieval": Retrieval(train, T, most=20_000)(x[:, 0], a)}
        if (train.lengths > T).any()
        else {}
    )
    return ids[pick], {"Ground truth": x} | similar | {
        l: generate(
            load_model(results / f"seed_{seeds[0]}" / f"generator_{v}.safetensors", device),
            x[:, 0],
            a,
            seeds[0],
        )
        for v, l in labels.items()
    }


if facts["simulated"] or draw_people:
    ids, tracks = sequences()
    at = np.linspace(0, facts["lengths"]["figure4"], 13).round().astype(int)
    fig, axes = plt.subplots(len(ids) * len(tracks), 1, figsize=(12, 1.15 * len(ids) * len(tracks)))
    for ax, (k, (m, x)) in zip(axes, [(k, t) for k in range(len(ids)) for t in tracks.items()]):
        for j, t in enumerate(at):
            f = x[k, t].cpu().numpy().clip(-6, 6) + [3.4 * j, 0]
            for e in EDGES:
                ax.plot(f[e, 0], f[e, 1], color="k" if m == "Ground truth" else "C0", lw=0.8)
        ax.set(aspect="equal", xlim=(-2, 3.4 * len(at) - 1.5), ylim=(2.5, -2.2))
        ax.axis("off")
        ax.text(-2, 0, m.replace(", ", ",\n"), ha="right", va="center", fontsize=7)
    fig.suptitle(f"frames {', '.join(map(str, at))}", fontsize=8, y=0.9)
    write_figure(fig, results / "figure4.png", 80)
    written["figure4.png"] = "Figure 4: sequences of every method over 120 frames"
else:
    print(
        "Figure 4 and videos are left out: they would show the landmarks of real people (draw_people=True makes them)"
    )

# %% [markdown]
# ## Figure 5: what the scales are for
#
# AV-Conf at four scales on split `val` while training goes on, for the full model and the two ablations of Section 4.6, mean over seeds and a band from the lowest to the highest. The paper's finding: little difference at the finest scale;
# at coarser ones the single-scale loss falls behind, and a single-scale generator cannot make full use of the multi-scale loss. Where a profile starts teacher-forced (`teacher_steps`, which the
# paper does not have), a grey line marks the step at which the adversarial and synchrony losses begin: left of it the two ablations are one and the same. Mind that a single-scale generator is also smaller,
# and that its one level of the audio pyramid looks ahead 60 ms only.

# %%
logs = {v: read_measurements(results, f"generator_{v}", seeds) for v in labels}
fig, axes = plt.subplots(4, 1, figsize=(7, 9), sharex=True)
for i, ax in enumerate(axes, 1):
    for v, log in (
        (v, l) for v, l in logs.items() if v not in full or labels[v] == first
    ):  # the paper shows the short model and the ablations
        curves = log.pivot(index="step", columns="seed", values=f"AV-Conf_{i}")
        banded(ax, curves.index, curves.values.T, labels[v], marker=".", **style[labels[v]])
    for m, ls in (("Ground truth", "--"), ("Static", ":")):
        ax.axhline(
            val[
                (val.method == m) & (val.level == i) & (val.scoring == "overlap")
            ].confidence.mean(),
            color="k",
            lw=0.8,
            ls=ls,
            label=m,
        )
    if begin := settings["training"].get("teacher_steps"):
        ax.axvline(begin, color="grey", lw=0.8)
    ax.set_ylabel(f"AV-Conf, {100 * 2**i} ms")
axes[-1].set_xlabel("step")
fig.legend(
    *axes[0].get_legend_handles_labels(),
    fontsize=7,
    loc="lower center",
    ncol=3,
    bbox_to_anchor=(0.5, 1),
)
fig.tight_layout()
write_figure(fig, results / "figure5.png")
write_table(
    pd.concat([l.assign(variant=v, label=labels[v]) for v, l in logs.items()]),
    results / "figure5.csv",
)
written |= {
    "figure5.png": "Figure 5: AV-Conf over training, with the ablations",
    "figure5.csv": "all training logs",
}

# %% [markdown]
# ## How much of it?
#
# Where variants of the profile change one number at a time (`sweeps`: $\lambda$, the levels in the loss; `curve`: clips to learn from), what it does: AV-Conf at the four scales (dashed: ground truth), speeds and shape residuals over the data's own, with
# intervals over clips, and seeds as points.

# %%
swept = sweeps(settings, next(s["clips"] for s in facts["splits"] if s["split"] == "train"))
if swept:
    short_, long_ = facts["lengths"]["durations"][0], T_long
    panels = [
        (
            "AV-Conf",
            [
                (
                    ours[
                        (ours.metric == "AV-Conf") & (ours.scoring == "overlap") & (ours.level == i)
                    ],
                    ms(i),
                )
                for i in range(1, 5)
            ],
        ),
        (
            "over the data's",
            [
                (
                    ratios[(ratios.metric == m) & (ratios.frames == short_)],
                    f"{kinds[m].lower()}, {short_} frames",
                )
                for m in ("lip_speed", "head_speed")
            ],
        ),
        (
            "over the data's",
            [
                (
                    ratios[(ratios.metric == "shape_residual") & (ratios.frames == n)],
                    f"shape residual, {n} frames",
                )
                for n in dict.fromkeys((short_, long_))
            ],
        ),
    ]
    fig, axes = plt.subplots(len(swept), 3, figsize=(12, 3.1 * len(swept)), squeeze=False)
    for row, (field, of) in zip(axes, swept.items()):
        for ax, (ylabel, curves) in zip(row, panels):
            for k, (table, name) in enumerate(curves):
                table = table.set_index("method")
                g = table.loc[[labels[v] for v in of.values()]]
                ax.errorbar(
                    range(len(of)),
                    g["mean"],
                    whiskers(g),
                    fmt="o-",
                    ms=4,
                    color=f"C{k}",
                    label=name,
                )
                if len(seeds) > 1:
                    ax.plot(
                        range(len(of)), g[[f"seed_{s}" for s in seeds]], ".", ms=3, color=f"C{k}"
                    )
                if ylabel == "AV-Conf":
                    ax.axhline(table.loc["Ground truth", "mean"], color=f"C{k}", lw=0.8, ls="--")
            if ylabel != "AV-Conf":
                ax.axhline(1, color="grey", lw=0.8, ls=":")
            if "residual" in name and np.divide(*ax.dataLim.intervaly[::-1]) > 5:
                ax.set_yscale("log")
            ax.set(
                xlabel=field.split(".")[1].replace("_", " "),
                ylabel=ylabel,
                xticks=range(len(of)),
                xticklabels=[f"{x:g}" for x in of],
            )
            ax.legend(fontsize=7)
    fig.tight_layout()
    write_figure(fig, results / "sweep.png")
    written["sweep.png"] = f"what {' and '.join(f.split('.')[1] for f in swept)} do"
else:
    print("This profile sweeps nothing.")


# %% [markdown]
# ## Does it stay a face?
#
# Growth of the shape residual with the length of the sequence, over the data's own. The vertical lines are the training lengths; beyond them errors accumulate, which is what
# MS-Sync-long is for.

# %%
def over_time(ax, df, column, frame="frame"):
    for m, g in df.groupby("method", sort=False):
        curves = g.pivot(index=frame, columns="seed", values=column)
        banded(ax, curves.index, curves.values.T, m, **style[m])
    for v, l in full.items():
        ax.axvline(facts["lengths"]["train"][v], color=style[l]["color"], lw=0.8, ls=":")
    ax.axhline(1.5, color="grey", lw=0.8, ls="--")
    ax.set(xlabel="frame", yscale="log")


fig, ax = plt.subplots(figsize=(8, 3.4))
over_time(ax, residual, "residual")
ax.set_ylabel("shape residual over the data's")
ax.legend(fontsize=6, ncol=2)
write_figure(fig, results / "residual.png")
written["residual.png"] = "growth of the shape residual with the length of the sequence"

# %% [markdown]
# The same far beyond any clip, to a chain of test clips' sound: how far the head wanders, how its size changes, and whether the face stays one. 1 is as far as real clips go.

# %%
fig, axes = plt.subplots(1, 3, figsize=(13, 3.2))
for ax, (c, name) in zip(
    axes, dict(position="head's way", size="change of size", residual="shape residual").items()
):
    over_time(ax, drift[(drift.frame > 0) & ((c == "residual") | (drift.method != "Static"))], c)
    ax.set_ylabel(f"{name} over the data's")
fig.legend(
    *axes[2].get_legend_handles_labels(),
    fontsize=7,
    loc="lower center",
    ncol=5,
    bbox_to_anchor=(0.5, 1),
)
fig.tight_layout()
write_figure(fig, results / "drift.png")
written["drift.png"] = f"drift of place, size and shape to {int(drift.frame.max())} frames"

# %% [markdown]
# ## See and hear it
#
# Ground truth beside each full model, with the sound; for a simulated clip the sound is synthesised again from its seed.

# %%
if facts["simulated"] or draw_people:
    import cv2

    from mssync.app.animate import draw_faces, write_video
    from mssync.simulate.clips import draw_speaker, simulate_clip

    for k, id in enumerate(ids[: settings["evaluation"]["videos"]]):
        wave, c = None, settings["corpus"]
        if facts["simulated"]:
            n = int(id.removeprefix("sim"))
            wave = simulate_clip(
                n,
                draw_speaker(n % c["speakers"], c["seed"]),
                c["seed"],
                c["seconds"],
                return_wave=True,
            )[1]
        panels = []
        for m in ("Ground truth", *full.values()):
            frames = draw_faces(tracks[m][k].cpu().numpy() * 0.17 + 0.5, 320)
            for f in frames:
                cv2.putText(f, m, (8, 20), cv2.FONT_HERSHEY_SIMPLEX, 0.5, (0, 0, 0), 1, cv2.LINE_AA)
            panels.append(frames)
        write_video(
            results / f"example_{k + 1}.mp4",
            list(np.concatenate(panels, 2)),
            FPS,
            wave[: int(len(panels[0]) / FPS * 16000)] if wave is not None else None,
        )
        written[f"example_{k + 1}.mp4"] = (
            "a test clip beside what is generated from its first frame and sound"
            + (", with the sound" if facts["simulated"] else "")
        )

# %% [markdown]
# ## Record of the run

# %%
durations = {}
for f in sorted(
    [
        *(results / "notebooks").glob("01*.ipynb"),
        *(f for s in seeds for f in (results / f"seed_{s}" / "notebooks").glob("*.ipynb")),
    ]
):
    if ".failed" not in f.name and ".part" not in f.name:
        durations["/".join((*f.relative_to(results).parts[:-2], f.stem))] = round(
            json.loads(f.read_text())["metadata"].get("papermill", {}).get("duration") or 0
        )
write_text(
    json.dumps(
        run_record(
            settings,
            seeds,
            device=device,
            corpus={k: facts[k] for k in ("name", "simulated", "clips", "speakers", "lengths")},
            seconds=durations,
        ),
        indent=1,
    ),
    results / "run.json",
)
written |= {
    "claims.md": "the paper's claims, each decided (11_claims)",
    "claims.csv": "every part of them as data",
    "claims.png": "the same as a forest plot",
    "truth.md": "what is recovered of the planted motion, and the masks (09_truth)",
    "report.html": "everything on one page, with the videos (12_page)",
}
written |= {
    "run.json": f"revision, versions, settings and time of the run ({sum(durations.values()) / 60:.0f} minutes of notebooks, some of them side by side)",
    "corpus.png": "speeds and scales of the corpus",
    "seed_0/, ...": "what each seed trained, its logs, its measurements (sync.csv, dynamics.csv, lips.csv, heads.csv: one row a clip; frechet.csv, frechet_pairs.csv, sets.csv, images.csv, residual.csv, drift.csv), its executed notebooks",
    "notebooks/": "the other executed notebooks",
}
write_text(
    f"# Study, profile {settings['name']}, {data}\n\n{note}{settings['about']}\n\n"
    + "".join(f"- `{n}`: {w}\n" for n, w in written.items()),
    results / "README.md",
)
