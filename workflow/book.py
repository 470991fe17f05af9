"""Build the book: notebooks as they are stored, reference runs, API reference (`make book`).

Everything is copied into one tree, links are turned to where their targets went, and Sphinx makes
the pages. A link to nothing, and every warning of Sphinx, is an error. Nothing is downloaded, no
notebook is run, and no module is imported: the API reference is read from the source.
"""

import argparse
import json
import posixpath
import re
import shutil
import sys
from pathlib import Path

from book_api import reference

ROOT = Path(__file__).resolve().parent.parent
ROOMS = {
    "data": "Data",
    "model": "The model",
    "training": "Training",
    "simulate": "Simulated speakers",
    "metrics": "Metrics",
    "baselines": "Baselines",
    "render": "Pictures",
    "app": "Use",
    "study": "The study",
    "experiments": "The experiments",
}

# The reference runs in reading order: titles of their pages
RUNS = {
    "full": "Simulated speakers",
    "loss": "Multi-scale against single-scale loss, ten trainings",
    "grid_s1": "GRID, one real talker",
    "heads": "Real talkers who move their heads",
    "curve": "How much data",
    "sweeps": "How much loss, how many levels",
    "fbank": "Filter bank in place of MFCC",
    "real": "Calibration on many real talkers",
    "bench": "Benchmark",
}

# A run's page: sections, and what stands in them if the run has it
SECTIONS = {
    "The paper's claims": ["claims.png", "claims.md"],
    "Synchrony": ["table3.md", "figure3.png", "figure5.png", "sweep.png", "transfer.png"],
    "Quality of motion": ["table2.md", "residual.png", "drift.png", "figure4.png"],
    "Planted truth": ["truth.md", "truth.png", "masks.md", "masks.png"],
    "Can the metrics be trusted?": [
        "calibration.md",
        "calibration_shift.png",
        "calibration_damage.png",
        "calibration_generated.png",
    ],
    "Speed": ["benchmark.png", "benchmark.md", "linear.md", "metrics.md", "tried.md"],
    "More tables": [],
    "More figures": [],
}
INLINE = ("table3.md", "table2.md", "linear.md", "metrics.md")  # first tables stand on the page
CAPTIONS = {
    "claims": "The paper's claims, scale by scale",
    "claims_intervals": "Every comparison behind the claims, with its intervals",
    "figure1": "Figure 1, from this run's networks: the syncers and the loss",
    "figure2": "Figure 2, from this run's networks: the generator",
    "figure3": "Figure 3: AV-Conf over the shift of the sound",
    "figure4": "Figure 4: generated faces",
    "figure5": "Figure 5: AV-Conf of validation clips over training",
    "sweep": "AV-Conf and motion over what is varied",
    "transfer": "From one corpus to another",
    "residual": "Shape residual over time, ratio to real (1 = real)",
    "drift": "How far heads drift, to 1000 frames",
    "truth": "How much of the planted motion comes back",
    "masks": "Which branch moves which part of the face",
    "corpus": "The corpus: lengths and motion",
    "benchmark": "Time of each version over the least that the machine could take",
    "calibration_shift": "Planted shifts, and what is found",
    "calibration_damage": "Damage that grows, and what the measures say",
    "calibration_generated": "Published videos of other systems",
    "seed_0_syncers_loss": "Training of the loss syncers",
    "seed_0_syncers_metric": "Training of the metric syncers",
    "seed_0_syncers_loss_shift": "Shifts that the loss syncers find",
    "seed_0_syncers_metric_shift": "Shifts that the metric syncers find",
}
TITLES = {
    "benchmark": "Benchmark: every row",
    "linear": "Benchmark: cost by length and number",
    "metrics": "Benchmark: seconds of the metrics",
    "tried": "Benchmark: what was tried",
}

# Where a file or folder of the repository goes. The first match counts.
PAGES = {
    "data/README.md": "data.md",
    "mssync/weights/README.md": "model_card.md",
    "CHANGELOG.md": "changelog.md",
    "README.md": "index.md",
    "nbs/index.ipynb": "index.md",
    "nbs/experiments/README.md": "notebooks/experiments/index.md",
    "results/reference/README.md": "results/index.md",
}
FOLDERS = {"nbs": "notebooks", "results/reference": "results", "book": "."}
LINK = re.compile(r"(!?\[(?:[^\[\]]|\[[^\]]*\])*\]\(\s*)([^)\s]+)((?:\s+\"[^\"]*\")?\s*\))")
MISSING: list[str] = []  # links to nothing
IMAGE = re.compile(r"(<img[^>]*\bsrc=[\"'])([^\"']+)([\"'])")


def place(
    path: str,  # of a file or folder, from the repository's root
) -> str | None:  # from the book's root; None: not part of the book
    "Where something of the repository stands in the book."
    if path in PAGES:
        return PAGES[path]
    for folder, target in FOLDERS.items():
        if path == folder or path.startswith(folder + "/"):
            return posixpath.normpath(posixpath.join(target, posixpath.relpath(path, folder)))
    return None


def relink(
    text: str,  # Markdown
    origin: str,  # the file that it stands in, from the repository's root
    here: str,  # that file's place in the book
) -> str:
    "Turn links to where their targets stand in the book; what is not in it becomes plain text."

    def new(match: re.Match) -> str:
        before, target, after = match.groups()
        if re.match(r"[a-z][a-z0-9+.-]*:|#", target):
            return match[0]
        path, _, anchor = target.partition("#")
        path = posixpath.normpath(posixpath.join(posixpath.dirname(origin), path))
        if not (ROOT / path).exists():
            MISSING.append(f"{origin}: link to {target}: no such file")
            return match[0]
        there = place(path)
        if there is not None and (ROOT / path).is_dir():
            there = posixpath.join(there, "index.md")
        if there is None or there.endswith((".py", ".yaml")):
            return before.strip("![").rpartition("]")[0]
        there = posixpath.relpath(there, posixpath.dirname(here) or ".")
        return before + there + (f"#{anchor}" if anchor else "") + after

    fenced = re.split(r"(^```.*?^```[^\n]*$)", text, flags=re.M | re.S)
    for k, part in enumerate(fenced):
        if not part.startswith("```"):
            fenced[k] = IMAGE.sub(new, LINK.sub(new, part))
    return "".join(fenced)


def write(tree: Path, name: str, text: str):
    "Write a page."
    path = tree / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def hidden(entries) -> str:
    "A table of contents for the side bar only."
    return "\n".join(["```{toctree}", ":maxdepth: 1", ":hidden:", "", *entries, "```", ""])


# --- notebooks


def levels(text: str, depth: int = 0) -> tuple[str, int]:
    "Headings go down by one level at a time, below one of `depth`; the text, and where it ends."
    out = []
    fenced = False
    for line in text.split("\n"):
        fenced ^= line.startswith("```")
        if (m := re.match(r"(#+) ", line)) and not fenced:
            depth = min(len(m[1]), depth + 1)
            line = "#" * depth + line[len(m[1]) :]
        out.append(line)
    return "\n".join(out), depth


def note(text: str) -> dict:
    "A cell of Markdown."
    return dict(cell_type="markdown", id="reference", metadata={}, source=[text])


def heading(path: Path) -> tuple[str, str]:
    "Title and summary of a notebook."
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    text = "".join(next(c["source"] for c in cells if c["cell_type"] == "markdown"))
    said = re.search(r"^> *(.*)$", text, flags=re.M)
    return title_of(text), said[1] if said else ""


def add_notebook(tree: Path, path: Path):
    "Copy a notebook as it is stored: links turned, nbdev's directives hidden."
    origin = path.relative_to(ROOT).as_posix()
    here = place(origin)
    nb = json.loads(path.read_text(encoding="utf-8"))
    kept = []
    depth = 0
    for cell in nb["cells"]:
        source = "".join(cell["source"])
        if re.match(r"#\|\s*default_exp", source):
            continue
        if cell["cell_type"] == "markdown":
            source, depth = levels(relink(source, origin, here), depth)
        else:
            source = re.sub(r"^#\|.*\n?", "", source, flags=re.M)
        cell["source"] = source.splitlines(keepends=True)
        kept.append(cell)
    room = path.parent.name
    name = path.stem.partition("_")[2]
    if (ROOT / "mssync" / room / f"{name}.py").exists():
        kept.append(note(f"[Reference of `mssync.{room}.{name}`](../../api/{room}.{name}.md)"))
    nb["cells"] = kept
    write(tree, here, json.dumps(nb, ensure_ascii=False))


def room_page(room: str, title: str, found: list[Path]) -> str:
    "A room's notebooks with what each is about."
    readme = ROOT / "nbs" / room / "README.md"
    text = f"# {title}\n"
    if readme.exists():
        origin = readme.relative_to(ROOT).as_posix()
        said = relink(readme.read_text(encoding="utf-8"), origin, place(origin))
        text += said.partition("\n")[2]
    text += "\n"
    entries = []
    for path in found:
        number = path.stem.partition("_")[0]
        name, said = heading(path)
        if not readme.exists():
            text += f"- [{number} {name}]({path.name}): {said}\n"
        entries.append(f"{number} {name} <{path.stem}>")
    return f"{text}\n{hidden(entries)}"


def add_notebooks(tree: Path):
    "All notebooks, a chapter a room, in reading order."
    for room, title in ROOMS.items():
        found = sorted((ROOT / "nbs" / room).glob("[0-9]*.ipynb"))
        for path in found:
            add_notebook(tree, path)
        write(tree, f"notebooks/{room}/index.md", room_page(room, title, found))
    shutil.copytree(ROOT / "nbs/images", tree / "notebooks/images")


# --- results


def said_of(run: str) -> str:
    "What the README of the reference runs says of one, in a row of its table or in its list."
    origin = "results/reference/README.md"
    readme = (ROOT / origin).read_text(encoding="utf-8")
    row = re.search(rf"^\| `{run}` \| (.*?) \|", readme, flags=re.M)
    item = re.search(rf"^- `{run}/?`:\s*(.*?)(?=^- |^\s*$|\Z)", readme, flags=re.M | re.S)
    if not (row or item):
        MISSING.append(f"{origin} says nothing of {run}")
        return ""
    said = " ".join((row or item)[1].split())
    return relink(said, origin, f"results/{run}/index.md")


def title_of(text: str) -> str:
    "The title of a page."
    return re.search(r"^# (.*)$", text, flags=re.M)[1]


def first_table(text: str) -> str:
    "The first table of a page, below its heading if that is not the page's title; or nothing."
    table = re.search(r"(?:^\|.*\n?)+", text, flags=re.M)
    if not table:
        return ""
    above = re.findall(r"^##+ (.*)$", text[: table.start()], flags=re.M)
    return (f"**{above[-1]}**\n\n" if above else "") + table[0]


def shown(run: Path, name: str, pages: dict[str, str]) -> str:
    "A table or a figure on its run's page."
    if name.endswith(".png"):
        said = CAPTIONS.get(name[:-4], name[:-4].replace("_", " "))
        return f"![{said}]({name})\n\n*{said}*\n"
    link = f"[{title_of(pages[name])}]({name})\n"
    table = first_table(pages[name]) if name in INLINE else ""
    return f"{table}\nThe whole page: {link}" if table else link


def run_page(run: Path, pages: dict[str, str]) -> str:
    "What a run is, then its claims, tables and figures, then every CSV."
    there = {p.name for p in run.glob("*.png")} | set(pages)
    sections = {title: [n for n in names if n in there] for title, names in SECTIONS.items()}
    placed = {n for names in sections.values() for n in names}
    sections["More tables"] = sorted(n for n in there - placed if n.endswith(".md"))
    sections["More figures"] = sorted(n for n in there - placed if n.endswith(".png"))
    title = RUNS.get(run.name, run.name)
    text = [f"# {title}\n\n{said_of(run.name)}\n"]
    for title, names in sections.items():
        if names:
            text += [f"## {title}\n", *(shown(run, n, pages) for n in names)]
    files = sorted(p.name for p in run.iterdir() if p.suffix in (".csv", ".json"))
    text += [
        f"## All numbers\n\nIn `results/reference/{run.name}/`:\n",
        " ·\n".join(f"[{n}]({n})" for n in files),
        "",
    ]
    order = [n for names in sections.values() for n in names if n.endswith(".md")]
    return "\n".join([*text, hidden(n[:-3] for n in order)])


def add_run(tree: Path, run: Path):
    "A run: a page of its own, every table a page, every figure and CSV a file."
    pages = {}
    for path in sorted(run.iterdir()):
        origin = path.relative_to(ROOT).as_posix()
        here = place(origin)
        if path.suffix != ".md":
            (tree / here).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, tree / here)
            continue
        text = relink(path.read_text(encoding="utf-8"), origin, here)
        if not re.match(r"\s*# ", text):
            text = f"# {TITLES.get(path.stem, path.stem.replace('_', ' '))}\n\n{text}"
        pages[path.name] = levels(text)[0]
        write(tree, here, pages[path.name])
    write(tree, f"results/{run.name}/index.md", run_page(run, pages))


def add_results(tree: Path):
    "The reference runs, in reading order."
    reference = ROOT / "results/reference"
    found = [p.name for p in reference.iterdir() if p.is_dir()]
    found = sorted(found, key=lambda n: (list(RUNS).index(n) if n in RUNS else len(RUNS), n))
    for name in found:
        add_run(tree, reference / name)
    for path in reference.glob("*.png"):
        shutil.copy(path, tree / "results" / path.name)
    entries = [f"{name}/index" for name in found]
    for path in sorted(reference.glob("*.md"), key=lambda p: p.stem == "README"):
        origin = path.relative_to(ROOT).as_posix()
        text = levels(relink(path.read_text(encoding="utf-8"), origin, place(origin)))[0]
        if path.stem == "README":
            text = re.sub(r"^(\| |- )`(\w+)`(?=:| \|)", r"\1[`\2`](\2/index.md)", text, flags=re.M)
            text += f"\n\n{hidden(entries)}"
        else:
            entries.insert(0, path.stem)
        write(tree, place(origin), text)


# --- API


def modules(room: str) -> list[tuple[str, str]]:
    "Modules of a room and their notebooks, in the order of the notebooks."
    names = []
    for path in sorted((ROOT / "nbs" / room).glob("[0-9]*.ipynb")):
        name = path.stem.partition("_")[2]
        if (ROOT / "mssync" / room / f"{name}.py").exists():
            names.append((name, path.stem))
    return names


def add_api(tree: Path):
    "A page a module, a list of them a room."
    text = [
        "# API\n",
        "Every public function and class, with the comments that stand beside its parameters.",
        "The notebooks say why; this says how.\n",
    ]
    entries = []
    for room, title in ROOMS.items():
        found = modules(room)
        text += [f"## {title}\n"] if found else []
        for name, notebook in found:
            source = (ROOT / "mssync" / room / f"{name}.py").read_text(encoding="utf-8")
            why = f"[{notebook}](../notebooks/{room}/{notebook}.ipynb) says why."
            write(tree, f"api/{room}.{name}.md", reference(f"mssync.{room}.{name}", source, why))
            said = heading(ROOT / "nbs" / room / f"{notebook}.ipynb")[1]
            text.append(f"- [mssync.{room}.{name}]({room}.{name}.md): {said}")
            entries.append(f"{room}.{name} <{room}.{name}>")
        text.append("")
    write(tree, "api/index.md", "\n".join([*text, hidden(entries)]))


# --- everything


def assemble(tree: Path):
    "Write the book's source tree."
    shutil.rmtree(tree, ignore_errors=True)
    tree.mkdir(parents=True)
    add_notebooks(tree)
    add_results(tree)
    add_api(tree)
    for origin in ("data/README.md", "mssync/weights/README.md", "CHANGELOG.md"):
        text = relink((ROOT / origin).read_text(encoding="utf-8"), origin, PAGES[origin])
        write(tree, PAGES[origin], levels(text)[0])
    for path in sorted((ROOT / "book").rglob("*")):
        here = path.relative_to(ROOT / "book").as_posix()
        if path.suffix == ".md":
            origin = f"book/{here}"
            write(tree, here, relink(path.read_text(encoding="utf-8"), origin, here))
        elif path.is_file():
            (tree / here).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, tree / here)


def build(tree: Path, pages: Path) -> int:  # exit status
    "Make the pages; every warning is an error."
    from sphinx.cmd.build import main

    return main(["-W", "--keep-going", "-q", "-j", "auto", "-b", "html", str(tree), str(pages)])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("out", nargs="?", default=str(ROOT / "_book"), help="folder of the book")
    out = Path(parser.parse_args().out)
    assemble(out / "source")
    if MISSING:
        sys.exit("\n".join(MISSING))
    status = build(out / "source", out / "html")
    if not status:
        print(f"the book: {out / 'html' / 'index.html'}")
    sys.exit(status)
