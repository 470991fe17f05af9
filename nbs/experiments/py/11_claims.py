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
# What the claims are, which numbers they are about and how they are decided stands in notebook
# 69_claims; how the answers are shown, and what *yes*, *likely* and *unclear* mean, in 74_verdicts.
# Here they meet the measurements: those of this run, and beside them those of finished runs on other
# corpora or with other variants.

# %% tags=["parameters"]
results: str = "../../results/smoke"  # folder of a run, with its run.json; claims.* go there
others: str = ""  # folders of further runs, separated by commas: other corpora, or other variants
seeds: str = ""  # 0,1,2: which of this run; empty: all that its run.json names

# %%
import pandas as pd

from mssync.data.files import listed_folders
from mssync.study.claims import (
    claims_with,
    claims_with_official,
    curve_differences,
    curve_pairs,
    decide,
    official_rows,
)
from mssync.study.run import finished_run
from mssync.study.verdicts import (
    about_run,
    claim_measurements,
    claims_text,
    curve_text,
    grid_cells,
    grid_table,
    looks_of,
    plot_claims,
    plot_grid,
    run_names,
)

folders = listed_folders(others)
study = finished_run(results, seeds=seeds)
runs = [study, *(finished_run(f) for f in folders)]
if len({r.results.resolve() for r in runs}) < len(runs):
    raise ValueError(f"others: {others!r} names a run twice, or this run")
names = run_names(runs)
about = [about_run(n, r.record, r.facts, r.seeds) for n, r in zip(names, runs)]
pd.DataFrame(
    dict(run=n, variants=", ".join(r.labels.values()), revision=r.record["revision"][:12])
    for n, r in zip(about, runs)
)

# %% [markdown]
# ## Verdicts
#
# `claims.csv` has every part of every claim with its intervals; the grid says in a word what they
# say. Below them stands what the trainings' curves say at their end, at the last evaluation and
# averaged over the last ones (`evaluation: {last: 3}`).

# %%
compared = {k: n for r in runs for k, n in r.compared.items()}
measured = [claim_measurements(r.results, r.seeds) for r in runs]
# one more where a run has baselines, and one where it has rows of other people's code
claims = claims_with_official(official_rows(*measured), claims_with(compared))
parts = [
    decide(
        tables,
        r.labels,
        r.facts,
        claims,
        looks=looks_of(r.record),
    ).assign(run=n)
    for n, r, tables in zip(names, runs, measured)
]
parts = pd.concat(parts, ignore_index=True)
study.table(parts[["run", *parts.columns.drop("run")]], "claims.csv")
if (parts.verdict == "not measured").all():
    raise ValueError(f"{study.results}: none of the claims' numbers has been measured")

cells = grid_cells(parts, claims)
text = claims_text(parts, about, claims)
pairs = curve_pairs(study.labels)
curves = study.results / "figure5.csv"
if pairs and curves.is_file():
    logs = pd.read_csv(curves)
    logs = logs[logs.seed.isin(study.seeds)]
    last = study.settings["evaluation"]["last"]
    text += "\n" + curve_text(curve_differences(logs, pairs, last, looks_of(study.record)))
study.text(text, "claims.md")
pd.set_option("display.max_colwidth", None)
grid_table(cells)

# %%
fig = plot_grid(cells, "The paper's claims: " + "; ".join(names))
study.figure(fig, "claims.png")

# %% [markdown]
# The intervals behind the words, a row of panels for each claim and measure: thick over clips, thin
# over trainings, points the trainings, and in grey where the claim would hold.

# %%
study.figure(plot_claims(parts), "claims_intervals.png", 80)
