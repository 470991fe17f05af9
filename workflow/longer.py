"""Trials of longer trainings, listed in workflow/longer.yaml (notebook 24b_longer).

    make study PROFILE=baselines
    python workflow/longer.py results/baselines             what data/longer.csv does not have yet
    python workflow/longer.py results/baselines span ...    only of these
    make study PROFILE=longer
    python workflow/longer.py results/longer seeds          data/longer_seeds.csv, and pictures

Corpus, syncers and motion encoders are those of the study's first seed. A trial that is in the
table is not run again. The judges' clips are those of split `val`, chained to 1000 frames, and for
distances those of the split of other clips: no generator was trained or tested on either.
"""

import copy
import sys
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch
import yaml
from torch import Tensor

from mssync.data.files import write_atomic
from mssync.data.landmarks import head_speed, lip_speed, plot_face
from mssync.data.packed import Packed
from mssync.metrics.dynamics import residual_ratios, shape_space
from mssync.metrics.frechet import frame_axes, frechet, frechet_features
from mssync.metrics.heads import drift_curve
from mssync.metrics.synchrony import MultiScaleSync
from mssync.model.generator import Generator, generate
from mssync.study.evaluation import TRUTH, sound_chain
from mssync.study.profiles import gan_configs
from mssync.study.run import Study
from mssync.training.gan import most, train_gan, ways

ROOT = Path(__file__).resolve().parent.parent
LIST = ROOT / "workflow/longer.yaml"
TABLE = ROOT / "data/longer.csv"
SEEDS = ROOT / "data/longer_seeds.csv"
FACES = ROOT / "results/reference/longer/faces.png"
JERKS = ROOT / "results/reference/longer/jerks.png"
SHOWN = 0, 40, 80, 200, 400, 600, 800, 1000  # frames of the picture
FRAMES = 1000  # that are generated
CLIP = 200  # frames of a real clip
LOOKED = 40, 80, 200, 400, 1000  # frames at which faces and places are looked at
FREE = dict(stay="not drawn back", fastest="any speed", furthest="any place")  # what is left out
LEFT = 3  # a head further away than so many times real ones after a clip has left
SPANS = dict(first=(0, 80), last=(800, 1000))  # frames whose synchrony and speeds are measured


def way(y: Tensor) -> Tensor:  # (B, T+1) how far the head's centre is from where it was
    centre = y.mean(2)
    return (centre - centre[:, :1]).norm(dim=2)


class Judge:
    "What measures a generator, 40 to 1000 frames from the first."

    def __init__(self, study: Study):  # of one seed
        train = study.packed("train")
        self.x, a, _ = study.packed("val").windows(CLIP)
        self.sound, first = sound_chain(a, len(self.x), FRAMES + 1)
        self.x0 = self.x[first, 0]
        self.others, self.heard, _ = study.packed(study.others).windows(CLIP)
        self.metric = study.network("syncers_metric")
        self.space = shape_space(train)
        self.axes = frame_axes(train)
        self.encoders = {80: study.encoders()[80]}
        self.seed = study.seed
        self.far = self._places(self.x)[CLIP]

    def _places(self, y: Tensor) -> np.ndarray:  # (n,) RMS way of the head, % of face size
        return drift_curve(y.numpy(), self.x.numpy(), self.space, draws=1).position.to_numpy()

    def _confidences(self, y: Tensor, name: str) -> dict[str, float]:
        "AV-Conf at each scale in the frames of SPANS."
        start, stop = (t + 1 for t in SPANS[name])
        scores = MultiScaleSync(self.metric)
        scores.update(y[:, start:stop], self.sound[:, 4 * start : 4 * stop])
        means = scores.summary().conf_mean
        return {f"AV-Conf_{i}_{name}": v for i, v in enumerate(means, 1)}

    def _motion(self, y: Tensor) -> dict[str, float]:
        "Synchrony and speeds near the start and far from it, faces and places along the way."
        row = {}
        for name, (start, stop) in SPANS.items():
            part = y[:, start : stop + 1].numpy()
            for what, speed in (("lip_speed", lip_speed), ("head_speed", head_speed)):
                row[f"{what}_{name}"] = speed(part).mean() / speed(self.x.numpy()).mean()
            row |= self._confidences(y, name)
        residual = residual_ratios(y.numpy(), self.x.numpy(), self.space)
        places = self._places(y)
        for t in LOOKED:
            row[f"residual_{t}"] = np.sqrt((residual[:, t - 20 : t + 1] ** 2).mean())
            row[f"place_{t}"] = places[t] / self.far
        return row

    def _distances(self, y: Tensor) -> dict[str, float]:
        "Fréchet distances to the real motion of the same clips."
        row = {}
        for t in (80, CLIP):
            of = partial(frechet_features, axes=self.axes, encoders=self.encoders)
            made = of(y[:, : t + 1])
            real = of(self.others[:, : t + 1])
            row |= {f"{k}_at_{t}": frechet(made[k], real[k]) for k in made}
        return row

    @torch.no_grad()
    def __call__(self, G: Generator) -> dict[str, float]:
        "One look."
        long = generate(G, self.x0, self.sound, self.seed)
        short = generate(G, self.others[:, 0], self.heard, self.seed)
        return self._motion(long) | self._distances(short)

    def chains(self, G: Generator) -> Tensor:  # (B, 1001, 68, 2)
        "One chain from each of the other clips."
        sound, first = sound_chain(self.heard, len(self.others), FRAMES + 1)
        with torch.no_grad():
            return generate(G, self.others[first, 0], sound, self.seed)

    def leaving(self, G: Generator) -> dict[str, int]:
        "In how many chains the head ends further away than `LEFT` times as far as real ones are."
        ends = way(self.chains(G))[:, -1]
        real = way(self.others)[:, CLIP].square().mean().sqrt()
        return dict(chains=len(ends), left=int((ends > LEFT * real).sum()))

    def real(self) -> dict[str, float]:
        "Synchrony of the real clips."
        return self._confidences(self.x, "first")


def looks(judge: Judge, every: int, first: int, last: int, found: list) -> Callable:
    "What `train_gan` calls: measures `every` so many steps, and at the last three evaluations."
    seen = dict(step=first)

    def evaluate(G: Generator) -> dict:
        seen["step"] += every // 2
        step = seen["step"]
        if step >= 0 and (step % every == 0 or step > last - 3 * every // 2):
            found.append(dict(step=step) | judge(G))
        return {}

    return evaluate


def run(study: Study, judge: Judge, plan: dict, name: str, work: Path) -> pd.DataFrame:
    "A trial: one row a look, steps counted from the first adversarial one."
    changes = plan["trials"][name]
    shape, disc, cfg = gan_configs(study.settings, "short", study.packed("train"))
    cfg = replace(cfg, **changes, eval_every=plan["every"] // 2)
    taught = work / f"taught-{cfg.floor}-{cfg.whiten}.safetensors"
    found = []
    first = 0 if taught.exists() else -cfg.teacher_steps
    evaluate = looks(judge, plan["every"], first, cfg.steps + cfg.decay_steps, found)
    syncers = study.network("syncers_loss")
    kw = dict(evaluate=evaluate, taught=taught, progress=False)
    train_gan(study.packed("train"), syncers, shape, disc, cfg, study.seed, **kw)
    return pd.DataFrame(found).assign(trial=name)


def without(G: Generator, **options) -> Generator:
    "The same network with other options of eval mode."
    other = copy.deepcopy(G)
    other.cfg = replace(G.cfg, **options)
    return other


def held(G: Generator, packed: Packed, share: float) -> Generator:
    "A network that was trained without `furthest`, with it."
    other = Generator(replace(G.cfg, furthest=share), G.axes_x, G.axes_v).eval()
    other.load_state_dict(G.state_dict(), strict=False)
    other.furthest.copy_(most(ways(packed), G.axes_v, share))
    return other


@torch.no_grad()
def draw_faces(judge: Judge, G: Generator, chains: int = 3):
    "Faces along the way of the chains that would go furthest, at any place and held."
    tried = {"any place": without(G, furthest=0.0), "held": G}
    motion = {name: judge.chains(g) for name, g in tried.items()}
    ends = way(motion["any place"])[:, -1]
    rows = [(int(k), name) for k in ends.topk(chains).indices for name in motion]
    fig, axs = plt.subplots(len(rows), len(SHOWN), figsize=(7.5, 5.6), layout="none")
    for ax, t in zip(axs[0], SHOWN):
        ax.set_title(f"{t / 25:g} s", fontsize=8)
    for row, (k, name) in zip(axs, rows):
        for ax, t in zip(row, SHOWN):
            plot_face(motion[name][k, t], ax, color="C1" if name == "any place" else "C0")
            ax.set(xlim=(-2.6, 2.6), ylim=(2.6, -2.6))
        row[0].text(-3, 0, name, fontsize=9, ha="right")
    fig.subplots_adjust(0, 0, 1, 1, 0, 0)
    fig.savefig(FACES, dpi=80, bbox_inches="tight")


@torch.no_grad()
def draw_jerks(judge: Judge, G: Generator):
    "Whitened speed of the clip that trembles most, and of all clips at their fastest."
    moved = {"generated, any speed": without(G, fastest=0.0), "generated": G}
    motion = {k: generate(g, judge.others[:, 0], judge.heard, judge.seed) for k, g in moved.items()}
    motion["real"] = judge.others
    speed = {
        k: judge.axes.velocities(y[:, :81].diff(dim=1).flatten(2)).norm(dim=2).numpy()
        for k, y in motion.items()
    }
    worst = speed["generated, any speed"].max(1).argmax()
    fig, axs = plt.subplots(1, 2, figsize=(7.5, 2.6))
    for (k, v), colour in zip(speed.items(), ("C1", "C0", "k")):
        axs[0].plot(np.arange(1, 81) / 25, v[worst], color=colour, lw=1)
        fastest = np.sort(v.max(1))[::-1]
        axs[1].semilogy(100 * np.arange(len(v)) / len(v), fastest, color=colour, label=k)
    axs[0].set(xlabel="time, s", ylabel="whitened speed", title="one clip")
    axs[1].set(xlabel="clips, %", title="all clips, at their fastest")
    axs[1].set_yticks((5, 10, 20, 40), (5, 10, 20, 40))
    axs[1].minorticks_off()
    axs[1].legend(fontsize=8)
    fig.savefig(JERKS, dpi=90, bbox_inches="tight")


def trained(results: Path):
    "What the same judge says of all generators of profile `longer`, and of real clips."
    plt.style.use("mssync.style")
    study = Study("longer", results)
    rows = []
    for seed in study.seeds:
        one = study.at(seed)
        judge = Judge(one)
        rows.append(dict(method=TRUTH, seed=seed) | judge.real())
        networks = one.generators()
        longer = networks["MS-Sync-short, longer"]
        networks["MS-Sync-short, held"] = held(
            networks["MS-Sync-short"], one.packed("train"), longer.cfg.furthest
        )
        for name, G in networks.items():
            rows.append(dict(method=name, seed=seed) | judge(G) | judge.leaving(G))
            for option, said in FREE.items() if "longer" in name else ():
                if getattr(G.cfg, option):
                    free = without(G, **{option: 0.0})
                    row = dict(method=f"{name}, {said}", seed=seed) | judge(free)
                    rows.append(row | (judge.leaving(free) if option == "furthest" else {}))
        if seed == study.seeds[0]:
            draw_jerks(judge, longer)
        if seed == study.seeds[-1]:
            draw_faces(judge, longer)
    found = pd.DataFrame(rows)
    write_atomic(SEEDS, found.to_csv(index=False, float_format="%.4f").encode())
    print(found.groupby("method").mean().round(2).T.to_string())


def main(results: Path, names: list[str]):
    if names == ["seeds"]:
        return trained(results)
    plan = yaml.safe_load(LIST.read_text())
    study = Study(plan["profile"], results, seed=plan["seed"])
    judge = Judge(study)
    known = pd.read_csv(TABLE) if TABLE.is_file() else pd.DataFrame()
    work = results / "longer"
    work.mkdir(exist_ok=True)
    for name in names or plan["trials"]:
        if len(known) and name in set(known.trial):
            continue
        rows = run(study, judge, plan, name, work)
        known = pd.concat([known, rows], ignore_index=True)
        known = known[["trial", *known.columns.drop("trial")]]
        write_atomic(TABLE, known.to_csv(index=False, float_format="%.4f").encode())
        print(
            rows.groupby("trial").tail(3).groupby("trial").mean().round(2).T.to_string(), flush=True
        )


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
