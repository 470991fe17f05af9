"""Sphinx's settings. The tree that they belong to is put together by workflow/book.py."""

project = "mssync"
author = "The mssync authors"
copyright = "2026 onwards, The mssync authors"

extensions = ["myst_nb", "sphinx.ext.mathjax", "sphinx-mathjax-offline"]
nb_execution_mode = "off"  # notebooks are shown as they are stored
myst_enable_extensions = ["amsmath", "dollarmath", "colon_fence", "deflist"]
myst_heading_anchors = 3
suppress_warnings = ["misc.highlighting_failure"]
html_theme = "sphinx_book_theme"
html_title = "mssync"
html_static_path = []
html_theme_options = {"show_toc_level": 2, "home_page_in_toc": True}
exclude_patterns = ["_build"]
