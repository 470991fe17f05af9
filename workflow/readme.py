"""Write README.md from nbs/index.ipynb.

With `--check` nothing is written: the exit status is 1 where they differ.
"""

import argparse
import posixpath
import re
import sys
from pathlib import Path

from execnb.nbio import read_nb
from nbconvert import MarkdownExporter
from nbdev import processors as procs
from nbdev.process import NBProcessor

ROOT = Path(__file__).resolve().parent.parent

# What stands before a link's target, and the target: of Markdown and of HTML, if it is relative.
BEFORE = r"""\]\(\s*|\b(?:src|href)=["']"""
ELSEWHERE = r"\#|/|[a-z][a-z+.-]*:"
LINK = re.compile(rf"""({BEFORE})(?!{ELSEWHERE})([^)"'\s\#]+)""")

# The directives of the documentation that README.md obeys too.
PROCESSORS = [
    procs.insert_warning,
    procs.strip_ansi,
    procs.hide_line,
    procs.filter_stream_,
    procs.rm_header_dash,
    procs.rm_export,
    procs.clean_magics,
    procs.hide_,
]


def relink(
    text: str,  # Markdown whose relative links start in the folder of index.ipynb
) -> str:  # the same with links that start in the repository's root
    "Rewrite relative links and pictures; a target that does not exist is an error."

    def repl(m):
        target = posixpath.normpath(posixpath.join("nbs", m[2]))
        if not (ROOT / target).exists():
            sys.exit(f"nbs/index.ipynb: link to {m[2]}: no such file")
        return m[1] + target

    # code blocks stay as they are
    parts = re.split(r"(^```.*?^```[^\n]*$)", text, flags=re.M | re.S)
    return "".join(part if part.startswith("```") else LINK.sub(repl, part) for part in parts)


def readme() -> str:
    "nbs/index.ipynb as Markdown, its directives obeyed as in the documentation."
    nb = read_nb(ROOT / "nbs/index.ipynb")
    NBProcessor(nb=nb, procs=PROCESSORS).process()
    text, resources = MarkdownExporter().from_notebook_node(nb)
    if resources["outputs"]:
        sys.exit("nbs/index.ipynb: a cell shows a picture; save it as a file and link to it")
    return re.sub(r"\n{3,}", "\n\n", relink(text)).strip() + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    what = "write nothing, exit 1 where README.md differs"
    parser.add_argument("--check", action="store_true", help=what)
    args = parser.parse_args()
    path = ROOT / "README.md"
    text = readme()
    if not args.check:
        path.write_text(text, encoding="utf-8")
    elif not path.exists() or path.read_text(encoding="utf-8") != text:
        sys.exit("README.md is not what nbs/index.ipynb gives: run `make readme`")


if __name__ == "__main__":
    main()
