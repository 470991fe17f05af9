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
# # Table 4
# > Generators of other runs, trained on another corpus, on this run's test clips and by this run's metric syncers
#
# What may stand in the table, and how it is measured, is said in 74b_elsewhere. This run's own
# generators have no row here: they were trained on the corpus that they would be tested on. None is
# needed, so a run that is there for this table alone trains metric syncers and nothing else
# (`make table4`).

# %% tags=["parameters"]
profile: str = "smoke"  # name of a file in workflow/profiles, or a path to one: of this run
# folder of this run: its corpus and metric syncers; table4.csv, table4.md, table4_left_out.csv go
# there
results: str = "../../results/smoke"
corpus: str = ""  # folder of an ingested corpus; empty: the simulated one of this run
# folders of finished runs, separated by commas, whose generators are brought here
others: str = ""
seeds: str = ""  # 0,1,2: which of this run; empty: those of the profile
device: str = "cpu"  # cpu, cuda, cuda:1, ...

# %%
import pandas as pd

from mssync.data.files import listed_folders
from mssync.study.elsewhere import elsewhere_scores, elsewhere_table, left_out
from mssync.study.outputs import markdown
from mssync.study.run import Study, finished_run
from mssync.study.tables import legend, scale, wide

study = Study(profile, results, corpus, seeds, device=device)
sources = listed_folders(others)
if not sources:
    raise ValueError("table4: others names no run whose generators could be brought here")

# %% [markdown]
# Which runs may lend their generators, and why others may not:

# %%
runs = {}
missing = {}
for folder in sources:
    run = finished_run(folder)
    name = run.title
    if name in runs or name in missing:
        name = f"{name}, {folder.resolve().name}"
    if why := left_out(run, study):
        missing[name] = why
    else:
        runs[name] = run
for name, why in missing.items():
    print(f"left out: {name}: {why}")
print("in the table:", ", ".join(runs) or "nobody")

# %% [markdown]
# Their motion for the test clips, judged:

# %%
scores, refused = elsewhere_scores(study, runs)
table = elsewhere_table(scores)
study.table(table.assign(source="this run", data=study.title), "table4.csv")
gone = pd.DataFrame(list((missing | refused).items()), columns=["what", "why"])
study.table(gone, "table4_left_out.csv")

# %%
blocks = [f"# Table 4: on {study.title}, {study.lengths['sync']} frames\n\n{legend(table)}"]
said = dict(overlap="scored on the overlap", padded="zero-padded")
for (scoring, metric), rows in table.groupby(["scoring", "metric"], sort=False):
    blocks.append(f"## {metric}, {said[scoring]}\n\n{markdown(wide(rows, 'level', scale))}")
if len(gone):
    blocks.append("## Left out\n\n" + "\n".join(f"- {r.what}: {r.why}" for r in gone.itertuples()))
study.text("\n\n".join(blocks) + "\n", "table4.md")
shown = table[table.scoring == "overlap"]
shown.pivot(index="method", columns=["metric", "level"], values="mean").round(2)
