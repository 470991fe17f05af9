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
# > Figures 1 and 2 of this run's networks, Tables 1 to 5 with the paper's figures beside ours, and a report in one file
#
# Nothing is measured here: the tables and pictures of the run are put together in `tables.md` and in
# `report.html`, which holds everything that it shows ([75_paper](../study/75_paper.ipynb),
# [71_page](../study/71_page.ipynb)).

# %% tags=["parameters"]
profile: str = "smoke"  # name of a file in workflow/profiles, or a path to one
results: str = "../../results/smoke"  # folder of a run whose report (06_report) is there
corpus: str = ""  # folder of an ingested corpus; empty: simulate one
seeds: str = ""  # 0,1,2: which have been trained; empty: those of the profile
device: str = "cpu"  # cpu, cuda, cuda:1, ...
transfer: bool = False  # the run has tested generators of others (10_transfer)
table4: bool = False  # and those that may stand in Table 4 (14_table4)
# show what 06_report has drawn of the people of a given corpus (Figure 4, videos); leave that out
# of what you publish
draw_people: bool = False

# %%
import json

from IPython.display import Image

from mssync.model.discriminators import Discriminators
from mssync.model.generator import Generator
from mssync.model.syncer import SyncerPyramid
from mssync.model.weights import load_model
from mssync.study.diagrams import count, figure1, figure2, parameters
from mssync.study.paper import paper_tables, report, tables_text
from mssync.study.profiles import gan_configs
from mssync.study.run import Study

study = Study(profile, results, corpus, seeds, device=device)
record = json.loads((study.results / "run.json").read_text())

# %% [markdown]
# ## Figures 1 and 2
#
# Drawn from the networks of the first seed, for the length that they were trained on; the
# discriminators, which are not kept after training, from the profile. 64 (5) in a box are five blocks
# of that width.

# %%
variant = next(iter(study.full or study.labels))
label = study.labels[variant]
T = study.lengths["train"][variant]
first = study.at(study.seeds[0])
syncers: SyncerPyramid = load_model(first.folder / "syncers_loss.safetensors", device)
G: Generator = load_model(first.folder / f"generator_{variant}.safetensors", device)
D = Discriminators(gan_configs(study.settings, variant)[1]).to(device)
for n, fig in ((1, figure1(syncers, T)), (2, figure2(G, D, T))):
    study.figure(fig, f"figure{n}.png", 100)
    display(Image(str(study.results / f"figure{n}.png")))

# %% [markdown]
# ## Tables 1 to 5
#
# As in the paper, one row a method; under the paper's row stands ours where this run has one, and
# `where from` says which is which. Systems that are not built here, and corpora that this run has not
# seen, have the paper's row alone. Only the order of methods can be compared between the paper's rows
# and ours: other data, other syncers, other units.

# %%
tables = paper_tables(study, table4)
study.text(tables_text(tables), "tables.md")
display(*tables[0].parts.values(), next(iter(tables[2].parts.values())))

# %% [markdown]
# ## The page
#
# What the run was stands first: whoever reads the numbers must be able to make them again.

# %%
networks = (
    f"{label}: {count(parameters(G))} parameters, discriminators {count(parameters(D))}, "
    f"syncers of the loss {count(parameters(syncers))}"
)
page = report(study, record, tables, networks, label, T + 1, transfer, draw_people)
size = page.write(study.results / "report.html").stat().st_size
filled = ", ".join(title for title, parts in page.sections if parts)
print(f"report.html: {size / 1e6:.1f} MB, sections: {filled}")
