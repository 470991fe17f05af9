"""Build the source archive and the wheel into dist/, from the same commit the same bytes.

What is built is what git keeps, copied to a folder of its own; every time in the archives is that
of the commit (or SOURCE_DATE_EPOCH), and owners, modes and order do not depend on the machine.
"""

import argparse
import gzip
import io
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
NEEDED = ("mssync", "workflow/profiles")  # and the files beside setup.py
ALONE = "setup.py settings.ini pyproject.toml MANIFEST.in README.md LICENSE CHANGELOG.md".split()


def commit_time() -> int:
    "Seconds since 1970 that all files of the archives bear."
    if "SOURCE_DATE_EPOCH" in os.environ:
        return int(os.environ["SOURCE_DATE_EPOCH"])
    command = ["git", "log", "-1", "--format=%ct"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    return int(done.stdout or 315_532_800)  # 1980, the first year of a zip archive


def copy_source(to: Path):
    "The files that a package is made of, with the same modes everywhere."
    caches = shutil.ignore_patterns("__pycache__", "*.pyc")
    for name in NEEDED:
        shutil.copytree(ROOT / name, to / name, ignore=caches)
    for name in ALONE:
        shutil.copy(ROOT / name, to)
    for path in sorted(to.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)


def normalise(sdist: Path, seconds: int):
    "Write a source archive again: sorted, of one time, of nobody."
    with tarfile.open(sdist) as old:
        files = {m.name: (m, old.extractfile(m).read()) for m in old.getmembers() if m.isfile()}
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w", format=tarfile.PAX_FORMAT) as new:
        for name in sorted(files):
            found, data = files[name]
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            entry.mtime = seconds
            entry.mode = found.mode & 0o755
            new.addfile(entry, io.BytesIO(data))
    sdist.write_bytes(gzip.compress(content.getvalue(), 9, mtime=seconds))


def build(out: Path) -> list[Path]:
    "Build both, the wheel from the source archive's files. Raises CalledProcessError."
    seconds = commit_time()
    env = os.environ | dict(SOURCE_DATE_EPOCH=str(seconds), PYTHONHASHSEED="0")
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "source"
        copy_source(source)
        command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", folder, source]
        subprocess.run(command, env=env, check=True, stdout=subprocess.DEVNULL)
        (sdist,) = Path(folder).glob("*.tar.gz")
        (wheel,) = Path(folder).glob("*.whl")
        normalise(sdist, seconds)
        out.mkdir(parents=True, exist_ok=True)
        return [Path(shutil.copy(path, out)) for path in (sdist, wheel)]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("out", nargs="?", type=Path, default=ROOT / "dist")
    for path in build(parser.parse_args().out):
        print(path)
