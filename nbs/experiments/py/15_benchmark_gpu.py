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
# # How fast on a GPU
#
# > Training steps and generation: eager, as one graph and compiled, beside the least that the card could take

# %% [markdown]
# One run, one card, the same work in every version; what counts are the ratios (notebook 72b_gpu has
# the code of all that is raced here). `make bench DEVICE=cuda` runs this. Where there is no such
# device the notebook says so and writes nothing.
#
# - `eager`: the library without graphs, kernel by kernel;
# - `captured`: as it trains, a step recorded once and replayed;
# - `compiled`: the step by torch.compile, where that can take it;
# - the *floor*: the arithmetic at the card's measured rate in the same precision, or the weights at
#   its measured rate of reading.

# %% tags=["parameters"]
results: str = "../../results/bench_gpu"  # folder that everything goes to
device: str = "cuda"  # cuda, cuda:1, ...; cpu is for a test of this notebook
batch: int = 128  # of the GAN step
crops: int = 128  # of the syncer step
lengths: str = "40,80"  # T of the GAN steps
precisions: str = "float32,tf32,bf16"  # of the training steps
many: int = 512  # sequences at once
frames: int = 200  # of a generated sequence
runs: int = 5  # timed
calls: int = 10  # of each run
tiny: bool = False  # small networks: a test of this notebook, no benchmark

# %%
import json
import tempfile
from pathlib import Path

import pandas as pd
import torch

from mssync.data.packed import Packed
from mssync.model.discriminators import DiscriminatorConfig
from mssync.model.generator import GeneratorConfig
from mssync.model.syncer import SyncerConfig, SyncerPyramid
from mssync.simulate.clips import simulate_corpus
from mssync.study.bench import readable
from mssync.study.gpu import Card, gan_task, generation_task, raced, score_task, syncer_task
from mssync.study.notebooks import run_record
from mssync.study.outputs import write_table, write_text
from mssync.training.gan import GANTraining
from mssync.training.syncers import SyncerTraining

results = Path(results)
there = device == "cpu" or torch.cuda.is_available()
print("" if there else f"left out: there is no device {device!r} here")

# %%
shape = GeneratorConfig()
disc = DiscriminatorConfig()
judge = SyncerConfig()
if tiny:
    shape = GeneratorConfig((16,), hidden=8, audio_widths=(4, 4, 4, 4), branch_widths=(16,))
    disc = DiscriminatorConfig((16,), (16,), 8, expansion=1)
    judge = SyncerConfig((16,), (8,), 8, stages=False, expansion=1)

folder = Path(tempfile.mkdtemp()) / "corpus"
if there:
    sizes = dict(clips=16, speakers=8) if tiny else dict(clips=64, speakers=32)
    simulate_corpus(folder, **sizes, seconds=4 if tiny else 8.6, progress=False)
    packed = Packed(folder, "train", device=device)
    syncers = SyncerPyramid(judge).to(device)


# %% [markdown]
# ## Training steps
#
# Of the paper's networks and batch: the adversarial step at each length, the teacher-forced one, and
# the syncers'.

# %%
def training_tasks(precision: str):
    "The steps in a precision."
    for T in map(int, lengths.split(",")):
        cfg = GANTraining(frames=T, batch=batch, precision=precision)
        yield gan_task(packed, syncers, shape, disc, cfg)
    cfg = GANTraining(teacher_steps=1, teacher_batch=batch, precision=precision)
    yield gan_task(packed, syncers, shape, disc, cfg, teach=True)
    how = SyncerTraining(batch=crops, precision=precision)
    yield syncer_task(packed, judge, how)


cards, tables = [], []
products = dict(n=256, size=2**20) if tiny else {}
for precision in precisions.split(",") if there else ():
    card = Card.measured(device, precision, **products)
    cards.append(card)
    for task in training_tasks(precision):
        tables.append(raced(task, card, runs, calls))

# %% [markdown]
# ## Generation and synchrony
#
# One sequence, and many at once; AV-Off and AV-Conf of as many clips of 80 frames.

# %%
if there:
    card = Card.measured(device, "float32", **products)
    on_gpu = device != "cpu"
    rest = [generation_task(shape, n, frames, device, compiled=on_gpu) for n in (1, many)]
    rest.append(score_task(judge, many, 80, device))
    tables += [raced(task, card, runs, max(1, calls // 5)) for task in rest]

# %% [markdown]
# ## Result

# %%
if there:
    table = pd.concat(tables, ignore_index=True)
    write_table(table, results / "benchmark.csv")
    write_table(readable(table), results / "benchmark.md")
    settings = dict(name="bench_gpu", batch=batch, crops=crops, many=many, frames=frames)
    settings |= dict(lengths=lengths, precisions=precisions, runs=runs, calls=calls, tiny=tiny)
    rates = [dict(precision=c.precision, tflops=c.flops / 1e12, gb_s=c.rate / 1e9) for c in cards]
    record = run_record(settings, [0], card=cards[0].name, rates=rates)
    write_text(json.dumps(record, indent=1) + "\n", results / "bench.json")
    print(readable(table).to_string())

# %% [markdown]
# The goals on an H100 or H200: at most 60 ms (T=40) and 120 ms (T=80) for the captured GAN step, at
# least five times as fast as eager in the same run; 5,000 frames a second for one sequence and a
# million for many.
