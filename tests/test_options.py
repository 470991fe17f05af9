"""Every setting of the trainings does what it says: tiny networks, one or a few steps each."""

import copy
from dataclasses import fields, replace

import pytest
import torch
import torch.nn.functional as F

import mssync.training.gan as gan_module
import mssync.training.syncers as syncers_module
from mssync.data.landmarks import FLIP, flip, neutral_face, normalise
from mssync.data.packed import Packed
from mssync.model.discriminators import DiscriminatorConfig
from mssync.model.generator import GeneratorConfig, generate
from mssync.model.losses import discriminator_hinge, generator_hinge
from mssync.model.syncer import SyncerConfig, SyncerPyramid, info_nce, margin_loss
from mssync.model.weights import load_model, read_tensors, save_model, write_tensors
from mssync.training.gan import (
    TEACHING,
    GANTraining,
    moving_directions,
    new_gan,
    teacher_loss,
    train_gan,
)
from mssync.training.runs import Run
from mssync.training.syncers import (
    SyncerTraining,
    held_out_row,
    new_syncers,
    syncer_losses,
    syncer_rate,
    toy_corpus,
    train_syncers,
)

SYNCER = SyncerConfig(position_widths=(8, 8), audio_widths=(8, 8), dim=8, stages=False, expansion=1)
SMALL = (
    GeneratorConfig(
        position_widths=(8,), hidden=8, audio_widths=(4, 4, 4, 4), branch_widths=(8,), expansion=1
    ),
    DiscriminatorConfig((8,), (8,), 8, windows=(5,), expansion=1),
)
# the fewest frames that two levels have a window in
GAN = GANTraining(frames=10, steps=4, decay_steps=0, batch=4, lr_g=1e-3, lr_d=1e-3, loss_levels=2)
SYNC = SyncerTraining(
    frames=10, levels=2, steps=4, batch=8, negatives=12, lr=1e-3, temperature=0.5, eval_every=1
)
KNOWN = {
    "gan": "frames steps decay_steps batch lr_g lr_d betas decay lam loss_levels teacher_steps "
    "teacher_batch teacher_lr teacher_noise l2 l2_steps l2_velocity ramp perturb clip ema r1 "
    "span augment draw whiten floor floor_d clips eval_every precision limit",
    "syncers": "steps batch frames lr weight_decay negatives same loss log temperature margin "
    "levels augment draw whiten floor eval_every precision limit",
}


def test_every_setting_is_known_here():
    "A new setting needs a test of its effect, in this file."
    assert [f.name for f in fields(GANTraining)] == KNOWN["gan"].split()
    assert [f.name for f in fields(SyncerTraining)] == KNOWN["syncers"].split()


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    "Clips to train on, and held-out ones."
    folder = toy_corpus(tmp_path_factory.mktemp("toy"), clips=12, frames=40)
    return Packed(folder, "train"), Packed(folder, "val")


@pytest.fixture(scope="module")
def held_still(data):
    "The same clips in their fixed frame of reference."
    there = [copy.copy(p) for p in data]
    for p in there:
        p.reference = "fixed"
    return there


@pytest.fixture(scope="module")
def judge():
    "Loss syncers of two levels, as they come."
    torch.manual_seed(1)
    return SyncerPyramid(SYNCER, 2)


class OneStep:
    "A GAN training of which one step is made, and what went in and came out of it."

    def __init__(self, data, judge, cfg, step=0, seed=0):
        self.cfg = cfg
        self.packed = data[0]
        self.gan = new_gan(self.packed, copy.deepcopy(judge), *SMALL, cfg, seed)
        run = Run({}, {}, seed)
        run.step = step
        self.before = [p.clone() for p in self.gan.G.parameters()]
        self.judges_before = [p.clone() for p in self.gan.D.parameters()]
        self.seen = {}
        self._listen()
        try:
            teach = step < cfg.teacher_steps
            make = self.gan.teacher_step if teach else self.gan.adversarial_step
            self.row = make(self.packed, run)
        finally:
            for name, f in self.real.items():
                setattr(gan_module, name, f)

    def _listen(self):
        "Keep the arguments of the parts of a step."
        names = ("discriminator_loss", "generator_loss", "av_loss", "teacher_loss", "disturbed")
        self.real = {name: getattr(gan_module, name) for name in names}

        def kept(name):
            def f(*args, **kw):
                self.seen[name] = args
                return self.real[name](*args, **kw)

            return f

        for name in names:
            setattr(gan_module, name, kept(name))

    def rate(self, optimiser):
        return getattr(self.gan, optimiser).param_groups[0]["lr"]

    def largest_change(self, before, module):
        return max((p - b).abs().max().item() for p, b in zip(module.parameters(), before))


@pytest.fixture(scope="module")
def step(data, judge):
    "Make one step with settings beside those of GAN."
    return lambda at=0, **kw: OneStep(data, judge, replace(GAN, **kw), at)


def same(a, b):
    "Whether two modules hold the same numbers, to the bit."
    pairs = zip(a.state_dict().values(), b.state_dict().values())
    return all(torch.equal(p, q) for p, q in pairs)


# --- the generator's training


def test_lambda_and_loss_levels(data, judge):
    "The generator's gradient is that of Eq. 14, with the weight and levels that were asked for."
    for lam, levels in ((8.0, 2), (8.0, 1), (0.0, 2), (3.0, 1)):
        cfg = replace(GAN, lam=lam, loss_levels=levels)
        gan = new_gan(data[0], copy.deepcopy(judge), *SMALL, cfg, 0)
        gan.D.eval()
        x, a = data[0].sample(4, 10, torch.Generator().manual_seed(0))
        fake = gan.G(x[:, 0], a, torch.Generator().manual_seed(1))
        args = (gan.G, gan.D, gan.syncers, fake, x, a, cfg, lam)
        loss, terms = gan_module.generator_loss(*args)
        literal = lam * sum(-(e_x * e_a).sum(-1).mean() for e_x, e_a in judge(fake, a, levels))
        literal = literal / levels + sum(generator_hinge(gan.D(fake)).values())
        weights = list(gan.G.parameters())
        ours, plain = (torch.autograd.grad(v, weights, retain_graph=True) for v in (loss, literal))
        for p, q in zip(ours, plain):
            assert torch.allclose(p, q, atol=1e-6)
        assert terms["lambda"] == lam
        assert [k for k in terms if k.startswith("L_AV_")] == [
            f"L_AV_{i + 1}" for i in range(levels)
        ]


def test_synchrony_reaches_the_weights(step):
    "Without the synchrony loss, with one of its levels, or with another weight, G becomes another."
    plain = step().gan.G
    for changed in (dict(lam=0.0), dict(loss_levels=1), dict(lam=4.0)):
        assert not same(step(**changed).gan.G, plain), changed
    assert same(step().gan.G, plain)


def test_discriminators_learn_eq_12(step):
    "D's loss is that of Eq. 12 and 13, and one step lowers it on what it was shown."
    one = step(lr_d=1e-4, lr_g=0.0)
    D, real, fake = one.seen["discriminator_loss"][:3]
    after = discriminator_hinge(D(fake.detach()), D(real))
    assert sum(after.values()) < one.row["L_D_f"] + one.row["L_D_s"] + one.row["L_D_sj"]

    fake = fake.detach()
    D = D.eval()
    loss, terms = gan_module.discriminator_loss(D, real, fake)
    literal = {k: (1 + D(fake)[k]).relu().mean() + (1 - D(real)[k]).relu().mean() for k in D(fake)}
    assert torch.isclose(loss, sum(literal.values()), atol=1e-5)
    for k, v in literal.items():
        assert torch.isclose(terms[f"L_{k}"], v, atol=1e-5)


def test_frozen(step):
    "The syncers stay as they are and get no gradient; G's loss leaves none in D."
    one = step()
    assert all(p.grad is None and not p.requires_grad for p in one.gan.syncers.parameters())
    assert not one.gan.syncers.training
    assert all(p.requires_grad for p in one.gan.D.parameters())

    D, fake, real, a = one.gan.D, *(one.seen["generator_loss"][i] for i in (3, 4, 5))
    for p in D.parameters():
        p.grad = None
    x0 = fake.detach()[:, 0]
    state = one.gan.G.start(4, torch.Generator().manual_seed(0))
    again = one.gan.G(x0, a, state=state)
    args = (one.gan.G, D, one.gan.syncers, again, real, a, one.cfg, one.cfg.lam)
    gan_module.generator_loss(*args)[0].backward()
    assert all(p.grad is None for p in D.parameters())
    assert all(p.grad is not None for p in one.gan.G.parameters())


def test_judge_is_left_alone(data, judge):
    "A training changes no bit of the loss syncers."
    before = copy.deepcopy(judge)
    train_gan(data[0], judge, *SMALL, replace(GAN, steps=2), progress=False)
    assert same(before, judge)


def test_rates(step):
    "Adam's first step is the rate, where there is a gradient; the decay makes it smaller."
    one = step(lr_g=2e-3, lr_d=5e-3)
    assert one.rate("opt_g") == 2e-3
    assert one.rate("opt_d") == 5e-3
    assert one.largest_change(one.before, one.gan.G) == pytest.approx(2e-3, rel=0.01)
    assert one.largest_change(one.judges_before, one.gan.D) == pytest.approx(5e-3, rel=0.01)

    last = step(3, steps=4, decay_steps=2, decay=0.25, lr_g=2e-3, lr_d=5e-3)
    assert (last.rate("opt_g"), last.rate("opt_d")) == (2e-3, 5e-3)
    late = step(4, steps=4, decay_steps=2, decay=0.25, lr_g=2e-3, lr_d=5e-3)
    assert (late.rate("opt_g"), late.rate("opt_d")) == (5e-4, 1.25e-3)
    assert late.largest_change(late.before, late.gan.G) == pytest.approx(5e-4, rel=0.01)
    assert late.largest_change(late.judges_before, late.gan.D) == pytest.approx(1.25e-3, rel=0.01)


def test_teacher_steps_come_before_the_others(step):
    "The schedules of the adversarial steps count from the first of them."
    ramped = step(2, teacher_steps=2, ramp=4, lam=8.0)
    assert ramped.row["lambda"] == 2.0
    late = step(6, teacher_steps=2, steps=4, decay_steps=1, decay=0.5)
    assert late.rate("opt_g") == 0.5e-3
    assert "teacher" in step(1, teacher_steps=2).row
    assert "teacher" not in ramped.row


def test_betas(step):
    "They are Adam's."
    one = step(betas=(0.5, 0.9))
    for opt in (one.gan.opt_g, one.gan.opt_d):
        assert opt.param_groups[0]["betas"] == (0.5, 0.9)
        moment = [s["exp_avg"].abs().max() for s in opt.state.values()]
        assert max(moment) > 0
    assert step().gan.opt_g.param_groups[0]["betas"] == (0.0, 0.999)


def test_teacher_settings(step):
    "Batch, rate, and noise of the teacher-forced steps."
    one = step(40, teacher_steps=100, teacher_batch=6, teacher_lr=4e-3, teacher_noise=0.3)
    assert one.rate("opt_t") == 4e-3
    assert one.largest_change(one.before, one.gan.G) == pytest.approx(4e-3, rel=0.01)
    _, x, _, noise = one.seen["teacher_loss"][:4]
    assert len(x) == 6
    assert noise == 0.3
    early = step(0, teacher_steps=100, teacher_lr=4e-3)
    assert early.rate("opt_t") == pytest.approx(4e-3 / 20)
    late = step(99, teacher_steps=100, teacher_lr=4e-3)
    assert late.rate("opt_t") == pytest.approx(4e-3 * 3 / 100)


def test_teacher_is_disturbed(data, judge):
    "What the generator is shown in a teacher-forced step is off the data; the target leads back."
    gan = new_gan(data[0], copy.deepcopy(judge), *SMALL, GAN, 0)
    x, a = data[0].sample(4, 10, torch.Generator().manual_seed(0))
    shown = []
    forced = gan.G.teacher_forced

    def kept(x, *args, **kw):
        shown.append(x)
        return forced(x, *args, **kw)

    gan.G.teacher_forced = kept
    losses = []
    for noise in (0.0, 0.5):
        losses.append(teacher_loss(gan.G, x, a, noise, torch.Generator().manual_seed(3)))
    assert torch.equal(shown[0], x)
    rng = torch.Generator().manual_seed(3)  # sigma u^2 of every sequence
    u = torch.rand(4, 1, 1, generator=rng)
    z = torch.randn(4, 11, 136, generator=rng)
    assert torch.allclose(shown[1], x + (0.5 * u**2 * z).view_as(x), atol=1e-6)
    with torch.no_grad():
        state = gan_module.start_states(gan.G, 4, rng)
        v = forced(shown[1], a, state=state)
    target = (x[:, 1:] - shown[1][:, :-1]).flatten(2)
    share = ((v - target) ** 2).mean((1, 2)) / (target**2).mean((1, 2))
    assert losses[1].item() == pytest.approx(share.mean().item(), rel=1e-4)


def test_reconstruction(step):
    "The squared errors of positions and velocities, with their weights, until they have faded."
    for kw in (dict(l2=2.0), dict(l2_velocity=3.0), dict(l2=1.0, l2_steps=4)):
        one = step(1, **kw)
        fake, real = one.seen["generator_loss"][3:5]
        v = [torch.diff(s, dim=1) for s in (fake, real)]
        fade = 0.75 if "l2_steps" in kw else 1.0
        expected = kw.get("l2", 0.0) * F.mse_loss(fake, real) * fade
        expected = expected + kw.get("l2_velocity", 0.0) * F.mse_loss(*v) * fade
        assert one.row["L2"] == pytest.approx(expected.item(), rel=1e-4)
        assert not same(one.gan.G, step(1).gan.G)
    assert step(3, l2=1.0, l2_steps=3).row["L2"] == 0


def test_perturbed_starts(step):
    "Half of the starts are off the data, and the discriminators see data that begin there too."
    plain = step(batch=32)
    moved = step(batch=32, perturb=0.5)
    _, shown, fake = moved.seen["discriminator_loss"][:3]
    real = moved.seen["generator_loss"][4]
    off = (fake[:, 0] - real[:, 0]).abs().amax((1, 2)) > 1e-6
    assert 4 <= off.sum() <= 28
    assert torch.equal(shown[:, 0], fake[:, 0].detach())
    assert torch.equal(shown[:, 1:], real[:, 1:])
    _, shown, fake = plain.seen["discriminator_loss"][:3]
    assert torch.equal(fake[:, 0].detach(), plain.seen["generator_loss"][4][:, 0])
    assert torch.equal(shown, plain.seen["generator_loss"][4])


def test_clip(step):
    "The gradient that Adam takes has at most this norm; the log has it as it was."
    free = step()
    clipped = step(clip=1e-3)
    assert clipped.row["norm_D"] == free.row["norm_D"] > 1e-3
    for module in (clipped.gan.G, clipped.gan.D):
        norm = torch.cat([p.grad.flatten() for p in module.parameters()]).norm()
        assert norm == pytest.approx(1e-3, rel=1e-2)
    norm = torch.cat([p.grad.flatten() for p in free.gan.G.parameters()]).norm()
    assert norm == pytest.approx(free.row["norm_G"], rel=1e-4)


def test_gradient_penalty(step):
    "Half of its weight times the penalty is added to the discriminators' loss, to nothing else."
    plain = step()
    little = step(r1=1e-3)
    much = step(r1=1e3)
    assert "R1" not in plain.row
    assert little.row["R1"] == much.row["R1"] > 0
    for name in ("L_D_f", "L_D_s", "L_D_sj", "L_AV"):
        assert name in much.row
    for name in ("L_D_f", "L_D_s", "L_D_sj"):
        assert much.row[name] == plain.row[name]
    assert little.row["norm_D"] == pytest.approx(plain.row["norm_D"], rel=0.01)
    assert much.row["norm_D"] > 10 * plain.row["norm_D"]


def test_average(step):
    "It follows by the share that `ema` leaves, is G itself without, and at first hardly lags."
    off = step(100, ema=0.0, steps=200)
    assert same(off.gan.average, off.gan.G)
    for at, decay in ((100, 0.8), (0, 0.1)):  # (1 + 0) / (10 + 0) at the first step
        one = step(at, ema=0.8, steps=200)
        trained = zip(one.before, one.gan.average.parameters(), one.gan.G.parameters())
        for before, p, q in trained:
            assert torch.allclose(p, decay * before + (1 - decay) * q, atol=1e-7)
        assert not same(one.gan.average, one.gan.G)


def test_average_is_evaluated_and_returned(data, judge, tmp_path):
    "Where `ema` is set: what is measured, returned and kept is the average, in eval mode."
    for ema in (0.9, 0.0):
        measured = []

        def evaluate(g):
            measured.append((copy.deepcopy(g), g.training))
            return {}

        path = tmp_path / f"{ema}.safetensors"
        cfg = replace(GAN, ema=ema, eval_every=2)
        kw = dict(progress=False, checkpoint=path, evaluate=evaluate)
        G, log = train_gan(data[0], judge, *SMALL, cfg, **kw)
        assert len(measured) == len(log) == 2
        assert not any(training for _, training in measured)
        assert not G.training
        assert same(measured[-1][0], G)
        kept = read_tensors(path)[0]
        trained = {k: kept[f"module/G/{k}"] for k in G.state_dict()}
        equal = [torch.equal(v, trained[k]) for k, v in G.state_dict().items()]
        assert all(equal) == (ema == 0.0)
        averages = {k[15:]: v for k, v in kept.items() if k.startswith("module/average/")}
        assert bool(averages) == (ema > 0)
        for k, v in averages.items():
            assert torch.equal(v, G.state_dict()[k])


@pytest.mark.parametrize("ema", [0.0, 0.9])
def test_resumed_with_and_without_an_average(data, judge, tmp_path, ema, monkeypatch):
    "Stopped after step 3 and gone on with, or asked for once more: the same generator, to the bit."
    cfg = replace(GAN, ema=ema, steps=4, decay_steps=2, teacher_steps=1, teacher_batch=4)
    whole, log = train_gan(data[0], judge, *SMALL, cfg, progress=False)
    done = Run.done

    def stopping(self, steps):
        done(self, steps)
        if self.step == 3:
            raise KeyboardInterrupt

    kw = dict(progress=False, checkpoint=tmp_path / "run.safetensors", checkpoint_every=1)
    monkeypatch.setattr(Run, "done", stopping)
    with pytest.raises(KeyboardInterrupt):
        train_gan(data[0], judge, *SMALL, cfg, **kw)
    monkeypatch.setattr(Run, "done", done)
    resumed, log_r = train_gan(data[0], judge, *SMALL, cfg, **kw)
    assert same(whole, resumed)
    assert log.equals(log_r)
    again, _ = train_gan(data[0], judge, *SMALL, cfg, **kw)  # nothing is left to do
    assert same(whole, again)


def test_steps_and_measurements(data, judge):
    "As many steps as were asked for, of each kind, and a row where one is due."
    cfg = replace(
        GAN, steps=3, decay_steps=2, teacher_steps=4, teacher_batch=4, eval_every=3, ramp=10
    )
    _, log = train_gan(data[0], judge, *SMALL, cfg, progress=False)
    assert list(log.step) == [3, 6, 9]
    assert list(log.teacher.notna()) == [True, False, False]
    assert list(log["lambda"].round(3)[1:]) == [8 * 0.2, 8 * 0.5]


def test_a_large_gradient_stops_nothing(data, judge, step):
    "The limit is that of terms and motion; nothing is clipped here."
    gan = new_gan(data[0], copy.deepcopy(judge), *SMALL, GAN, 0)
    for module in (gan.G, gan.D):
        next(module.parameters()).register_hook(lambda g: 1e12 * g)
    row = gan.adversarial_step(data[0], Run({}, {}, 0))
    assert row["norm_D"] > 1e6 < row["norm_G"]
    with pytest.raises(FloatingPointError, match="landmarks is .* beyond the limit of 0.1"):
        step(limit=0.1)


def test_batch_frames_augmentation_and_clips(data, judge, step):
    "What the networks see: its size, where it comes from, and how it is varied."
    plain = step(batch=6, frames=12)
    fake, real, a = plain.seen["generator_loss"][3:6]
    assert fake.shape == real.shape == (6, 13, 68, 2)
    assert a.shape[:2] == (6, 52)
    for changed in (dict(augment=("mirror",)), dict(draw="clips")):
        other = step(batch=6, frames=12, **changed).seen["generator_loss"][4]
        assert not torch.equal(other, real), changed
    taught = [
        step(0, teacher_steps=1, augment=g).seen["teacher_loss"][1] for g in ((), ("mirror",))
    ]
    assert not torch.equal(*taught)

    drawn = []

    class Watched(Packed):
        def draw(self, *args, **kw):
            drawn.append(len(self))
            return super().draw(*args, **kw)

    packed = copy.copy(data[0])
    packed.__class__ = Watched
    train_gan(packed, judge, *SMALL, replace(GAN, clips=3, steps=1), progress=False)
    assert set(drawn) == {3}


def test_whitening(data, judge, step):
    "Axes of the data in G and D where they are asked for, and none where not."
    for whiten in (False, True):
        gan = step(whiten=whiten, floor=0.03).gan
        for axes in (gan.G.axes_x, gan.G.axes_v, gan.D.D_f.axes, gan.D.D_s.axes_x):
            assert axes.is_identity() != whiten
    floors = [step(whiten=True, floor=f).gan.G.axes_x.white for f in (1e-4, 0.5)]
    assert not torch.equal(*floors)
    for whiten in (False, True):
        cfg = replace(SYNC, whiten=whiten)
        syncers = new_syncers(data[0], SYNCER, cfg, 0)
        assert all(s.axes.is_identity() != whiten for s in syncers.syncers)
    low, high = (new_syncers(data[0], SYNCER, replace(cfg, floor=f), 0) for f in (1e-4, 0.5))
    assert not torch.equal(low.syncers[0].axes.white, high.syncers[0].axes.white)


def test_span(data, judge, step):
    "Motion and moved starts keep to the directions, from the first adversarial step on."
    onto = moving_directions(data[0], 10, 0.1)
    x, a = data[1].sample(4, 10, torch.Generator().manual_seed(0))

    def outside(v):
        return ((v - v @ onto).norm() / v.norm()).item()

    def moved(**kw):
        cfg = replace(GAN, teacher_steps=2, teacher_batch=4, ema=0.5, **kw)
        G, _ = train_gan(data[0], judge, *SMALL, cfg, progress=False)
        with torch.no_grad():
            return outside(torch.diff(G(x[:, 0], a), dim=1).flatten(2))

    assert moved(span=0.1) < 1e-4
    assert moved(span=0.1, steps=0) > 1e-2  # teacher-forced steps alone
    assert moved() > 1e-2
    one = step(batch=32, perturb=0.5, span=0.1)
    fake, real = one.seen["generator_loss"][3:5]
    off = (fake[:, 0] - real[:, 0]).flatten(1).detach()
    assert off.abs().max() > 1e-3
    assert outside(off) < 1e-4


def test_finer_discriminators(step):
    "Their velocities have a floor of their own, where one is asked for; nothing else changes."
    plain, finer = (step(whiten=True, floor=0.03, floor_d=f).gan for f in (0.0, 1e-4))
    assert torch.equal(plain.D.D_s.axes_v.white, plain.G.axes_v.white)
    assert not torch.equal(finer.D.D_s.axes_v.white, finer.G.axes_v.white)
    assert not torch.equal(finer.D.D_sj.axes_v.white, finer.G.axes_v.white)
    assert torch.equal(finer.D.D_s.axes_x.white, plain.D.D_s.axes_x.white)
    assert torch.equal(finer.G.axes_v.white, plain.G.axes_v.white)


def test_precision(data, judge):
    "bfloat16 rounds: the terms are near those of float32, and not the same."
    logs = []
    for precision in ("float32", "bf16"):
        cfg = replace(GAN, precision=precision, steps=1)
        logs.append(train_gan(data[0], judge, *SMALL, cfg, progress=False)[1])
    difference = (logs[0] - logs[1]).abs().filter(regex="^L_").to_numpy()
    assert 0 < difference.max() < 0.1
    rows = []
    for precision in ("float32", "bf16"):
        cfg = replace(SYNC, precision=precision, steps=1)
        rows.append(train_syncers(*data, SYNCER, cfg, progress=False)[1])
    difference = (rows[0] - rows[1]).abs().filter(regex="^loss").to_numpy()
    assert 0 < difference.max() < 0.1


def test_teaching_names_what_the_start_depends_on():
    "Two trainings share a taught start only where all of this is the same."
    apart = set("steps decay_steps batch lr_g lr_d betas decay lam loss_levels".split())
    apart |= set("l2 l2_steps l2_velocity ramp perturb ema r1 span floor_d limit".split())
    assert set(TEACHING) == {f.name for f in fields(GANTraining)} - apart


# --- the syncers' training


def trained(data, **kw):
    return train_syncers(*data, SYNCER, replace(SYNC, **kw), progress=False)


def test_syncers_rate(data):
    "The first step moves by the rate, the last ones by less."
    cfg = replace(SYNC, steps=10, lr=2e-3)
    rates = [syncer_rate(cfg, s) for s in range(10)]
    assert rates[:9] == pytest.approx([2e-3] * 9)
    assert rates[9] == pytest.approx(1e-3)
    rates = []
    run = syncers_module.descend

    def kept(opt, *args, **kw):
        rates.append(opt.param_groups[0]["lr"])
        return run(opt, *args, **kw)

    syncers_module.descend = kept
    try:
        trained(data, steps=10, lr=2e-3, eval_every=10)
    finally:
        syncers_module.descend = run
    assert rates == pytest.approx([2e-3] * 9 + [1e-3])


def losses(data, cfg, seed=0, normalised=True):
    torch.manual_seed(seed)
    syncers = SyncerPyramid(replace(SYNCER, normalised=normalised), 2)
    x, a = data[0].sample(cfg.batch, cfg.frames, torch.Generator().manual_seed(0))
    return syncers, x, a, syncer_losses(syncers, x, a, cfg, torch.Generator().manual_seed(1))[0]


def drawn_negatives(data, monkeypatch, **kw):
    "Arguments of the draws of negatives."
    seen = []
    real = syncers_module.negatives

    def kept(*args):
        seen.append(args)
        return real(*args)

    monkeypatch.setattr(syncers_module, "negatives", kept)
    losses(data, replace(SYNC, **kw))
    monkeypatch.setattr(syncers_module, "negatives", real)
    return seen


def test_negatives(data, monkeypatch):
    "How many there are, and the share from the own crop."
    for N, same_share in ((12, 0.5), (5, 0.25)):
        for args in drawn_negatives(data, monkeypatch, negatives=N, same=same_share):
            assert args[2] == N
            assert args[4] == same_share


def test_loss_of_syncers(data):
    "The loss that was asked for, with its temperature, logarithm or margin, level by level."
    x_dim = dict(batch=8)
    for kw in (
        dict(temperature=0.5),
        dict(temperature=0.1),
        dict(log=False),
        dict(loss="pair", margin=3.0),
        dict(loss="triplet", margin=3.0),
        dict(loss="triplet", margin=1.0),
    ):
        cfg = replace(SYNC, **x_dim, **kw)
        norm = cfg.loss == "info_nce"
        syncers, x, a, found = losses(data, cfg, normalised=norm)
        rng = torch.Generator().manual_seed(1)
        expected = []
        xs = syncers_module.position_pyramid(x, 2)
        audios = syncers_module.audio_pyramid(a, 2)
        for s, x_i, a_i, every in zip(syncers.syncers, xs, audios, (2, 1)):
            e_x, e_a = s(x_i[::every], a_i[::every])
            neg = syncers_module.negatives(*e_x.shape[:2], cfg.negatives, rng, cfg.same)
            if norm:
                expected.append(info_nce(e_a, e_x, neg, cfg.temperature, cfg.log)[0])
            else:
                expected.append(margin_loss(e_a, e_x, neg, cfg.margin, cfg.loss)[0])
        assert torch.allclose(found, torch.stack(expected), atol=1e-6), kw


def test_settings_change_trained_syncers(data):
    "Each of these makes other networks in two steps; the same settings make the same ones."
    plain = trained(data, steps=2)[0]
    assert same(plain, trained(data, steps=2)[0])
    for kw in (
        dict(augment=("mirror",)),
        dict(augment=("swap",)),
        dict(draw="clips"),
        dict(weight_decay=0.5),
        dict(same=0.0),
        dict(frames=12),
        dict(batch=10),
        dict(lr=2e-3),
    ):
        assert not same(plain, trained(data, steps=2, **kw)[0]), kw


def test_weight_decay(data):
    "AdamW: beside the step, all weights shrink by rate times decay."
    with_decay, without = (trained(data, steps=1, weight_decay=d)[0] for d in (0.5, 0.0))
    start = new_syncers(data[0], SYNCER, SYNC, 0)
    rate = syncer_rate(replace(SYNC, steps=1), 0)
    for p, q, before in zip(*(m.parameters() for m in (with_decay, without, start))):
        assert torch.allclose(p, q - rate * 0.5 * before, atol=1e-6)


def test_levels_rows_and_limit(data):
    "As many levels and rows as asked for; a loss beyond the limit stops, a gradient does not."
    syncers, log = trained(data, levels=1, steps=5, eval_every=2)
    assert syncers.levels == 1
    assert "loss_2" not in log and "loss_1" in log
    assert list(log.step) == [2, 4, 5]
    with pytest.raises(FloatingPointError, match="loss_1 is .* beyond the limit of 0.1"):
        trained(data, limit=0.1)


def test_held_out_is_not_augmented(data):
    "The measurement is the same at every call and knows no augmentation."
    syncers = new_syncers(data[0], SYNCER, SYNC, 0)
    plain = held_out_row(syncers, data[1], SYNC)
    assert plain == held_out_row(syncers, data[1], replace(SYNC, augment=("mirror", "swap")))
    assert not any(p.grad is not None for p in syncers.parameters())


# --- the frame of reference

SHIFTED = ("scale", "translate")


def seen_by_syncers(data, reference, monkeypatch, **kw):
    "The syncers' first input in a training."
    seen = []
    real = syncers_module.syncer_losses

    def kept(syncers, x, *args):
        seen.append(x)
        return real(syncers, x, *args)

    monkeypatch.setattr(syncers_module, "syncer_losses", kept)
    shape = replace(SYNCER, reference=reference)
    syncers, _ = train_syncers(*data, shape, replace(SYNC, steps=2, **kw), progress=False)
    monkeypatch.setattr(syncers_module, "syncer_losses", real)
    return syncers, seen[0]


def test_scale_and_translate_act_where_the_reference_is_fixed(data, held_still, monkeypatch):
    "They change what the syncers see and become; relative to the first frame they change nothing."
    _, x = seen_by_syncers(data, "first", monkeypatch)
    _, y = seen_by_syncers(data, "first", monkeypatch, augment=SHIFTED)
    assert torch.allclose(x, y, atol=1e-4)

    plain, u = seen_by_syncers(held_still, "fixed", monkeypatch)
    assert torch.allclose(normalise(u, u[:, 0]), x, atol=1e-5)
    assert 0 <= u.min() < u.max() <= 1
    for names in (("scale",), ("translate",), SHIFTED, "authors"):
        other, v = seen_by_syncers(held_still, "fixed", monkeypatch, augment=names)
        moved = (v - u).abs().amax((1, 2, 3))
        assert (moved > 0.003).float().mean() > 0.8, names  # nearly every window
        assert not same(plain, other), names
    assert plain.cfg.reference == "fixed"


@pytest.fixture(scope="module")
def there(judge):
    "The loss syncers, for landmarks in a fixed frame of reference."
    syncers = SyncerPyramid(replace(SYNCER, reference="fixed"), 2)
    syncers.load_state_dict(judge.state_dict())
    return syncers


FIXED = replace(SMALL[0], reference="fixed")


def seen_by_generator(clips, syncers, shape, monkeypatch, cfg):
    "The generator, and the data of the first step of its training."
    seen = []

    def listen(name, argument):
        real = getattr(gan_module, name)

        def kept(*args):
            seen.append(args[argument])
            return real(*args)

        monkeypatch.setattr(gan_module, name, kept)

    with monkeypatch.context() as monkeypatch:
        listen("teacher_loss", 1)
        listen("generator_loss", 4)
        G, _ = train_gan(clips[0], syncers, shape, SMALL[1], cfg, progress=False)
    return G, seen[0]


@pytest.mark.parametrize("teacher_steps", [0, 2])
def test_generator_with_scale_and_translate(
    data, held_still, judge, there, monkeypatch, teacher_steps
):
    "Both kinds of step of the generator's training see them in the same way."
    cfg = replace(GAN, steps=2, teacher_steps=teacher_steps, teacher_batch=4)
    made = {}
    for names in ((), SHIFTED):
        options = monkeypatch, replace(cfg, augment=names)
        relative = seen_by_generator(data, judge, SMALL[0], *options)
        made[names] = relative, seen_by_generator(held_still, there, FIXED, *options)
    ((_, x), (plain, u)), ((_, y), (shifted, v)) = made.values()
    assert torch.allclose(x, y, atol=1e-4)
    assert torch.allclose(normalise(u, u[:, 0]), x, atol=1e-4)
    assert (v - u).abs().amax((1, 2, 3)).min() > 0.003
    assert 0 <= v.min() < v.max() <= 1
    assert not same(plain, shifted)


def test_fixed_frame_of_reference_is_kept(data, held_still, judge, there, tmp_path):
    "A generator's file has it, and what is in another one is refused."
    cfg = replace(GAN, steps=1)
    kw = dict(progress=False)
    G, _ = train_gan(held_still[0], there, FIXED, SMALL[1], cfg, **kw)
    save_model(tmp_path / "g.safetensors", G)
    G = load_model(tmp_path / "g.safetensors")
    assert G.cfg.reference == "fixed"
    x, a, _ = held_still[1].windows(10)
    assert torch.equal(generate(G, x[:, 0], a)[:, 0], x[:, 0])
    with pytest.raises(ValueError, match="faces larger than the unit square"):
        generate(G, data[1].windows(10)[0][:, 0], a)
    for clips, syncers in ((data, there), (held_still, judge)):
        with pytest.raises(ValueError, match="frame of reference 'first'"):
            train_gan(clips[0], syncers, FIXED, SMALL[1], cfg, **kw)
    with pytest.raises(ValueError, match="reference 'first', the model takes 'fixed'"):
        train_syncers(*data, there.cfg, SYNC, **kw)


def test_weights_without_a_reference_are_relative_to_the_first_frame(judge, tmp_path):
    "Files that were written before there was a choice."
    path = tmp_path / "s.safetensors"
    save_model(path, judge)
    tensors, header = read_tensors(path)
    assert header["config"].pop("reference") == "first"
    write_tensors(path, tensors, header)
    assert load_model(path).cfg.reference == "first"


# --- the mirror


def test_flip():
    "A mirrored face is a face: left points are right ones, and twice mirrored is as before."
    order = torch.as_tensor(FLIP)
    assert torch.equal(order[order], torch.arange(68))
    # the left ear's jaw point, the left eye's and mouth's corners, become the right ones'
    for left, right in ((0, 16), (17, 26), (36, 45), (39, 42), (48, 54), (60, 64), (31, 35)):
        assert (order[left], order[right]) == (right, left)
    assert all(order[k] == k for k in (8, 27, 28, 29, 30, 33, 51, 57, 62, 66))
    face = torch.as_tensor(neutral_face()[:, :2], dtype=torch.float32)
    face = 0.5 + 0.2 * (face - face.mean(0))
    mirrored = flip(face)
    assert not torch.equal(mirrored, face)
    assert torch.allclose(mirrored, face, atol=0.02)  # a neutral face is nearly symmetric
    assert torch.allclose(flip(mirrored), face, atol=1e-6)
