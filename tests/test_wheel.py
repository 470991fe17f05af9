"""What somebody gets who installs the package: a slim core, light to import, from a wheel."""

import os
import re
import shutil
import sys
import zipfile
from configparser import ConfigParser
from importlib.metadata import distribution, distributions
from importlib.util import cache_from_source
from pathlib import Path

from conftest import BIN, ROOT, run
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

# Runs in an environment that holds the wheel and its core requirements alone.
USE = """
import shutil
import sys
import mssync

assert "torch" not in sys.modules, "importing mssync imports torch"
import numpy as np
import torch
from mssync import Generator, MultiScaleSync, av_loss, load_model
from mssync.data.landmarks import neutral_face

weights = mssync.__path__[0] + "/weights/"
rng = np.random.default_rng(0)
sound = rng.normal(size=4 * 16_000) * np.linspace(0, 0.1, 64_000)
sound = sound.astype(np.float32)
face = 100 * neutral_face()[:, :2] + rng.normal(size=(100, 1, 2)).cumsum(0)
metric = MultiScaleSync()
metric.update_clip(face, sound, sr=16_000, fps=25)
print(metric.summary())

generator = load_model(weights + "generator.safetensors")
syncers = load_model(weights + "loss_syncers.safetensors")
assert isinstance(generator, Generator)
x0 = torch.as_tensor(face[:2], dtype=torch.float32) / 100
audio = torch.randn(2, 4 * 41, 26)
motion = generator(x0, audio).detach().requires_grad_()
loss, by_scale = av_loss(syncers, motion, audio)
loss.backward()
assert motion.shape == (2, 41, 68, 2) and motion.grad.abs().sum() > 0 and len(by_scale) == 4
heavy = {"av", "cv2", "dlib", "accelerate", "face_alignment", "ai_edge_litert", "fastcore"}
loaded = heavy & set(sys.modules)
assert not loaded, loaded
print("used", mssync.__file__)
"""


def settings() -> dict[str, list[str]]:
    "The requirements in settings.ini: `core`, and every extra."
    config = ConfigParser(delimiters=["="], interpolation=None)
    config.read(ROOT / "settings.ini", encoding="utf-8")
    found = {k: v.split() for k, v in config["DEFAULT"].items() if k.endswith("requirements")}
    return {k.removesuffix("requirements").strip("_") or "core": v for k, v in found.items()}


def test_core_is_slim():
    "No video, landmark or notebook library in the core, and fastcore for developers alone."
    heavy = {"av", "opencv-python", "dlib-bin", "face-alignment", "accelerate", "fastcore"}
    heavy |= {"nbdev", "papermill", "snakemake", "matplotlib", "scikit-image"}
    names = {extra: {re.split(r"[<>=]", r)[0] for r in reqs} for extra, reqs in settings().items()}
    assert names["core"] & heavy == set()
    assert [extra for extra, found in names.items() if "fastcore" in found] == ["dev"]


def test_lock_holds_every_requirement():
    "Whatever settings.ini names has an exact version in requirements.lock."
    lock = (ROOT / "requirements.lock").read_text().lower().replace("_", "-")
    locked = {line.split("==")[0] for line in lock.splitlines() if "==" in line}
    named = {re.split(r"[<>=]", r)[0].lower() for reqs in settings().values() for r in reqs}
    assert named - locked == set()


def test_lock_fits_the_oldest_python():
    "Every locked version installs on the first release of settings.ini's oldest Python."
    oldest = re.search(r"min_python = (\S+)", (ROOT / "settings.ini").read_text())[1] + ".0"
    lines = (ROOT / "requirements.lock").read_text().splitlines()
    names = [line.split("==")[0] for line in lines if "==" in line]
    here = {canonicalize_name(d.name): d.metadata for d in distributions()}
    asked = {n: here[canonicalize_name(n)].get("Requires-Python") for n in names}
    assert {n: a for n, a in asked.items() if a and oldest not in SpecifierSet(a)} == {}


def test_release(tmp_path):
    "A version is one command: its number in every place, its day, a commit, a tag, the archives."
    place = tmp_path / "mssync"
    assert run("git", "clone", "--quiet", "--no-tags", ROOT, place).returncode == 0
    for name in ("workflow/release.py", "CHANGELOG.md", "CITATION.cff", "settings.ini"):
        shutil.copy(ROOT / name, place / name)  # as they are, also before they are committed
    git = ("git", "-c", "user.name=a", "-c", "user.email=a@b", "-C", place)
    run(*git, "add", "--all")
    run(*git, "commit", "--quiet", "--allow-empty", "--message", "now")
    who = {
        f"GIT_{w}_{k}": v
        for w in ("AUTHOR", "COMMITTER")
        for k, v in (("NAME", "a"), ("EMAIL", "a@b"))
    }
    command = (sys.executable, place / "workflow/release.py")
    for wrong, told in (("1.2", "is no version"), ("v2.0.0", "is no version")):
        done = run(*command, wrong, cwd=place)
        assert done.returncode
        assert told in done.stdout

    done = run(*command, "9.8.7", "--day", "2030-01-02", cwd=place, env=who)
    assert done.returncode == 0, done.stdout
    assert {p.name for p in place.glob("dist/*")} == {
        "mssync-9.8.7.tar.gz",
        "mssync-9.8.7-py3-none-any.whl",
    }
    assert '__version__ = "9.8.7"' in (place / "mssync/__init__.py").read_text()
    assert "## [9.8.7] - 2030-01-02" in (place / "CHANGELOG.md").read_text()
    assert "version: 9.8.7\ndate-released: 2030-01-02\n" in (place / "CITATION.cff").read_text()
    assert run(*git, "tag").stdout.split() == ["v9.8.7"]
    again = run(*command, "9.8.7", cwd=place, env=who)
    assert "9.8.7 is not above 9.8.7" in again.stdout
    (place / "README.md").write_text("")
    assert "has changes" in run(*command, "10.0.0", cwd=place, env=who).stdout
    run(*git, "checkout", "--quiet", "README.md")
    nothing_new = run(*command, "10.0.0", cwd=place, env=who)
    assert "no section" in nothing_new.stdout
    assert not run(*git, "status", "--porcelain").stdout


def test_light():
    "Importing metric, loss, trainer or profiles imports no video or landmark library."
    light = ("metrics.synchrony", "model.syncer", "training.gan", "study.profiles")
    heavy = ["av", "cv2", "dlib", "face_alignment", "ai_edge_litert", "skimage", "librosa"]
    look = f"print([m for m in {heavy} if m in sys.modules])"
    code = "; ".join(["import sys", *(f"import mssync.{m}; {look}" for m in light)])
    done = run(sys.executable, "-c", code)
    assert (done.returncode, done.stdout) == (0, 4 * "[]\n"), done.stdout


def link_packages(names: list[str], site: Path):
    "Packages of this environment, and what they require, into another one: not copied, linked."
    todo = list(names)
    done = set()
    while todo:
        name = canonicalize_name(todo.pop())
        if name in done:
            continue
        done.add(name)
        package = distribution(name)
        for file in package.files:
            source = Path(package.locate_file(file))
            if ".." not in file.parts and source.is_file():
                link(source, site / file)
                compiled = Path(cache_from_source(str(source)))
                if source.suffix == ".py" and compiled.is_file():
                    link(compiled, Path(cache_from_source(str(site / file))))
        required = map(Requirement, package.requires or ())
        todo += [r.name for r in required if not r.marker or r.marker.evaluate(dict(extra=""))]


def link(source: Path, target: Path):
    "A file at a second place."
    target.parent.mkdir(parents=True, exist_ok=True)
    if target.exists():
        return
    try:
        os.link(source, target)
    except OSError:  # another disk
        shutil.copy(source, target)


def test_wheel(tmp_path):
    """Source archive and wheel are the same bytes when built again, and in an empty environment
    metric, loss, generator and the command work."""
    python = tmp_path / "env/bin/python"
    alone = {"PYTHONPATH": ""}

    def succeeds(*command, **env):
        done = run(*command, cwd=tmp_path, env=alone | env)
        assert done.returncode == 0, done.stdout[-4000:]
        return done.stdout

    for out in ("once", "again"):
        succeeds(sys.executable, ROOT / "workflow/dist.py", tmp_path / out)
    once, again = (
        {p.name: p.read_bytes() for p in (tmp_path / out).iterdir()} for out in ("once", "again")
    )
    assert len(once) == 2
    assert once == again, "built twice, the archives have other bytes"
    (wheel,) = tmp_path.glob("once/*.whl")
    with zipfile.ZipFile(wheel) as content:
        needed = {"mssync/profiles/cpu.yaml", "mssync/app/demo.html"}
        assert needed <= set(content.namelist())
    succeeds(sys.executable, "-m", "venv", "--without-pip", "env")
    (site,) = (tmp_path / "env").glob("lib/python*/site-packages")
    link_packages(["torch"], site)
    wanted = ["--constraint", ROOT / "requirements.lock", wheel]
    uv = [BIN / "uv", "pip", "install", "--python", python]
    if run(*uv, *wanted, cwd=tmp_path, env=alone).returncode:  # pip may know another way
        pip = [sys.executable, "-m", "pip", "--python", python, "install", "--quiet"]
        succeeds(*pip, "--no-compile", *wanted)  # compiled is what is imported
    assert f"used {tmp_path}" in succeeds(python, "-c", USE)
    assert "mssync COMMAND --help" in succeeds(python, "-m", "mssync.app.cli", "--help")
