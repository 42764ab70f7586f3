"""The reading edition: README and the committed notebooks as pages that need no server and no Internet.

pip install -r tests/reading/requirements.txt
sphinx-build -c tests/reading . build/site          # then open build/site/README.html
"""

from pathlib import Path

project, language, author = "GAN từng dòng một", "vi", ""
html_title = project
root_doc = "README"
notebooks = sorted(path.stem for path in Path(__file__).resolve().parents[2].glob("notebooks/*.ipynb"))
pages = "README.md notebooks/README.md tests/README.md ganlib/assets/README.md".split()
pages += ["notebooks/lop_hoc/cau_hoi.md", "notebooks/lop_hoc/bai_lon.ipynb"]
include_patterns = pages + [f"notebooks/{name}.ipynb" for name in notebooks]

extensions = ["myst_nb", "sphinx-mathjax-offline"]
nb_execution_mode = "off"  # the outputs are those that are committed
myst_enable_extensions = ["dollarmath", "html_image"]
myst_heading_anchors = 4
myst_links_external_new_tab = True
suppress_warnings = ["myst.directive_option", "toc.not_included"]  # align="absmiddle"; the sample's own README

html_theme = "furo"
html_theme_options = {"top_of_page_buttons": []}
html_show_search_summary = False  # it would need a server
html_copy_source = html_show_sphinx = html_show_copyright = False
html_static_path, html_css_files = ["static"], ["reading.css"]


def change(app, docname, content):
    """README's table of notebooks gets their chapters in order; attached pictures are those of images/, too."""
    content[0] = content[0].replace("attachment:", "../images/")
    if docname == root_doc:
        names = "\n".join(f"notebooks/{name}" for name in notebooks)
        content[0] += f"\n```{{toctree}}\n:hidden:\n:maxdepth: 1\n\n{names}\n```\n"


def setup(app):
    app.connect("source-read", change)
