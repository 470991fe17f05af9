"""Build the book: the notebooks as they are stored, the results of the reference runs, and an API reference (`make book`).

Everything is copied into one tree, links are turned to where their targets went, and Sphinx makes the pages. A link to
nothing, and every warning of Sphinx, is an error. Nothing is downloaded and no notebook is run.
"""

import argparse
import html
import importlib
import inspect
import json
import posixpath
import re
import shutil
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
ROOMS = {
    "data": "Data",
    "model": "The model",
    "training": "Training",
    "simulate": "Simulated speakers",
    "metrics": "Metrics",
    "baselines": "Baselines",
    "app": "Use",
    "study": "The study",
    "experiments": "The experiments",
}
FACE = "mssync"  # the names that `import mssync` offers

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


def contents(title: str, entries, text: str = "", depth: int = 1) -> str:
    "A page with a table of contents."
    listed = "\n".join(entries)
    return f"# {title}\n\n{text}\n\n```{{toctree}}\n:maxdepth: {depth}\n\n{listed}\n```\n"


# --- notebooks


def levels(text: str, depth: int = 0) -> tuple[str, int]:
    "Headings go down by one level at a time, below a heading of `depth`; the text, and where it ends."
    out, fenced = [], False
    for line in text.split("\n"):
        fenced ^= line.startswith("```")
        if (m := re.match(r"(#+) ", line)) and not fenced:
            depth = min(len(m[1]), depth + 1)
            line = "#" * depth + line[len(m[1]) :]
        out.append(line)
    return "\n".join(out), depth


def add_notebook(tree: Path, path: Path):
    "Copy a notebook as it is stored: links turned, nbdev's directives hidden."
    origin = path.relative_to(ROOT).as_posix()
    here = place(origin)
    nb = json.loads(path.read_text(encoding="utf-8"))
    kept, depth = [], 0
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
    nb["cells"] = kept
    write(tree, here, json.dumps(nb, ensure_ascii=False))


def add_notebooks(tree: Path):
    "All notebooks, a chapter a room, in reading order."
    for room, title in ROOMS.items():
        found = sorted((ROOT / "nbs" / room).glob("[0-9]*.ipynb"))
        for path in found:
            add_notebook(tree, path)
        readme = ROOT / "nbs" / room / "README.md"
        text = ""
        if readme.exists():
            origin = readme.relative_to(ROOT).as_posix()
            text = relink(readme.read_text(encoding="utf-8"), origin, place(origin))
            text = text.partition("\n")[2]
        write(tree, f"notebooks/{room}/index.md", contents(title, [p.stem for p in found], text))
    shutil.copytree(ROOT / "nbs/images", tree / "notebooks/images")


# --- results


def add_results(tree: Path):
    "The reference runs: every table a page, every figure and CSV a file."
    reference = ROOT / "results/reference"
    for path in sorted(reference.rglob("*")):
        if path.is_dir():
            continue
        origin = path.relative_to(ROOT).as_posix()
        here = place(origin)
        if path.suffix != ".md":
            (tree / here).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, tree / here)
            continue
        text = relink(path.read_text(encoding="utf-8"), origin, here)
        if not re.match(r"\s*# ", text):
            text = f"# {path.parent.name}: {path.stem.replace('_', ' ')}\n\n{text}"
        write(tree, here, levels(text)[0])
    for run in sorted(p for p in reference.iterdir() if p.is_dir()):
        tables = [p.stem for p in sorted(run.glob("*.md"))]
        pictures = "\n\n".join(f"![{p.stem}]({p.name})" for p in sorted(run.glob("*.png")))
        page = contents(run.name, tables) + f"\n{pictures}\n"
        write(tree, f"results/{run.name}/index.md", page)
    runs = [f"{p.name}/index" for p in sorted(reference.iterdir()) if p.is_dir()]
    index = (tree / "results/index.md").read_text(encoding="utf-8")
    hidden = "\n".join(["```{toctree}", ":maxdepth: 1", ":hidden:", "", *runs, "```", ""])
    write(tree, "results/index.md", f"{index}\n\n{hidden}")


# --- API


def modules(room: str) -> list[str]:
    "Modules of a room, in the order of their notebooks."
    names = []
    for path in sorted((ROOT / "nbs" / room).glob("[0-9]*.ipynb")):
        name = path.stem.partition("_")[2]
        if (ROOT / "mssync" / room / f"{name}.py").exists():
            names.append(name)
    return names


def parameters(what) -> str:
    "A table of parameters with the comments that stand beside them in the code."
    from fastcore.docments import docments

    try:
        found = docments(what, full=True, returns=True)
    except (ValueError, TypeError, OSError, SyntaxError, AttributeError, KeyError, IndexError):
        return ""
    rows = []
    for name, about in found.items():
        if name in ("self", "cls"):
            continue
        said = " ".join((about.docment or "").split()).replace("|", "\\|")
        if name == "return":
            if said:
                rows.append(f"| *returns* | | {said} |")
            continue
        default = about.default
        shown = "" if default is inspect.Parameter.empty else f"`{str(default)[:40]}`"
        rows.append(f"| `{name}` | {shown} | {said} |")
    if not rows:
        return ""
    return "\n".join(["| parameter | default | |", "|---|---|---|", *rows]) + "\n"


def entry(name: str, what, level: int = 2) -> str:
    "One function or class."
    try:
        signature = str(inspect.signature(what))
    except (ValueError, TypeError):
        signature = ""
    brief = re.sub(r"\s+", " ", re.sub(r" at 0x[0-9a-f]+", "", signature))
    doc = inspect.cleandoc(what.__doc__ or "") if not signature.startswith(doc_start(what)) else ""
    text = f"{'#' * level} `{name}`\n\n```python\n{name}{brief}\n```\n\n{html.escape(doc, quote=False)}\n\n"
    return text + parameters(what) + "\n"


def doc_start(what) -> str:
    "Dataclasses without a docstring get their signature as one."
    doc = what.__doc__ or ""
    return doc if inspect.isclass(what) and doc.startswith(what.__name__ + "(") else "\0"


def public_methods(cls) -> list[tuple[str, object]]:
    "Methods that a class defines itself."
    found = []
    for name, value in vars(cls).items():
        value = getattr(value, "__func__", value)
        if inspect.isfunction(value) and not name.startswith("_"):
            found.append((name, value))
    return found


def api_page(room: str, name: str) -> str:
    "The reference of a module."
    module = importlib.import_module(f"mssync.{room}.{name}")
    text = [f"# mssync.{room}.{name}\n\n{module.__doc__ or ''}\n"]
    for public in getattr(module, "__all__", []):
        what = getattr(module, public)
        if not (inspect.isfunction(what) or inspect.isclass(what)):
            continue
        text.append(entry(public, what))
        if inspect.isclass(what) and not issubclass(what, BaseException):
            text += [entry(f"{public}.{n}", m, 3) for n, m in public_methods(what)]
    return "\n".join(text)


def add_api(tree: Path):
    "A page a module, and the list of them."
    listed = []
    for room in ROOMS:
        for name in modules(room):
            write(tree, f"api/{room}.{name}.md", api_page(room, name))
            listed.append(f"{room}.{name}")
    text = (
        "Every public function and class, with the comments that stand beside its parameters. "
        "The notebooks say why; this says how."
    )
    write(tree, "api/index.md", contents("API", listed, text))


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
        print("\n".join(MISSING))
    status = build(out / "source", out / "html")
    if not status:
        print(f"the book: {out / 'html' / 'index.html'}")
    sys.exit(status)
