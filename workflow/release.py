"""Make a version: its number everywhere, its day in the changelog, a commit, a tag, the archives.

    python workflow/release.py 0.2.0

Nothing is uploaded. What cannot be a version is refused before anything is written: a number that
is not above the last one, a checkout with changes, a changelog that says nothing of what is new.
"""

import argparse
import datetime
import re
import subprocess
import sys
from pathlib import Path

from dist import build

ROOT = Path(__file__).resolve().parent.parent
UNRELEASED = re.compile(r"^## \[[\d.]+\] - unreleased\n(.*?)(?=^## |\Z)", re.M | re.S)


class ReleaseError(ValueError):
    "Why there can be no version."


def git(*args: str) -> str:
    "What git says. Raises CalledProcessError."
    command = ["git", "-C", str(ROOT), *args]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def numbers(version: str) -> tuple[int, ...]:
    "(major, minor, patch)."
    if not re.fullmatch(r"\d+\.\d+\.\d+", version):
        raise ReleaseError(f"{version!r} is no version: MAJOR.MINOR.PATCH is needed")
    return tuple(map(int, version.split(".")))


def check(version: str, changelog: str):
    "Raise ReleaseError where this cannot be the next version."
    new = numbers(version)
    released = [numbers(v.removeprefix("v")) for v in git("tag", "--list", "v*").split()]
    if released and new <= max(released):
        raise ReleaseError(f"{version} is not above {'.'.join(map(str, max(released)))}")
    if git("status", "--porcelain"):
        raise ReleaseError("the checkout has changes: commit them first")
    section = UNRELEASED.search(changelog)
    if not section or not section[1].strip():
        raise ReleaseError("CHANGELOG.md has no section '## [...] - unreleased' with a text")


def replaced(path: Path, old: str, new: str):
    "Put `new` for the one place that matches. Raises ReleaseError where there is none or two."
    text, found = re.subn(old, new, path.read_text(encoding="utf-8"), flags=re.M)
    if found != 1:
        raise ReleaseError(f"{path.name}: {old!r} stands there {found} times, once is needed")
    path.write_text(text, encoding="utf-8")


def release(version: str, day: str) -> list[Path]:
    "Write, commit, tag, build; the archives."
    check(version, (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"))
    replaced(ROOT / "settings.ini", r"^version = .*$", f"version = {version}")
    replaced(ROOT / "mssync/__init__.py", r"^__version__ = .*$", f'__version__ = "{version}"')
    citation = ROOT / "CITATION.cff"
    replaced(
        citation,
        r"^version: .*\n(date-released: .*\n)?",
        f"version: {version}\ndate-released: {day}\n",
    )
    replaced(ROOT / "CHANGELOG.md", r"^(## \[).*(\] - )unreleased$", rf"\g<1>{version}\g<2>{day}")
    git("commit", "--quiet", "--all", "--message", f"Version {version}")
    git("tag", "--annotate", f"v{version}", "--message", f"mssync {version}")
    return build(ROOT / "dist")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("version", help="MAJOR.MINOR.PATCH")
    parser.add_argument("--day", default=datetime.date.today().isoformat(), help="(default: today)")
    given = parser.parse_args()
    try:
        for path in release(given.version, given.day):
            print(path)
    except ReleaseError as e:
        sys.exit(f"release: {e}")
