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
# # All figures and tables on one page
#
# > Figures 1 and 2 of this run's networks, Tables 1 to 5 with the paper's figures beside ours, and a report in one file
#
# Nothing is measured here: the tables and pictures of the run are put together in `tables.md` and in `report.html`, which holds everything that it shows (notebook 71_page).

# %% tags=["parameters"]
profile: str = "smoke"  # name of a file in workflow/profiles, or a path to one
results: str = "../../results/smoke"  # folder of a run whose report (06_report) is there
corpus: str = ""  # folder of an ingested corpus; empty: simulate one
seeds: str = ""  # 0,1,2: which have been trained; empty: those of the profile
device: str = "cpu"  # cpu, cuda, cuda:1, ...
transfer: bool = False  # the run has tested generators of others (10_transfer)
draw_people: bool = False  # show what 06_report has drawn of the people of a given corpus (Figure 4, videos); leave that out of what you publish

# %%
import json
from pathlib import Path

import numpy as np
import pandas as pd
from IPython.display import Image

from mssync.metrics.intervals import mean_std
from mssync.model.discriminators import Discriminators
from mssync.study.diagrams import count, figure1, figure2, parameters
from mssync.study.outputs import corpus_title, paper_table, write_figure, write_text
from mssync.study.outputs import markdown as md
from mssync.study.page import Page
from mssync.study.profiles import full_models, gan_configs, load_profile, seed_list, sweeps
from mssync.study.tables import legend, wide
from mssync.training.models import load_model

settings, results = load_profile(profile), Path(results)
seeds = seed_list(settings, seeds)
record, facts = (json.loads((results / f"{n}.json").read_text()) for n in ("run", "corpus"))
data = corpus_title(facts)
shown = facts["simulated"] or draw_people
run = f"this run, {data}"

# %% [markdown]
# ## Figures 1 and 2
#
# Drawn from the networks of the first seed, for the length that they were trained on; the discriminators, which are not kept after training, from the profile. 64 (5) in a box are five blocks of that width.

# %%
variant = next(iter(full_models(settings) or settings["variants"]))
label, T = settings["variants"][variant]["label"], facts["lengths"]["train"][variant]
own = results / f"seed_{seeds[0]}"
syncers, G = (
    load_model(own / f"{n}.safetensors", device) for n in ("syncers_loss", f"generator_{variant}")
)
D = Discriminators(gan_configs(settings, variant)[1]).to(device)
for n, fig in ((1, figure1(syncers, T)), (2, figure2(G, D, T))):
    write_figure(fig, results / f"figure{n}.png", 100)
    display(Image(str(results / f"figure{n}.png")))

# %% [markdown]
# ## Tables 1 to 5
#
# As in the paper, one row a method; under the paper's row stands ours where this run has one, and `where from` says which is which. Systems that are not built here, and corpora that this run has not seen, have the paper's row alone. Only the order of methods
# can be compared between the paper's rows and ours: other data, other syncers, other units.

# %%
FROM = "where from"


def beside(
    *tables: pd.DataFrame,
) -> pd.DataFrame:  # columns method, where from, values; the paper's row first
    t = pd.concat(tables, ignore_index=True)
    order = {m: k for k, m in enumerate(dict.fromkeys(t.method))}
    t = t.sort_values("method", key=lambda c: c.map(order), kind="stable").fillna("")
    return t[["method", FROM, *(c for c in t if c not in ("method", FROM))]]


def rows_of(
    n: int, t: pd.DataFrame, columns, names=str, text=lambda r: mean_std(r["mean"], r["std"])
) -> pd.DataFrame:  # rows of a table of the paper, texts as printed
    t = t.assign(text=[text(r) for r in t.to_dict("records")])
    return (
        t.pivot(index="method", columns=columns, values="text")
        .loc[t.method.unique(), t[columns].unique()]
        .rename(columns=names)
        .rename_axis(columns=None)
        .reset_index()
        .assign(**{FROM: f"paper, Table {n}, {t.dataset.iloc[0]}"})
    )


ms, whole = lambda l: f"{100 * 2**l} ms", dict(clips=int, speakers=int, seeds=int)

# Table 1
p = paper_table(1)
p = (
    p.rename(
        columns=dict(
            train_dataset="trained on",
            head_translation_kept="head translation kept",
            predicts_head_motion="predicts head motion",
        )
    )
    .drop(columns="table")
    .assign(**{FROM: "paper, Table 1"})
)
train = next(s for s in facts["splits"] if s["split"] == "train")
centred = set(facts["sources"]) & {
    "VoxCeleb2 (I)",
    "LRS2",
}  # corpora whose every frame is centred on the face
table1 = beside(
    p,
    pd.DataFrame(
        {
            "method": [d["label"] for d in settings["variants"].values()],
            "trained on": f"{data}: {train['clips']} clips of {train['speakers']} speakers, {train['minutes']} min",
            "head translation kept": "no" if centred else "yes",
            "predicts head motion": "yes",
            FROM: "this run",
        }
    ),
)

# Table 2: a table a duration
t2 = pd.read_csv(results / "table2.csv")
t2 = t2[t2.source == "this run"].astype(whole)
p = paper_table(2)


def printed(r):
    return f"{r['mean']:.1f}" if r["metric"] == "FID" else f"{r['mean']:.0f}"


table2 = {}
for d in sorted(set(p.duration_frames) | set(t2.duration_frames)):
    a, b = p[p.duration_frames == d], t2[t2.duration_frames == d]
    table2[d] = beside(
        rows_of(2, a, "metric", text=printed) if len(a) else pd.DataFrame(columns=["method", FROM]),
        wide(b).assign(**{FROM: run}) if len(b) else pd.DataFrame(columns=["method", FROM]),
    )

# Tables 3 and 4: a table a measure
t3 = pd.read_csv(results / "table3.csv")
t3 = t3[t3.source == "this run"].astype(whole)
said = dict(overlap="scored on the overlap", padded="zero-padded")


def synchrony(n: int, ours: bool) -> dict[str, pd.DataFrame]:
    p, out = paper_table(n), {}
    for m in ("AV-Conf", "AV-Off"):
        mine = (
            [
                wide(g, "level", ms).assign(**{FROM: f"{run}, {said[k]}"})
                for k, g in t3[t3.metric == m].groupby("scoring", sort=False)
            ]
            if ours
            else []
        )
        out[m] = beside(rows_of(n, p[p.metric == m], "level", ms), *mine)
    return out


table3, hdtf = synchrony(3, True), set(facts["sources"]) == {"HDTF"}
table4 = synchrony(4, hdtf)

# Table 5: a row a method and corpus
p, lips = paper_table(5), pd.read_csv(results / "lips.csv")
lips = lips[lips.metric.isin(["LMD, %", "LMD_front, %"])].assign(
    metric=lambda d: d.metric.str.removesuffix(", %")
)
table5 = beside(
    *(rows_of(5, g, "metric") for _, g in p.groupby("dataset", sort=False)),
    wide(lips).assign(**{FROM: f"{run}, landmarks not rendered, per cent of the face's size"}),
)

# %% [markdown]
# What the numbers are is said once for each table.

# %%
frames = f"{facts['lengths']['sync']} frames"


def better(t):
    return {"AV-Conf, higher is better": t["AV-Conf"], "|AV-Off|, lower is better": t["AV-Off"]}


lips_too = "The paper renders landmarks to pictures and measures LMD there, in a unit that it does not state; ours are distances of landmarks in per cent of the face's size, and no picture is rendered; Shuffled audio is the recorded motion itself, so it has none."
TABLES = [
    ("Table 1: overview of the methods", "", {"": table1}),
    (
        "Table 2: quality of the dynamics",
        f"To be minimised. The paper's FID, FVD and t-FID are of drawn landmarks in networks trained on photographs and videos; ours without such a network: FFD of faces, FMD of motion over 40 or 80 frames, FD of velocities and head poses. Shuffled audio is the recorded motion itself: nothing here hears, so it has no distance. {legend(t2)}",
        {f"{d} frames": t for d, t in table2.items()},
    ),
    (
        "Table 3: synchrony at four time scales",
        f"Landmark domain. The paper: mean ± standard deviation over clips, 80 frames. This run: {frames}. {legend(t3)} |AV-Off| in samples of the level (40, 80, 160, 320 ms). The paper does not say how it scores the ends of a clip; it probably pads with zeros.",
        better(table3),
    ),
    (
        "Table 4: synchrony on HDTF",
        "As Table 3."
        if hdtf
        else "This run has no clips of HDTF, so the paper's figures stand alone (mean ± standard deviation over clips, 80 frames).",
        better(table4),
    ),
    (
        "Table 5: synchrony in the image domain, and lips",
        f"{lips_too} {legend(lips)}",
        {"": table5},
    ),
]
write_text(
    "# Tables 1 to 5, the paper's figures beside ours\n\n"
    + "\n\n".join(
        f"## {t}\n\n"
        + (f"{about}\n\n" if about else "")
        + "\n\n".join((f"### {h}\n\n" if h else "") + md(rows) for h, rows in parts.items())
        for t, about, parts in TABLES
    )
    + "\n",
    results / "tables.md",
)
display(table1, table3["AV-Conf"])

# %% [markdown]
# ## The page
#
# What the run was stands first: whoever reads the numbers must be able to make them again.

# %%
steps = {}
for k, v in record["seconds"].items():
    steps.setdefault(k.split("/")[-1], []).append(v)
what = {
    "profile": f"{record['profile']} (hash {record['profile_hash']})",
    "corpus": f"{data}: {facts['clips']} clips of {facts['speakers']} speakers",
    "seeds": ", ".join(map(str, record["seeds"])),
    "date": record["date"],
    "revision": record["revision"],
    "versions": ", ".join(
        f"{n} {record[n]}"
        for n in ("mssync", "python", "torch", "numpy", "scipy", "pandas", "librosa")
        if n in record
    ),
    "machine": f"{record['system']}, {record['cores']} cores, device {record['device']}",
    "time": f"{sum(record['seconds'].values()) / 60:.0f} minutes of notebooks, some of them side by side",
    "networks": f"{label}: {count(parameters(G))} parameters, discriminators {count(parameters(D))}, syncers of the loss {count(parameters(syncers))}",
}


def two(d, a, b):
    return pd.DataFrame(dict(zip((a, b), zip(*d.items()))))


about = [
    settings["about"],
    f"Lengths reduced because the clips are short: {facts['shortened']} frames."
    if facts["shortened"]
    else "",
    "The corpus is simulated: speech and faces are synthetic, and its coupling of motion to speech is known."
    if facts["simulated"]
    else "",
]
page = Page(f"MS-Sync, profile {record['profile']}, {data}", results, " ".join(filter(None, about)))
page.section("What was run").table(two(what, "what", "this run")).table(
    two(
        {k: f"{np.mean(v):.0f}" for k, v in steps.items()},
        "notebook",
        "seconds, mean over its runs",
    ),
    folded="time of each step",
)
page.code(json.dumps(record["settings"], indent=1), folded="all settings")
page.section("Claims").file("claims.md", optional=True).picture(
    "claims.png", "The claims and their intervals", optional=True
)
for t, text, parts in TABLES:
    page.section(t)
    if text:
        page.text(text)
    for h, rows in parts.items():
        if h:
            page.text(f"# {h}")
        page.table(rows, own=rows[FROM].str.startswith("this run"))
page.section("Lips and heads").file(
    "lips.md", folded="lips: distances to the real ones, and what they do in pauses"
).file("heads.md", folded="heads: beats, brows and lids, diversity, spectra")
page.file("table2.md", folded="dynamics: every table").file(
    "table3.md", folded="synchrony: every table"
)
page.section("Figure 1: the pyramid of syncers").picture(
    "figure1.png",
    f"The syncers of this run, for sequences of {T + 1} frames. (a) Every level learns by itself from recorded pairs. (b) All are frozen and judge what the generator makes.",
)
page.section("Figure 2: the generator and its discriminators").picture(
    "figure2.png",
    f"{label} of this run. Top: the temporal module sees positions only. Middle: a branch for each level of the audio pyramid, merged by masks. Bottom: what judges the sequence.",
)
page.section("Figure 3: distributions of synchrony").picture(
    "figure3.png",
    "AV-Conf and AV-Off at 200 ms, test clips: mean over seeds, and a band from the lowest to the highest seed.",
)
if shown:
    page.section("Figure 4: sequences").picture(
        "figure4.png",
        f"Test sequences over {facts['lengths']['figure4']} frames, ground truth and every method from the same first frame and sound.",
        optional=not facts["simulated"],
    )
page.section("Figure 5: synchrony over training").picture(
    "figure5.png",
    "AV-Conf at four scales on the validation clips, finest on top, with the ablations.",
)
if shown:
    page.section("Videos")
    for f in sorted(results.glob("example_*.mp4"), key=lambda f: (len(f.name), f.name)):
        page.video(
            f.name,
            f"{f.stem.replace('_', ' ').capitalize()}: a test clip beside what is generated from its first frame and sound.",
        )
if sweeps(settings):
    page.section("How much of it?").picture(
        "sweep.png",
        "What the numbers do that this profile sweeps: synchrony, speeds and shape residuals.",
    )
page.section("Does it stay a face?").picture(
    "residual.png",
    "Shape residual over the length of the sequence; dotted lines are the training lengths.",
).picture("drift.png", "Drift of place, size and shape far beyond the training length.")
page.section("What only a corpus with known truth can show").picture(
    "truth.png", "Which planted scales each variant recovers.", optional=True
).file("truth.md", optional=True)
page.section("Which branch moves what").picture(
    "masks.png", "Weights of the branches by facial region.", optional=True
).file("masks.md", optional=True)
if transfer:
    page.section("Transfer").file("transfer.md")
page.section("Calibration of the metrics").picture(
    "calibration_shift.png", "Planted shifts of the sound.", optional=True
).picture("calibration_damage.png", "Planted damage.", optional=True).file(
    "calibration.md", optional=True, folded="all tables of the calibration"
)
size = page.write(results / "report.html").stat().st_size
print(
    f"report.html: {size / 1e6:.1f} MB, sections: {', '.join(t for t, parts in page.sections if parts)}"
)
