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
# # The paper's claims
#
# > Each claim decided from what the runs measured, on one corpus or on several
#
# What the claims are, which numbers they are about and how they are decided stands in notebook 69_claims. Here they meet the measurements: those of this run, and beside them those of finished runs on other corpora or with other variants.

# %% tags=["parameters"]
results: str = "../../results/smoke"  # folder of a run, with its run.json; claims.md, claims.csv and claims.png go there
others: str = ""  # folders of further runs, separated by commas: other corpora, or other variants
seeds: str = ""  # 0,1,2: which of this run; empty: all that its run.json names

# %%
import json
from pathlib import Path

import pandas as pd

from mssync.study.claims import (
    CLAIMS,
    TABLES,
    claim_tables,
    conclude,
    conclusion,
    decide,
    plot_claims,
)
from mssync.study.outputs import (
    corpus_title,
    read_measurements,
    write_figure,
    write_table,
    write_text,
)
from mssync.study.outputs import markdown as md
from mssync.study.profiles import read_seeds

folders = [Path(results), *(Path(f.strip()).expanduser() for f in others.split(",") if f.strip())]
for f in folders:
    for n in ("run.json", "corpus.json"):
        if not (f / n).is_file():
            raise FileNotFoundError(f"{f}: no {n}, so no finished run of the study")
if len({f.resolve() for f in folders}) < len(folders):
    raise ValueError(f"others: {others!r} names a run twice, or this run")


def read(folder):  # a run: its record, the corpus, the tables of its seeds
    record, facts = (json.loads((folder / n).read_text()) for n in ("run.json", "corpus.json"))
    own = read_seeds(seeds if folder == folders[0] and seeds else record["seeds"])
    tables = {
        t: read_measurements(folder, t, own)
        for t in TABLES
        if all((folder / f"seed_{s}" / f"{t}.csv").exists() for s in own)
    }
    if not tables:
        raise FileNotFoundError(
            f"{folder}: none of the seeds {', '.join(map(str, own))} has been measured"
        )
    return dict(
        folder=folder,
        record=record,
        facts=facts,
        seeds=own,
        tables=tables,
        corpus=corpus_title(facts),
        labels={v: d["label"] for v, d in record["settings"]["variants"].items()},
    )


runs = [read(f) for f in folders]
for r in runs:  # the corpus names a run where that is enough
    same = [o for o in runs if o["corpus"] == r["corpus"]]
    r["name"] = (
        r["corpus"] if len(same) == 1 else f"{r['corpus']}, profile {r['record']['profile']}"
    )
    if len([o for o in same if o["record"]["profile"] == r["record"]["profile"]]) > 1:
        r["name"] += f", {r['folder'].resolve().name}"
pd.DataFrame(
    [
        dict(
            run=r["name"],
            profile=r["record"]["profile"],
            seeds=", ".join(map(str, r["seeds"])),
            variants=", ".join(r["labels"]),
            clips=r["facts"]["clips"],
            revision=r["record"]["revision"][:12],
        )
        for r in runs
    ]
)

# %% [markdown]
# ## Verdicts
#
# A claim holds if all its measured parts do and they are at least half of it; a part holds if its whole interval over clips (or speakers) *and* its whole interval over trainings lie on the side that the claim says.

# %%
parts = pd.concat(
    [decide(r["tables"], r["labels"], r["facts"]).assign(run=r["name"]) for r in runs],
    ignore_index=True,
)
write_table(parts[["run", *parts.columns.drop("run")]], folders[0] / "claims.csv")
verdicts = pd.DataFrame(
    [
        dict(letter=k, claim=c["title"])
        | {
            n: conclusion(conclude(g[g.letter == k]).iloc[0].to_dict())
            for n, g in parts.groupby("run", sort=False)
        }
        for k, c in CLAIMS.items()
    ]
)
pd.set_option("display.max_colwidth", None)
verdicts


# %% [markdown]
# ## Their parts

# %%
def section(letter, c):
    tables, missing = claim_tables(
        parts[parts.letter == letter]
        if len(runs) > 1
        else parts[parts.letter == letter].drop(columns="run")
    )
    verdict = "; ".join(
        f"{n + ': ' if len(runs) > 1 else ''}{verdicts.set_index('letter').loc[letter, n]}"
        for n in (r["name"] for r in runs)
    )
    return "\n\n".join(
        [
            f"## {letter}: {c['title']}",
            f"{c['says']} ({c['paper'] if letter == '0' else 'Section ' + c['paper']})",
            verdict,
            c["note"],
            *(md(t) for t in tables),
            *(["".join(f"- {m}\n" for m in missing).rstrip()] if missing else []),
        ]
    )


how = (
    "Each cell: verdict, value (a difference of the two methods, paired clip by clip within a seed where they have a value a clip; of drifts the ratio), [95 % bootstrap interval over clips, or speakers from 8 on], "
    "trainings [95 % Student interval over the seeds], and in how many seeds it is true of the seed's own value. Both intervals must lie on the side that the claim says; a claim holds if all its measured parts do and they are at least half of it. With one seed there is no interval over trainings, and the verdict says nothing about another training."
)
listing = "\n".join(
    f"- {r['name']}: profile {r['record']['profile']}, {'seeds' if len(r['seeds']) > 1 else 'seed'} {', '.join(map(str, r['seeds']))}"
    + (
        f"; lengths reduced because the clips are short: {r['facts']['shortened']} frames"
        if r["facts"]["shortened"]
        else ""
    )
    for r in runs
)
write_text(
    "\n\n".join(
        [
            "# The paper's claims",
            listing,
            md(verdicts),
            how,
            *(section(k, c) for k, c in CLAIMS.items()),
        ]
    )
    + "\n",
    folders[0] / "claims.md",
)
for k, c in CLAIMS.items():
    print(f"{k}: {c['title']}")
    display(*claim_tables(parts[parts.letter == k])[0])

# %%
if (parts.verdict != "not measured").any():
    write_figure(plot_claims(parts), folders[0] / "claims.png", 80)
else:
    raise ValueError(f"{folders[0]}: none of the claims' numbers has been measured")
