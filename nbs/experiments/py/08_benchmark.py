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
# # How fast
#
# > Training steps and generation beside a plain version of the equations, and beside the least that the machine could take
#
# One run, the same inputs, in turns; what counts are the ratios (notebook 72_bench says how they are
# formed, and has the code of all that is raced here).
#
# - `ours` is the library as it is;
# - `plain` is the equations read literally, one sample, frame, branch and window after the other;
# - `batched` is what one would ordinarily write with torch, the whole batch at once in loops over
#   frames, branches and windows;
# - `floor` is the least that the machine could take: the arithmetic at its measured peak or the
#   weights at its measured rate of reading, whichever takes longer.
#
# Where torch has two libraries for products, the peak is the faster one's; the ratio to the floor by
# torch's ordinary product, which most programs are bound to, stands beside it. `make bench` runs this
# on an idle machine; a busy one makes the floor look nearer or farther than it is.

# %% tags=["parameters"]
results: str = "../../results/bench"  # folder that everything goes to
batch: int = 32  # of the GAN step
crops: int = 128  # of the syncer step (the paper profile's batch)
frames: int = 40  # T of the training steps
sequence: int = 200  # frames of one generated sequence
many: int = 64  # sequences of the large batch
many_frames: int = 80  # their frames
hour: int = 3600  # seconds of sound that are streamed
rounds: int = 3  # in which candidates take turns
scored: int = 8  # clips of 80 frames whose synchrony is scored in turns
measured: int = 500  # clips of 80 frames that all metrics are taken of
tiny: bool = False  # small networks: a test of this notebook, no benchmark

# %%
import json
import time
from dataclasses import replace
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from torch import nn

from mssync.data.audio import COLUMNS, D
from mssync.data.landmarks import L, ShapeSpace, neutral_face, pose_proxies
from mssync.metrics.dynamics import dynamics_table, residual_curve
from mssync.metrics.frechet import (
    FrameAxes,
    MotionConfig,
    MotionEncoder,
    frechet_features,
    frechet_interval,
)
from mssync.metrics.heads import heads_table, spectrum_distance
from mssync.metrics.images import (
    I3DFeatures,
    InceptionFeatures,
    i3d_like,
    inception_like,
    seconds_per_frame,
)
from mssync.metrics.lips import lips_table
from mssync.metrics.raster import pictures
from mssync.metrics.synchrony import MultiScaleSync
from mssync.model import fast
from mssync.model.discriminators import DiscriminatorConfig
from mssync.model.fast import Reused, dense
from mssync.model.generator import AudioPyramid, Generator, GeneratorConfig
from mssync.model.layers import Axes
from mssync.model.syncer import SyncerConfig
from mssync.study.bench import (
    GANBench,
    GenerationBench,
    Machine,
    SyncBench,
    SyncerBench,
    benchmark_figure,
    beside_floor,
    floor,
    matrix_flops,
    ordinary_products,
    race,
    race_generation,
    ratio,
    readable,
    stream_sound,
    weight_bytes,
)
from mssync.study.notebooks import run_record
from mssync.study.outputs import write_figure, write_table, write_text

plt.style.use("mssync.style")
results = Path(results)

# %%
shape = GeneratorConfig()
disc = DiscriminatorConfig()
syncer = SyncerConfig()
if tiny:
    shape = GeneratorConfig(
        (16, 16), hidden=8, audio_widths=(4, 4, 4, 4), branch_widths=(16,), expansion=1
    )
    disc = DiscriminatorConfig((16,), (16,), 8, expansion=1)
    syncer = SyncerConfig((16, 16), (8, 8), 8, stages=False, expansion=1)

machine = Machine.measured(256 if tiny else 1536)
rows = []  # of the table, one a task and version


def note(task, times, flops, weights, wanted):
    "Rows of a race, beside the floor."
    least, slower = (floor(flops, weights, p, machine.rate) for p in (machine.best, machine.torch))
    floors = [least] * rounds
    floors_torch = [slower] * rounds
    new = beside_floor(task, times, floors, floors_torch, flops, weights, wanted)
    rows.extend(new)
    return pd.DataFrame(new).round(3)


print(
    f"GFLOP/s in large products: {machine.torch / 1e9:.0f} by torch's ordinary product, "
    f"{machine.onednn / 1e9:.0f} by oneDNN; {machine.rate / 1e9:.0f} GB/s from memory; "
    f"{torch.get_num_threads()} threads"
)

# %% [markdown]
# ## A training step of the GAN
#
# Both updates, discriminators and generator, with their optimisers.

# %%
gan = GANBench(batch, frames, shape, disc, syncer)
candidates = dict(ours=gan.ours, batched=lambda: gan.plain(batch), plain=gan.plain)
times = race(candidates, rounds, slow=("plain", "batched"))
note(
    f"GAN step, batch {batch}, T={frames}",
    times,
    flops=matrix_flops(gan.ours),
    weights=gan.weights,
    wanted="plain at least 3, floor at most 2.5",
)

# %% [markdown]
# ## A training step of the syncers

# %%
syncers = SyncerBench(crops, frames, syncer)
candidates = dict(ours=syncers.ours, batched=lambda: syncers.plain(0), plain=syncers.plain)
times = race(candidates, rounds, slow=("plain",))
note(
    f"syncer step, batch {crops}, T={frames}",
    times,
    flops=matrix_flops(syncers.ours),
    weights=syncers.weights,
    wanted="plain at least 3, floor at most 2",
)

# %% [markdown]
# ## Generation
#
# The weights are readied once (`Generator.loop`), as for a server or a test set; `from cold` readies
# them for this sequence alone. In bfloat16 the same weights are half the bytes; the floor stays that
# of float32.

# %%
G = Generator(shape).eval()
for n, T, wanted in ((1, sequence, "floor at most 1.5"), (many, many_frames, "floor at most 2")):
    generation = GenerationBench(G, n, T)
    times, floors, floors_torch = race_generation(generation, rounds, machine)
    task = f"generation, batch {n}, {T} frames"
    work = (generation.flops, weight_bytes(G), wanted)
    rows += beside_floor(task, times, floors, floors_torch, *work)
pd.DataFrame(rows[-6:]).round(3)

# %% [markdown]
# ## Linear in frames and in sequences
#
# Time a frame, over that of the longest (largest) run: 1 everywhere would be exactly linear; short
# runs pay for what is done once.

# %%
with torch.no_grad():
    loop = G.loop()


def seconds(n, T):
    "The least of several runs of n sequences of T frames."
    x0 = torch.randn(n, L, 2)
    a = torch.randn(n, COLUMNS * (T + 1), D)
    with torch.no_grad():
        return min(race({"": lambda: G(x0, a, loop=loop)}, rounds)[""])


grow = dict(
    frames={T: seconds(1, T) / T for T in (50, 100, 200, 400, 800)},
    sequences={n: seconds(n, frames) / n for n in (16, 32, 64, 128)},
)
linear = []
for of, each in grow.items():
    largest = list(each.values())[-1]
    for number, t in each.items():
        linear.append({"of": of, "number": number, "time each over the largest": t / largest})
linear = pd.DataFrame(linear)
linear.round(3)

# %% [markdown]
# ## An hour of sound, streamed
#
# The memory that the process holds while it turns an hour of sound into motion, two seconds at a
# time.

# %%
streamed = stream_sound(G, hour)
faster = hour / streamed["seconds"]
print(f"{streamed['frames']} frames; {streamed['columns']} columns of sound kept;")
print(f"memory grew by {streamed['grown']:.1f} MB of {streamed['early']:.0f} MB")
print(f"after the first twelfth; {faster:.1f} times as fast as the sound")

# %% [markdown]
# ## Metrics
#
# Synchrony of some clips at four levels, beside SyncNet's way of scoring (20 windows at a time) and
# beside one window after the other.

# %%
sync = SyncBench(scored, 80, replace(syncer, normalised=False))
candidates = {
    "ours": sync.ours,
    "plain, 20 windows at a time": sync.plain,
    "plain": lambda: sync.plain(1),
}
times = race(candidates, rounds, slow=("plain",))
note(
    f"AV-Off and AV-Conf, {scored} clips of 80 frames",
    times,
    flops=matrix_flops(sync.ours),
    weights=sync.weights,
    wanted="plain at least 10",
)

# %% [markdown]
# All metrics that need no pictures, of one method on the whole test set (faces that wander and talk
# at random; syncers of the paper's size, encoders of the `paper` profile's), each timed once; the
# networks are there already.

# %%
rng = np.random.default_rng(0)


def wander(n, T=80):  # (n, T + 1, 68, 2) normalised
    "Faces that drift and deform at random, and open their mouths."
    points = 0.01 * rng.normal(size=(n, 1, L, 2)).cumsum(1)
    head = 0.01 * rng.normal(size=(n, T + 1, 1, 2)).cumsum(1)
    t = neutral_face()[:, :2] / 1.1 + points + head
    t[:, :, 48:, 1] += (np.arange(20) < 10) * 0.02 * rng.normal(size=(n, T + 1, 1)).cumsum(1)
    return t.astype(np.float32)


real = wander(measured)
made = wander(measured)
loud = -30 + 15 * rng.normal(size=(measured, COLUMNS * 81)).cumsum(1) / 10
sound = torch.randn(measured, COLUMNS * 81, D)
x_real = torch.from_numpy(real)
x_made = torch.from_numpy(made)

# %%
axes = FrameAxes(
    Axes.fit(x_real[:, 1:], floor=0.01),
    Axes.fit(x_real.diff(dim=1), centre=False, floor=0.01),
    pose_proxies(real[:64]).std((0, 1)),
)
size = {} if tiny else dict(dim=64, width=128)
encoders = {n: MotionEncoder(MotionConfig(n, **size)).eval() for n in (40, 80)}
for e in encoders.values():
    e.fit_inputs(x_real[:64, 1:])
space = ShapeSpace.fit(real[:64, ::8])


def synchrony():
    m = MultiScaleSync(sync.syncers)
    m.update(x_made[:, 1:], sound[:, COLUMNS:])
    m.summary()


def distances():
    f = frechet_features(x_made, axes, encoders)
    g = frechet_features(x_real, axes, encoders)
    for k in f:
        frechet_interval(f[k], g[k])


parts = {
    "AV-Off, AV-Conf at four levels": synchrony,
    "FFD, FD_velocity, FD_pose, FMD_40, FMD_80 with bias and interval": distances,
    "speeds, amplitudes, jitter, residuals": lambda: dynamics_table(made, real, space),
    "residual frame by frame": lambda: residual_curve(made, real, space),
    "LMD, lip errors, silent lips": lambda: lips_table(made, real, loud),
    "beats, upper face": lambda: heads_table(made, real, loud),
    "spectrum distance": lambda: spectrum_distance(made, real),
    "drawing 224 x 224": lambda: sum(1 for _ in pictures(made[:, 1:])),
}
took = {k: race({"": f}, 1)[""][0] for k, f in parts.items()}
total = sum(v for k, v in took.items() if not k.startswith("drawing"))

# %% [markdown]
# What the pictures of FID, FVD and t-FID cost is given a frame: drawing, and the two networks in
# their true architectures with random weights.

# %%
width = [0.125] if tiny else []
networks = dict(
    inception=InceptionFeatures(inception_like(*width), progress=False),
    i3d=I3DFeatures(i3d_like(*width), progress=False),
)
metrics = [dict(what=k, seconds=v) for k, v in took.items()]
metrics += [dict(what="all but drawing (wanted: under 60 s for 500 clips)", seconds=total)]
for k, v in seconds_per_frame(networks).items():
    metrics += [dict(what=f"one frame: {k}", seconds=v)]
metrics = pd.DataFrame(metrics)
metrics.round(4)

# %% [markdown]
# ## What was tried
#
# Each idea beside what it replaces, forward and backward where it is used in training, on the shapes
# of the step above. `time over ours` is what the other way costs.

# %%
tried = []


def against(idea, other, ours, theirs):
    "One idea beside what it replaces."
    times = race({"ours": ours, "other": theirs}, rounds)
    middle, least, most = ratio(times, "other", "ours")
    row = {"idea": idea, "instead of": other, "time over ours": middle}
    tried.append(row | {"least": least, "most": most})


def other_library():
    with ordinary_products():
        gan.ours()


if fast.ONEDNN:
    idea, other = "products by oneDNN (the whole GAN step)", "torch's ordinary product"
    against(idea, other, gan.ours, other_library)

# %% [markdown]
# *The roll-out.* The weights' gradients are summed over all frames in one product.

# %%
train = Generator(shape)
x0 = torch.randn(batch, L, 2)
a = torch.randn(batch, COLUMNS * (frames + 1), D)
state = train.start(batch)


def grads(loop):
    "A roll-out, forward and backward."
    train.zero_grad()
    train(x0, a, state=state, loop=loop).square().sum().backward()


against(
    "weights' gradients in one product after the loop",
    "a product and a sum at every step",
    lambda: grads(train.loop()),
    lambda: grads(train.loop()._replace(linear=dense)),
)

# %% [markdown]
# *The first block.* What the audio contributes to it is known for all frames beforehand.

# %%
levels = torch.randn(train.branches, batch * frames, shape.audio_widths[-1])
u = torch.randn(frames, batch, train.first.c_u)


def outside():
    fold = train.first.fold()
    linear = Reused().linear
    parts = train.first.outside(levels, fold).unflatten(1, (frames, batch)).transpose(0, 1)
    steps = zip(u, parts.unbind(0))
    sum(train.first.inside(u_t, p, fold, linear).sum() for u_t, p in steps).backward()


def inside():
    linear = Reused().linear
    total = 0.0
    for u_t, p in zip(u, levels.unflatten(1, (frames, batch)).unbind(1)):
        both = torch.cat([u_t.expand(train.branches, -1, -1), p], -1)
        total = total + train.first(both, linear).sum()
    total.backward()


against(
    "the audio's part of the first block outside of the loop",
    "the block on the concatenation at every step",
    outside,
    inside,
)


# %% [markdown]
# *Convolutions and recurrent windows.*

# %%
def convolution(picture):
    "The audio pyramid, with convolutions on pictures of height 1 or on sequences."
    pyramid = AudioPyramid(shape.audio_widths)

    def on_sequences(m):
        def convolve(x):
            c = m.depthwise
            more = (c.bias, c.stride, m.pad[0])
            y = F.conv1d(x.transpose(1, 2), c.weight, *more, groups=len(c.weight))
            return y.transpose(1, 2)

        return convolve

    if not picture:
        for m in pyramid.modules():
            if hasattr(m, "_convolve"):
                m._convolve = on_sequences(m)
    return lambda: sum(level.sum() for level in pyramid(a)).backward()


against(
    "depthwise convolutions as pictures of height 1 (audio pyramid)",
    "as sequences",
    convolution(True),
    convolution(False),
)

# %%
judge = gan.gan.D.D_s
real = gan.real.clone().requires_grad_()
lstm = nn.LSTM(judge.lstm.weight_x.shape[1], judge.lstm.hidden, batch_first=True)


def calls():
    h = judge.body(judge.axes_x(real.flatten(2)))
    total = 0.0
    for w in judge.windows:
        if w <= h.shape[1]:
            windows = h.unfold(1, w, max(w // 2, 1)).transpose(2, 3).flatten(0, 1)
            last = lstm(windows)[1][0][0]
            total = total + judge.head(last).mean()
    total.backward()


against(
    "windows of all lengths side by side, the inputs' product once a frame",
    "a call of torch's LSTM for every length",
    lambda: judge(real).mean().backward(),
    calls,
)


# %% [markdown]
# *The step.* One pass of the generator serves both updates; and the roll-out stays in float32.

# %%
def forward():
    train(x0, a, state=state).sum().detach()


step = min(race({"": gan.ours}, rounds)[""])
once_more = min(race({"": forward}, rounds)[""])
row = {"idea": "one pass of the generator for both steps", "instead of": "two passes"}
row |= {"time over ours": 1 + once_more / step, "least": float("nan"), "most": float("nan")}
tried.append(row)


def low_precision():
    with torch.autocast("cpu", torch.bfloat16):
        loss = train(x0, a, state=state).float().square().sum()
    train.zero_grad()
    loss.backward()


against(
    "float32 roll-out in training",
    "bfloat16 by autocast",
    lambda: grads(train.loop()),
    low_precision,
)
pd.DataFrame(tried).round(2)

# %% [markdown]
# torch.compile on the loop's step (it needs a C++ compiler; its own time is not counted):

# %%
try:
    start = time.perf_counter()
    compiled = Generator(shape).eval()
    compiled.load_state_dict(G.state_dict())
    compiled.compile_step(**(dict(backend="aot_eager") if tiny else {}))
    x1 = torch.randn(1, L, 2)
    a1 = torch.randn(1, COLUMNS * (sequence + 1), D)
    with torch.no_grad():
        theirs = compiled.loop()
        compiled(x1, a1, loop=theirs)
        print(f"compiled in {time.perf_counter() - start:.0f} s")
        against(
            "the step as it is, batch 1",
            "compiled by torch.compile (default options)",
            lambda: G(x1, a1, loop=loop),
            lambda: compiled(x1, a1, loop=theirs),
        )
except Exception as e:
    print("skipped, no compiler that torch can use:", type(e).__name__)
tried = pd.DataFrame(tried)
tried.round(2)

# %% [markdown]
# ## Result

# %%
table = pd.DataFrame(rows)
text = readable(table)
tables = dict(
    benchmark=(table, text),
    metrics=(metrics, readable(metrics, ".3g")),
    tried=(tried, readable(tried)),
)
numbers = linear.assign(number=linear.number.astype(str))  # whole numbers stay whole
tables["linear"] = (linear, readable(numbers))
for name, (exact, rounded) in tables.items():
    write_table(rounded, results / f"{name}.md")
    write_table(exact, results / f"{name}.csv")

settings = dict(
    name="bench",
    batch=batch,
    crops=crops,
    frames=frames,
    sequence=sequence,
    many=many,
    many_frames=many_frames,
    hour=hour,
    rounds=rounds,
    tiny=tiny,
)
at_the_end = streamed["early"] + streamed["grown"]
record = run_record(
    settings,
    [0],
    gflops={k: round(getattr(machine, k) / 1e9) for k in ("torch", "onednn", "best")},
    read_gb_s=round(machine.rate / 1e9),
    memory_mb=dict(after_a_twelfth=round(streamed["early"]), at_the_end=round(at_the_end)),
    streamed_frames=streamed["frames"],
    streamed_faster_than_sound=round(faster, 1),
)
write_text(json.dumps(record, indent=1) + "\n", results / "bench.json")
text

# %%
write_figure(benchmark_figure(table, linear), results / "benchmark.png")
