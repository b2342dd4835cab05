# ruff: noqa: INP001 - Sphinx executes this file, nothing imports it
"""How `nox -s docs` makes the site: from the project's own Markdown, without a network."""

project = "closeout"
extensions = ["myst_parser"]
exclude_patterns = ["ci/*.yml"]
myst_heading_anchors = 3
html_theme = "alabaster"
html_theme_options = {
    "description": "Close a work order, and prove it closed",
    "fixed_sidebar": True,
    "show_powered_by": False,
}
html_show_copyright = False
html_copy_source = False
