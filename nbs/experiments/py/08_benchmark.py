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
# One run, the same inputs, in turns; what counts are the ratios (notebook 72_bench says how they are formed). `plain` is the equations read literally, one sample, frame, branch and window after the other; `batched` is what one would ordinarily write with torch, the whole batch at once in
# loops over frames, branches and windows; `floor` is the larger of the arithmetic at the machine's measured peak and the weights at its measured rate of reading. Where torch has two libraries for products, the peak is the faster one's; the ratio to the floor by torch's ordinary product, which most programs are bound to, stands beside it. `make bench` runs this on an idle machine; a busy one makes the floor look nearer or farther than it is.

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
from mssync.model.stream import Stream
from mssync.model.syncer import SyncerConfig
from mssync.study.bench import (
    GANBench,
    SyncBench,
    SyncerBench,
    floor,
    matrix_flops,
    ordinary_products,
    peak_flops,
    race,
    ratio,
    read_rate,
    resident_memory,
    weight_bytes,
)
from mssync.study.notebooks import run_record
from mssync.study.outputs import write_figure, write_table, write_text

results = Path(results)
shape, disc, syncer = GeneratorConfig(), DiscriminatorConfig(), SyncerConfig()
if tiny:
    shape, disc, syncer = (
        GeneratorConfig(
            (16, 16), hidden=8, audio_widths=(4, 4, 4, 4), branch_widths=(16,), expansion=1
        ),
        DiscriminatorConfig((16,), (16,), 8, expansion=1),
        SyncerConfig((16, 16), (8, 8), 8, stages=False, expansion=1),
    )
products = {
    library: peak_flops(256 if tiny else 1536, library) for library in ("torch", "onednn", "best")
}
peak, rate = products["best"], read_rate()
rows = []


def note(task, what, times, flops, weights, wanted):
    "One row for every candidate of a race, beside the floor."
    least = floor(flops, weights, peak, rate)
    for name in times:
        r = ratio(times, name, what)
        near = [t / least for t in times[name]]
        rows.append(
            {
                "task": task,
                "version": name,
                "time over ours": r[0],
                "least": r[1],
                "most": r[2],
                "time over floor": np.median(near),
                "nearest": min(near),
                "farthest": max(near),
                "over floor by torch's product": np.median(
                    [t / floor(flops, weights, products["torch"], rate) for t in times[name]]
                ),
                "GFLOP": flops / 1e9 if name == what else float("nan"),
                "MB of weights": weights / 1e6 if name == what else float("nan"),
                "wanted": wanted if name == what else "",
            }
        )
    return pd.DataFrame([r for r in rows if r["task"] == task]).round(3)


print(
    f"GFLOP/s in large products: {products['torch'] / 1e9:.0f} by torch's ordinary product, {products['onednn'] / 1e9:.0f} by oneDNN; {rate / 1e9:.0f} GB/s from memory; {torch.get_num_threads()} threads"
)

# %% [markdown]
# ## A training step of the GAN
#
# Both steps, discriminators and generator, with their optimisers.

# %%
gan = GANBench(batch, frames, shape, disc, syncer)
times = race(
    dict(ours=gan.ours, batched=lambda: gan.plain(batch), plain=gan.plain),
    rounds,
    slow=("plain", "batched"),
)
note(
    f"GAN step, batch {batch}, T={frames}",
    "ours",
    times,
    flops=matrix_flops(gan.ours),
    weights=gan.weights,
    wanted="plain at least 3, floor at most 2.5",
)

# %% [markdown]
# ## A training step of the syncers

# %%
syncers = SyncerBench(crops, frames, syncer)
times = race(
    dict(ours=syncers.ours, batched=lambda: syncers.plain(0), plain=syncers.plain),
    rounds,
    slow=("plain",),
)
note(
    f"syncer step, batch {crops}, T={frames}",
    "ours",
    times,
    flops=matrix_flops(syncers.ours),
    weights=syncers.weights,
    wanted="plain at least 3, floor at most 2",
)

# %% [markdown]
# ## Generation
#
# The weights are readied once (`Generator.loop`), as for a server or a test set; `from cold` readies them for this sequence alone. The floor of a frame is the time to read the loop's weights from memory, or its products at the peak, whichever takes longer, and
# that of the audio's part the same for the whole sequence. The rate of memory changes from second to second on a shared machine, so reading the weights takes its turn in every round. In bfloat16 the same weights are half the bytes; the floor stays that of float32.

# %%
G = Generator(shape).eval()
loop_weights = (
    weight_bytes(G.stem, G.encode, G.temporal, G.trunk, G.head, G.first.project)
    + 4 * G.first.fold().matrix.numel()
)


def generation(n, T):
    x0, a = torch.randn(n, L, 2), torch.randn(n, COLUMNS * (T + 1), D)
    with torch.no_grad():
        state, loop = G.start(n, torch.Generator().manual_seed(0)), G.loop()
        f = G.audio_features(a, loop)
        outside, inside = (
            matrix_flops(lambda: G.audio_features(a, loop)),
            matrix_flops(lambda: G.step(x0.flatten(1), f[1], state, loop)),
        )
        with torch.autocast("cpu", torch.bfloat16):
            low = G.loop()
            first = G(x0, a, state=state, loop=low)
    off = (first - G(x0, a, state=state, loop=loop).detach()).norm() / (first - x0[:, None]).norm()

    def run(loop=None, low=False):
        with torch.no_grad(), torch.autocast("cpu", torch.bfloat16, enabled=low):
            return G(x0, a, state=state, loop=loop)

    weights = torch.ones(2**29 // 4).split(loop_weights // 4)

    def read():
        for t in range(T):
            weights[t % (len(weights) - 1)].sum()

    times = race(
        {
            "ours": lambda: run(loop),
            "from cold": run,
            f"bfloat16, off by {off:.1%}": lambda: run(low, True),
            "reading": read,
        },
        rounds,
    )
    reading = times.pop("reading")
    least = [
        max(t, T * inside / peak) + floor(outside, weight_bytes(G) - loop_weights, peak, rate)
        for t in reading
    ]
    slower = [
        max(t, T * inside / products["torch"])
        + floor(outside, weight_bytes(G) - loop_weights, products["torch"], rate)
        for t in reading
    ]
    return times, least, slower, inside * T + outside


for n, T, wanted in ((1, sequence, "floor at most 1.5"), (many, many_frames, "floor at most 2")):
    times, least, slower, flops = generation(n, T)
    for name, t in times.items():
        r, near = ratio(times, name, "ours"), [v / w for v, w in zip(t, least)]
        rows.append(
            {
                "task": f"generation, batch {n}, {T} frames",
                "version": name,
                "time over ours": r[0],
                "least": r[1],
                "most": r[2],
                "time over floor": np.median(near),
                "nearest": min(near),
                "farthest": max(near),
                "over floor by torch's product": np.median([v / w for v, w in zip(t, slower)]),
                "GFLOP": flops / 1e9 if name == "ours" else float("nan"),
                "MB of weights": weight_bytes(G) / 1e6 if name == "ours" else float("nan"),
                "wanted": wanted if name == "ours" else "",
            }
        )
pd.DataFrame(rows[-6:]).round(3)

# %% [markdown]
# ## Linear in frames and in sequences
#
# Time a frame, over that of the longest (largest) run: 1 everywhere would be exactly linear; short runs pay for what is done once.

# %%
with torch.no_grad():
    loop = G.loop()

    def once(n, T):
        return lambda x0=torch.randn(n, L, 2), a=torch.randn(n, COLUMNS * (T + 1), D): G(
            x0, a, loop=loop
        )

    grow = dict(
        frames={T: min(race({"": once(1, T)}, rounds)[""]) / T for T in (50, 100, 200, 400, 800)},
        sequences={n: min(race({"": once(n, frames)}, rounds)[""]) / n for n in (16, 32, 64, 128)},
    )
linear = pd.DataFrame(
    [
        {"of": k, "number": n, "time each over the largest": t / list(v.values())[-1]}
        for k, v in grow.items()
        for n, t in v.items()
    ]
)
linear.round(3)

# %% [markdown]
# ## An hour of sound, streamed
#
# The memory that the process holds while it turns an hour of sound into motion, two seconds at a time.

# %%
stream = Stream(G, torch.randn(1, L, 2), block=50)
start = time.perf_counter()
for k in range(hour // 2):
    stream.push(torch.randn(1, COLUMNS * 50, D))
    if k == max(0, hour // 2 // 12 - 1):
        early = resident_memory()
streamed = time.perf_counter() - start
grown = resident_memory() - early
print(
    f"{stream.next} frames; {stream.a.shape[1]} columns of sound kept; memory grew by {grown:.1f} MB of {early:.0f} MB after the first twelfth; {hour / streamed:.1f} times as fast as the sound"
)

# %% [markdown]
# ## Metrics
#
# Synchrony of some clips at four levels, beside SyncNet's way of scoring (20 windows at a time) and beside one window after the other.

# %%
sync = SyncBench(scored, 80, replace(syncer, normalised=False))
times = race(
    {"ours": sync.ours, "plain, 20 windows at a time": sync.plain, "plain": lambda: sync.plain(1)},
    rounds,
    slow=("plain",),
)
note(
    f"AV-Off and AV-Conf, {scored} clips of 80 frames",
    "ours",
    times,
    flops=matrix_flops(sync.ours),
    weights=sync.weights,
    wanted="plain at least 10",
)

# %% [markdown]
# All metrics that need no pictures, of one method on the whole test set (faces that wander and talk at random; syncers of the paper's size, encoders of the `paper` profile's), each timed once; the networks are there already. What the pictures of FID, FVD and t-FID cost is given a frame: drawing, and the two networks in their true architectures with
# random weights.

# %%
rng = np.random.default_rng(0)


def wander(n, T=80):  # (n, T + 1, 68, 2) normalised
    t = (
        neutral_face()[:, :2] / 1.1
        + 0.01 * rng.normal(size=(n, 1, L, 2)).cumsum(1)
        + 0.01 * rng.normal(size=(n, T + 1, 1, 2)).cumsum(1)
    )
    t[:, :, 48:, 1] += (np.arange(20) < 10) * 0.02 * rng.normal(size=(n, T + 1, 1)).cumsum(1)
    return t.astype(np.float32)


real, made = wander(measured), wander(measured)
loud = -30 + 15 * rng.normal(size=(measured, COLUMNS * 81)).cumsum(1) / 10
heard = torch.randn(measured, COLUMNS * 81, D)
x_real, x_made = torch.from_numpy(real), torch.from_numpy(made)
axes = FrameAxes(
    Axes.fit(x_real[:, 1:], floor=0.01),
    Axes.fit(x_real.diff(dim=1), centre=False, floor=0.01),
    pose_proxies(real[:64]).std((0, 1)),
)
encoders = {
    n: MotionEncoder(MotionConfig(n, **({} if tiny else dict(dim=64, width=128)))).eval()
    for n in (40, 80)
}
for e in encoders.values():
    e.fit_inputs(x_real[:64, 1:])
space = ShapeSpace.fit(real[:64, ::8])


def synchrony():
    m = MultiScaleSync(sync.syncers)
    m.update(x_made[:, 1:], heard[:, COLUMNS:])
    m.summary()


def distances():
    f, g = frechet_features(x_made, axes, encoders), frechet_features(x_real, axes, encoders)
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
seconds = {k: race({"": f}, 1)[""][0] for k, f in parts.items()}
total = sum(v for k, v in seconds.items() if not k.startswith("drawing"))
networks = dict(
    inception=InceptionFeatures(inception_like(*([0.125] if tiny else [])), progress=False),
    i3d=I3DFeatures(i3d_like(*([0.125] if tiny else [])), progress=False),
)
each = seconds_per_frame(networks)
metrics = pd.DataFrame(
    [dict(what=k, seconds=v) for k, v in seconds.items()]
    + [dict(what="all but drawing (wanted: under 60 s for 500 clips)", seconds=total)]
    + [dict(what=f"one frame: {k}", seconds=v) for k, v in each.items()]
)
metrics.round(4)

# %% [markdown]
# ## What was tried
#
# Each idea beside what it replaces, forward and backward where it is used in training, on the shapes of the step above. `time over ours` is what the other way costs.

# %%
tried = []


def against(idea, other, ours, theirs):
    times = race({"ours": ours, "other": theirs}, rounds)
    r = ratio(times, "other", "ours")
    tried.append(
        {"idea": idea, "instead of": other, "time over ours": r[0], "least": r[1], "most": r[2]}
    )


train = Generator(shape)
x0, a, state = (
    torch.randn(batch, L, 2),
    torch.randn(batch, COLUMNS * (frames + 1), D),
    train.start(batch),
)


def grads(loop):
    train.zero_grad()
    train(x0, a, state=state, loop=loop).square().sum().backward()


def other_library():
    with ordinary_products():
        gan.ours()


if fast.ONEDNN:
    against(
        "products by oneDNN (the whole GAN step)",
        "torch's ordinary product",
        gan.ours,
        other_library,
    )
against(
    "weights' gradients in one product after the loop",
    "a product and a sum at every step",
    lambda: grads(train.loop()),
    lambda: grads(train.loop()._replace(linear=dense)),
)

levels = torch.randn(train.branches, batch * frames, shape.audio_widths[-1])
u = torch.randn(frames, batch, train.first.c_u)


def outside():
    fold, linear = train.first.fold(), Reused().linear
    parts = train.first.outside(levels, fold).unflatten(1, (frames, batch)).transpose(0, 1)
    sum(
        train.first.inside(u_t, p, fold, linear).sum() for u_t, p in zip(u, parts.unbind(0))
    ).backward()


def inside():
    linear, apart = Reused().linear, levels.unflatten(1, (frames, batch)).unbind(1)
    sum(
        train.first(torch.cat([u_t.expand(train.branches, -1, -1), p], -1), linear).sum()
        for u_t, p in zip(u, apart)
    ).backward()


against(
    "the audio's part of the first block outside of the loop",
    "the block on the concatenation at every step",
    outside,
    inside,
)


def convolution(picture):
    pyramid = AudioPyramid(shape.audio_widths)
    if not picture:
        for m in pyramid.modules():
            if hasattr(m, "_convolve"):
                m._convolve = lambda x, c=m.depthwise, p=m.pad[0]: F.conv1d(
                    x.transpose(1, 2), c.weight, c.bias, c.stride, p, groups=len(c.weight)
                ).transpose(1, 2)
    return lambda: sum(level.sum() for level in pyramid(a)).backward()


against(
    "depthwise convolutions as pictures of height 1 (audio pyramid)",
    "as sequences",
    convolution(True),
    convolution(False),
)

judge = gan.gan.D.D_s
real = gan.real.clone().requires_grad_()
lstm = nn.LSTM(judge.lstm.weight_x.shape[1], judge.lstm.hidden, batch_first=True)


def calls():
    h = judge.body(judge.axes_x(real.flatten(2)))
    sizes = [w for w in judge.windows if w <= h.shape[1]]
    last = [
        lstm(h.unfold(1, w, max(w // 2, 1)).transpose(2, 3).flatten(0, 1))[1][0][0] for w in sizes
    ]
    sum(judge.head(v).mean() for v in last).backward()


against(
    "windows of all lengths side by side, the inputs' product once a frame",
    "a call of torch's LSTM for every length",
    lambda: judge(real).mean().backward(),
    calls,
)


def forward():
    train(x0, a, state=state).sum().detach()


step = min(race({"": gan.ours}, rounds)[""])
once_more = min(race({"": forward}, rounds)[""])
tried.append(
    {
        "idea": "one pass of the generator for both steps",
        "instead of": "two passes",
        "time over ours": 1 + once_more / step,
        "least": float("nan"),
        "most": float("nan"),
    }
)


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
    compiled, start = Generator(shape).eval(), time.perf_counter()
    compiled.load_state_dict(G.state_dict())
    compiled.compile_step(**(dict(backend="aot_eager") if tiny else {}))
    x1, a1 = torch.randn(1, L, 2), torch.randn(1, COLUMNS * (sequence + 1), D)
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
ours = table[table.version == "ours"].set_index("task")
text = table.assign(
    **{
        k: [("" if pd.isna(v) else f"{v:.2f}") for v in table[k]]
        for k in table.select_dtypes("number")
    }
)
metrics_text = metrics.assign(seconds=metrics.seconds.map("{:.3g}".format))
for name, t in (
    ("benchmark", text),
    ("metrics", metrics_text),
    (
        "tried",
        tried.assign(
            **{
                k: [("" if pd.isna(v) else f"{v:.2f}") for v in tried[k]]
                for k in ("time over ours", "least", "most")
            }
        ),
    ),
    (
        "linear",
        linear.assign(
            **{
                "time each over the largest": linear["time each over the largest"].map(
                    "{:.2f}".format
                )
            }
        ),
    ),
):
    write_table(t, results / f"{name}.md")
    write_table(
        {"benchmark": table, "metrics": metrics, "tried": tried, "linear": linear}[name],
        results / f"{name}.csv",
    )
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
record = run_record(
    settings,
    [0],
    gflops={k: round(v / 1e9) for k, v in products.items()},
    read_gb_s=round(rate / 1e9),
    memory_mb=dict(after_a_twelfth=round(early), at_the_end=round(early + grown)),
    streamed_frames=stream.next,
    streamed_faster_than_sound=round(hour / streamed, 1),
)
write_text(json.dumps(record, indent=1) + "\n", results / "bench.json")
fig, axs = plt.subplots(1, 2, figsize=(11, 3.4), width_ratios=(3, 2))
tasks = list(ours.index)
for k, version in enumerate(("floor", "bfloat16", "ours", "batched", "plain")):

    def of(t):
        return table[(table.task == t) & table.version.str.startswith(version)][
            "time over ours"
        ].tolist()

    values = [
        1 / ours["time over floor"][t] if version == "floor" else (of(t) or [np.nan])[0]
        for t in tasks
    ]
    bars = axs[0].bar(np.arange(len(tasks)) + 0.17 * k - 0.34, values, 0.17, label=version)
    axs[0].bar_label(bars, ["" if np.isnan(v) else f"{v:.2g}" for v in values], fontsize=6)
axs[0].set(yscale="log", ylim=(0.2, 200), xticks=range(len(tasks)), ylabel="time over ours")
axs[0].set_xticklabels([t.replace(", ", "\n") for t in tasks], fontsize=7)
axs[0].legend(fontsize=7, ncols=5, loc="upper center")
for name, g in linear.groupby("of"):
    axs[1].plot(g.number, g["time each over the largest"], "o-", label=name)
axs[1].set_xscale("log", base=2)
axs[1].set(ylim=(0, None), xlabel="number", ylabel="time each over the largest")
axs[1].legend(fontsize=8)
plt.tight_layout()
write_figure(fig, results / "benchmark.png")
text
