"""Sphinx: the notebooks as they are committed (not executed again), the cards and this project's own pages.

Build with ``make docs``; the source folder is the repository, so that nothing is copied.
"""

project = "Seeing Without Labels"
author = "The Seeing Without Labels authors"
extensions = ["myst_nb"]
root_doc = "docs/index"
include_patterns = ["docs/**", "notebooks/**/*.ipynb", "datasets/*.md", "datasets/cards/*.md", "*.md"]
exclude_patterns = [".venv", "runs", "**/.ipynb_checkpoints", "datasets/cache"]
nb_execution_mode = "off"
# A saved widget needs scripts from elsewhere; its picture does not.
nb_mime_priority_overrides = [("html", "text/html", 0), ("html", "image/png", 1)]
myst_enable_extensions = ["dollarmath", "amsmath"]
html_theme = "alabaster"
# Links of README and CONTRIBUTING to folders and sources are right in the repository, not in the book.
suppress_warnings = ["myst.xref_missing", "mystnb.unknown_mime_type", "myst.header"]
