"""Sphinx's settings. The tree that they belong to is put together by workflow/book.py."""

import functools
import importlib.util
import shutil
from pathlib import Path

from sphinx.search.en import SearchEnglish

project = "mssync"
author = "The mssync authors"
copyright = "2026 onwards, The mssync authors"

extensions = ["myst_nb", "sphinx.ext.mathjax"]
nb_execution_mode = "off"  # notebooks are shown as they are stored
myst_enable_extensions = ["amsmath", "dollarmath", "colon_fence", "deflist"]
myst_heading_anchors = 3
suppress_warnings = ["misc.highlighting_failure"]
exclude_patterns = ["_build"]

html_theme = "sphinx_book_theme"
html_title = "mssync"
html_static_path = ["_static"]
html_css_files = ["book.css"]
html_copy_source = False
html_theme_options = {
    "show_toc_level": 2,
    "home_page_in_toc": True,
    "collapse_navbar": True,  # otherwise every page holds the whole book's contents
    "use_download_button": False,
    "navbar_persistent": [],  # the search field is in the side bar
}

# Equations are drawn by the MathJax that the package sphinx-mathjax-offline brings along. It is not
# loaded as an extension, since it does not say that it may be read in parallel.
mathjax_path = "mathjax/tex-chtml.js"
MATHJAX = ("tex-chtml.js", "output/chtml", "input/tex", "a11y/assistive-mml.js")


# The index of the search takes the stem of every word of every page; most words come back.
SearchEnglish.stem = functools.lru_cache(None)(SearchEnglish.stem)


def copy_mathjax(app, failed):
    "Put MathJax and its fonts beside the pages."
    if failed:
        return
    package = Path(importlib.util.find_spec("sphinx-mathjax-offline").origin).parent
    for name in MATHJAX:
        source = package / "static/mathjax" / name
        target = Path(app.outdir) / "_static/mathjax" / name
        if source.is_dir():
            shutil.copytree(source, target, dirs_exist_ok=True)
        else:
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, target)


def setup(app):
    "Called by Sphinx."
    app.connect("build-finished", copy_mathjax)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
