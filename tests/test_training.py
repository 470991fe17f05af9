"""Training that can be trusted: killed and resumed, on two processes, with NaN, on a GPU."""

import os
import signal
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from conftest import PATIENCE, ROOT, quick_python

from mssync.data.corpus import Clip, write_clip, write_index
from mssync.model.weights import CheckpointError, load_model, read_tensors

# Both trainings on a toy corpus; writes checkpoints, logs, models, each process's checksum.
SCRIPT = """
import os, resource, sys, time
from pathlib import Path
import torch
import mssync.training.gan as training
from mssync.training.syncers import *
from mssync.data.packed import Packed
from mssync.model.weights import checksum, save_model
from mssync.training.runs import Run
from mssync.training.gan import *
from mssync.model.syncer import SyncerConfig
from mssync.model.generator import GeneratorConfig
from mssync.model.discriminators import DiscriminatorConfig

corpus, out, rank = sys.argv[1], Path(sys.argv[2]), int(os.environ.get("RANK", 0))
packed, val = Packed(corpus, "train"), Packed(corpus, "val")
done, av_loss, calls = Run.done, training.av_loss, 0

def held(self, steps):             # "gan 9": at step 9 of that training, until it is killed
    if "G" in self.modules and self.step + 1 == int(os.environ.get("FULL", 0)):
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, resource.RLIM_INFINITY))
    done(self, steps)
    name, step = os.environ.get("HOLD", "none 0").split()
    if self.path.name.startswith(name) and self.step >= int(step):
        while not self.interrupt.asked:
            time.sleep(.02)
Run.done = held

def poisoned(*args):               # one process meets NaN in one step
    global calls
    calls += 1
    mean, terms = av_loss(*args)
    spoilt = calls == int(os.environ.get("POISON", 0)) and rank == 1
    return (mean * torch.nan if spoilt else mean), terms
training.av_loss = poisoned

shape = SyncerConfig(position_widths=(32, 32), audio_widths=(32, 32), dim=16, stages=False)
how = SyncerTraining(steps=14, batch=32, lr=1e-3, eval_every=2, temperature=.2,
                     augment=("mirror", "swap"))
gan = GANTraining(frames=10, loss_levels=2, teacher_steps=4, teacher_batch=8, steps=8,
                  decay_steps=2, batch=8, lr_g=2e-4, lr_d=1e-4, whiten=True, floor=.03, perturb=.3,
                  ema=.8, l2=1., ramp=4, augment=("stretch", "swap"), eval_every=2)
x, a, _ = val.windows(10)
def kept(name):
    return dict(checkpoint=out/f"{name}.checkpoint.safetensors", logdir=out/f"logs/{name}",
                checkpoint_every=3, progress=False)

def evaluate(g):
    return dict(seen=g(x[:2, 0], a[:2], torch.Generator().manual_seed(0)).abs().mean())

small = GeneratorConfig(position_widths=(32,), hidden=16, audio_widths=(8, 8, 8, 8),
                        branch_widths=(32, 32), expansion=2, noise=2)
judges = DiscriminatorConfig((32,), (32,), 16, windows=(5, 10), expansion=2)
try:
    syncers, _ = train_syncers(packed, val, shape, how, **kept("syncers"))
    G, _ = train_gan(packed, syncers, small, judges, gan, evaluate=evaluate, **kept("gan"))
except FloatingPointError as e:
    (out/f"error{rank}").write_text(str(e))
    raise
(out/f"weights{rank}").write_text(checksum(syncers.state_dict()) + checksum(G.state_dict()))
if rank == 0:
    save_model(out/"G.safetensors", G)
"""
ENV = {
    **os.environ,
    "OMP_NUM_THREADS": "1",
    "PYTHONPATH": os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH")))),
}
# Two processes on a CPU: `--cpu` starts one only (several need MPI), so it is the torchrun
# launcher with the GPUs switched off.
LAUNCH = """-m accelerate.commands.launch --multi_gpu --num_processes 2 --num_machines 1
--mixed_precision no --dynamo_backend no --main_process_port 0""".split()


def toy_corpus(folder: Path) -> Path:
    "The mouth opens with the first audio feature."
    rng = np.random.default_rng(0)
    base = rng.normal(size=(68, 2)) * 0.1 + 0.5
    rows = []
    for i in range(15):
        s = np.convolve(rng.normal(size=340), np.ones(9) / 3, "same")[:320]
        audio = np.concatenate([s[:, None], 0.3 * rng.normal(size=(320, 25))], 1)
        x = np.repeat(base[None], 80, 0) + 0.002 * rng.normal(size=(80, 68, 2))
        x[:, 57:, 1] += 0.03 * s[::4, None]
        split = ["train", "train", "val"][i % 3]
        motion = x.astype(np.float32)
        sound = audio.astype(np.float32)
        clip = Clip(f"c{i:02}", f"s{i}", "toy", split, "none", motion, sound)
        rows.append(write_clip(folder, clip))
    write_index(folder, rows)
    return folder


class Trainings:
    "Runs the script, each run in a folder of its own."

    def __init__(self, folder: Path):
        self.folder = folder
        self.corpus = toy_corpus(folder / "corpus")
        (folder / "train.py").write_text(SCRIPT)

    def start(self, name: str, launch=(), **env) -> subprocess.Popen:
        out = self.folder / name
        out.mkdir(exist_ok=True)
        return subprocess.Popen(
            [quick_python(), *launch, str(self.folder / "train.py"), str(self.corpus), str(out)],
            env={**ENV, **env},
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )

    def run(self, name: str, launch=(), **env) -> tuple[int, str]:
        p = self.start(name, launch, **env)
        try:
            text = p.communicate(timeout=PATIENCE)[0]
        except subprocess.TimeoutExpired:
            p.kill()
            raise
        return p.returncode, text

    def kill_at(self, name: str, checkpoint: str, step: int, by=signal.SIGKILL) -> int:
        "A signal when a checkpoint of `step` or later is there; gives the last checkpoint's step."
        p = self.start(name, HOLD=f"{checkpoint} {step}")
        path = self.folder / name / f"{checkpoint}.checkpoint.safetensors"
        at = 0
        while at < step and p.poll() is None:
            time.sleep(0.02)
            if path.exists():
                at = read_tensors(path)[1]["step"]
        p.send_signal(by)
        text = p.communicate()[0]
        if by == signal.SIGINT:
            assert p.returncode, text
            assert "KeyboardInterrupt" in text
        else:
            assert p.returncode == -by, text
        return read_tensors(path)[1]["step"]

    def cut(self, name: str, checkpoint: str) -> int:
        "Cut a checkpoint in half; gives the step of the one before it."
        path = self.folder / name / f"{checkpoint}.checkpoint.safetensors"
        os.truncate(path, path.stat().st_size // 2)
        return read_tensors(f"{path}.before")[1]["step"]


@pytest.fixture(scope="module")
def trainings(tmp_path_factory):
    """All runs, two at a time: `whole`, `killed` twice, `hurt` in other ways, `two` processes, and
    `nan` on one of two."""
    t = Trainings(tmp_path_factory.mktemp("training"))

    def on_one():
        t.whole = t.run("whole")
        t.killed_at = [t.kill_at("killed", "syncers", 6), t.kill_at("killed", "gan", 9)]
        t.resumed = t.run("killed")

        t.hurt_at = [t.kill_at("hurt", "syncers", 6, signal.SIGTERM), t.cut("hurt", "syncers")]
        t.full = t.run("hurt", FULL="9")
        t.hurt_at.append(t.kill_at("hurt", "gan", 9, signal.SIGINT))
        t.hurt_at.append(t.cut("hurt", "gan"))
        t.healed = t.run("hurt")

    def on_two():
        t.two = t.run("two", LAUNCH, ACCELERATE_USE_CPU="1")
        t.poisoned = t.run("nan", LAUNCH, ACCELERATE_USE_CPU="1", POISON="5")
        t.step_after_nan = read_tensors(t.folder / "nan/gan.checkpoint.safetensors")[1]["step"]
        t.recovered = t.run("nan", LAUNCH, ACCELERATE_USE_CPU="1")

    with ThreadPoolExecutor(2) as pool:
        for f in [pool.submit(on_one), pool.submit(on_two)]:
            f.result()
    return t


def assert_same(a: Path, b: Path):
    "All that two trainings hold (weights, averages, optimisers, random numbers, rows), by the bit."
    for name in ("syncers", "gan"):
        (t, h), (t_b, h_b) = (read_tensors(f / f"{name}.checkpoint.safetensors") for f in (a, b))
        assert t.keys() == t_b.keys()
        assert [k for k in t if t[k].dtype != t_b[k].dtype] == []
        assert [k for k in t if not torch.equal(t[k], t_b[k])] == []
        assert h == h_b
        assert len(h["rows"]) >= 7
        log, log_b = ((f / f"logs/{name}/log.csv").read_bytes() for f in (a, b))
        assert log == log_b


def test_killed_and_resumed(trainings):
    "kill -9 in the middle of the syncers, and again of the GAN: the end of the run never stopped."
    assert trainings.whole[0] == 0, trainings.whole[1][-4000:]
    assert 6 <= trainings.killed_at[0] < 14
    assert 9 <= trainings.killed_at[1] < 14
    assert trainings.resumed[0] == 0, trainings.resumed[1][-4000:]
    assert_same(trainings.folder / "whole", trainings.folder / "killed")


def test_hurt_and_resumed(trainings):
    """A time limit (SIGTERM), a checkpoint that is cut afterwards, a disk that is full while one is
    written, Ctrl-C, and another cut: the same command goes on, to the same end."""
    terminated, before, interrupted, before_that = trainings.hurt_at
    assert 6 <= terminated < 14
    assert before == terminated - 3
    code, text = trainings.full
    assert code != 0
    assert "not written, File too large" in text
    assert "gan.checkpoint.safetensors" in text.splitlines()[-1]
    assert "syncers.checkpoint.safetensors: no whole safetensors file" in text  # the cut one
    assert "the run goes on from the checkpoint before it" in text
    assert (interrupted, before_that) == (10, 9)  # the step that was begun is kept
    assert trainings.healed[0] == 0, trainings.healed[1][-4000:]
    assert_same(trainings.folder / "whole", trainings.folder / "hurt")
    assert list((trainings.folder / "hurt").glob(".*.part")) == []


def test_log_of_a_killed_run(trainings):
    "Every logged step stands once, in the table and in TensorBoard."
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    for name, column in (("syncers", "held_out_retrieval_4"), ("gan", "seen")):
        log = pd.read_csv(trainings.folder / f"killed/logs/{name}/log.csv")
        events = EventAccumulator(str(trainings.folder / f"killed/logs/{name}"))
        events.Reload()
        assert list(log.step) == list(range(2, log.step.max() + 1, 2))
        assert [e.step for e in events.Scalars(column)] == list(log.step)
        assert np.allclose([e.value for e in events.Scalars(column)], log[column])


def test_two_processes(trainings):
    "Two processes and the same global batch: the same losses, and the same weights on both."
    assert trainings.two[0] == 0, trainings.two[1][-4000:]
    one = trainings.folder / "whole"
    two = trainings.folder / "two"
    assert (two / "weights0").read_text() == (two / "weights1").read_text()
    for name in ("syncers", "gan"):
        a, b = (pd.read_csv(f / f"logs/{name}/log.csv") for f in (one, two))
        assert list(a.columns) == list(b.columns)
        assert len(a) == len(b)
        terms = ("loss", "held_out_loss", "L", "teacher", "norm", "seen")
        losses = [c for c in a if c.startswith(terms)]
        a = a[losses]
        b = b[losses]
        close = np.allclose(a, b, rtol=1e-4, atol=1e-4, equal_nan=True)
        assert close, (name, (a - b).abs().max())
    a, b = (load_model(f / "G.safetensors").state_dict() for f in (one, two))
    assert max((a[k] - b[k]).abs().max() for k in a) < 5e-4
    assert "nan" not in (two / "weights0").read_text()


def test_nan_on_one_of_two_processes(trainings):
    "Both stop, with step and term; the last good checkpoint leads to the undisturbed end."
    assert trainings.poisoned[0] != 0
    for rank in (0, 1):
        told = (trainings.folder / f"nan/error{rank}").read_text()
        assert told.startswith("step 9: L_AV is nan; stopped before this update"), rank
    assert trainings.step_after_nan == 6
    assert trainings.recovered[0] == 0, trainings.recovered[1][-4000:]
    assert_same(trainings.folder / "two", trainings.folder / "nan")


def test_checkpoint_says_what_it_is(trainings):
    "The number of processes is no part of a checkpoint's configuration; settings and seed are."
    t, header = read_tensors(trainings.folder / "two/gan.checkpoint.safetensors")
    run = header["run"]
    _, of_one = read_tensors(trainings.folder / "whole/gan.checkpoint.safetensors")
    assert run == of_one["run"] | dict(loss_syncers=run["loss_syncers"])
    assert run["training"]["batch"] == 8
    assert run["seed"] == 0
    assert header["version"]
    assert {k.split("/")[0] for k in t} == {"module", "optim", "rng"}
    assert any(k.endswith("/step") for k in t)
    with pytest.raises(CheckpointError, match="not a model of mssync"):
        load_model(trainings.folder / "two/gan.checkpoint.safetensors")


# --- on a GPU

needs_gpu = pytest.mark.skipif(
    not torch.cuda.is_available(),
    reason="needs a CUDA GPU: training there, captured and in bfloat16, is not tested here",
)


@needs_gpu
@pytest.mark.parametrize("precision", ["float32", "tf32", "bf16"])
def test_gpu(tmp_path, precision):
    "On the GPU: what was resumed ends near the run never stopped; terms begin as on the CPU."
    from dataclasses import replace

    from mssync.data.packed import Packed
    from mssync.model.discriminators import DiscriminatorConfig
    from mssync.model.generator import GeneratorConfig
    from mssync.model.syncer import SyncerConfig
    from mssync.training.gan import GANTraining, train_gan
    from mssync.training.runs import Run
    from mssync.training.syncers import SyncerTraining, train_syncers

    corpus = toy_corpus(tmp_path / "corpus")
    shape = SyncerConfig(position_widths=(32, 32), audio_widths=(32, 32), dim=16, stages=False)
    how = SyncerTraining(steps=6, batch=32, lr=1e-4, eval_every=1, precision=precision)
    widths = dict(audio_widths=(8, 8, 8, 8), branch_widths=(32, 32), position_widths=(32,))
    small = (
        GeneratorConfig(hidden=16, expansion=2, **widths),
        DiscriminatorConfig((32,), (32,), 16, expansion=2),
    )
    gan = GANTraining(
        teacher_steps=2,
        teacher_batch=8,
        steps=6,
        decay_steps=0,
        batch=8,
        whiten=True,
        floor=0.03,
        perturb=0.3,
        ema=0.8,
        eval_every=1,
        precision=precision,
    )

    def train(device, stop=None, name=None, gan=gan, how=how, capture=True):
        done = Run.done

        def stopping(self, steps):
            done(self, steps)
            if self.step == stop and "G" in self.modules:
                raise KeyboardInterrupt

        Run.done = stopping
        try:
            train, val = (Packed(corpus, s, device=device) for s in ("train", "val"))
            kw = dict(progress=False, capture=capture)
            syncers, log_s = train_syncers(train, val, shape, how, **kw)
            G, log = train_gan(
                train,
                syncers,
                *small,
                gan,
                **kw,
                checkpoint=name and tmp_path / name,
                checkpoint_every=2,
            )
        finally:
            Run.done = done
        return G, log, log_s

    G, log, log_s = train("cuda")
    assert next(G.parameters()).is_cuda
    assert next(G.parameters()).dtype == torch.float32
    assert np.isfinite(log.drop(columns="step").fillna(0)).all(axis=None)
    assert np.isfinite(log_s).all(axis=None)
    _, log_1, log_s1 = train("cuda", capture=False)  # step by step, the same numbers
    assert np.allclose(log, log_1, rtol=1e-2, atol=1e-3, equal_nan=True)
    assert np.allclose(log_s, log_s1, rtol=1e-2, atol=1e-3)
    with pytest.raises(KeyboardInterrupt):
        train("cuda", 5, "run.safetensors")
    again, log_r, _ = train("cuda", None, "run.safetensors")
    assert np.allclose(log, log_r, rtol=1e-2, atol=1e-3, equal_nan=True)
    for a, b in zip(G.state_dict().values(), again.state_dict().values()):
        assert torch.allclose(a, b, rtol=1e-2, atol=1e-3)
    same = dict(gan=replace(gan, precision="float32"), how=replace(how, precision="float32"))
    _, log_cpu, log_s_cpu = train("cpu", **same)
    tolerance = 1e-3 if precision == "float32" else 0.05
    losses, losses_cpu = (x.filter(like="loss") for x in (log_s, log_s_cpu))
    assert np.allclose(losses, losses_cpu, atol=tolerance)
    terms, terms_cpu = (x.filter(regex="^L_") for x in (log, log_cpu))
    assert np.allclose(terms, terms_cpu, atol=2 * tolerance, equal_nan=True)
