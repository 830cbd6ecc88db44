import inspect
import os
import re
from pathlib import Path

os.environ["MPLBACKEND"] = "Agg"

import sklearn
from docutils import nodes
from docutils.utils.math.latex2mathml import tex2mathml

import skrobust

HERE = Path(__file__).parent

project = "skrobust"
author = "the skrobust developers"
copyright = author
version = release = skrobust.__version__

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "matplotlib.sphinxext.plot_directive",
    "myst_parser",
    "numpydoc",
]
templates_path = ["_templates"]
exclude_patterns = ["_build", "changes/README.rst", "changes/*.*.rst"]
root_doc = "index"

autosummary_generate = True
autodoc_typehints = "none"
numpydoc_show_class_members = False

plot_include_source = True
plot_html_show_source_link = False
plot_html_show_formats = False
plot_formats = [("png", 90)]

html_theme = "pydata_sphinx_theme"
html_title = f"skrobust {version}"
html_theme_options = {"navigation_with_keys": False, "show_prev_next": False}
# no list beside pages that stand alone, nor beside scripts, which need the room
WIDE = (
    "install",
    "results",
    "papers",
    "architecture",
    "contributing",
    "changes/index",
    "gallery/**",
)
html_sidebars = {page: [] for page in WIDE}
html_static_path = ["_static"]
html_css_files = ["tables.css"]
html_copy_source = False

suppress_warnings = ["config.cache"]

# browsers draw MathML themselves: no script from a server, which closed networks cannot reach
html_math_renderer = "mathml"


def reset_sklearn(gallery_conf, fname):
    """Undo the sklearn.set_config of an example."""
    sklearn.set_config(enable_metadata_routing=False)


if list((HERE / "../examples").glob("plot_*.py")):
    extensions.append("sphinx_gallery.gen_gallery")
    sphinx_gallery_conf = {
        "examples_dirs": "../examples",
        "gallery_dirs": "gallery",
        "filename_pattern": r"/plot_",
        "ignore_pattern": r"/(?!plot_)[^/]*\.py$|/benchmarks/",
        "within_subsection_order": "FileNameSortKey",
        "doc_module": ("skrobust",),
        "backreferences_dir": None,
        "show_memory": False,
        "reset_modules": ("matplotlib", reset_sklearn),
        "reset_modules_order": "both",
        "abort_on_example_error": False,
        "download_all_examples": False,
        "remove_config_comments": True,
        # its page of times loads scripts from a server
        "write_computation_times": False,
    }
else:
    (HERE / "gallery").mkdir(exist_ok=True)
    (HERE / "gallery/index.rst").write_text("Examples\n========\n\nThis build has no examples.\n")


def skip_request_setters(app, what, name, obj, skip, options):
    """Leave out the methods that scikit-learn makes for metadata routing."""
    made = re.fullmatch(r"set_\w+_request|get_metadata_routing", name)
    return True if made else skip


def escape_stars(app, what, name, obj, options, lines):
    """Keep the star of shapes such as (channels, *spatial) from starting an emphasis."""
    lines[:] = [
        line
        if "`" in line or line.lstrip().startswith((">>>", "..."))
        else line.replace(", *", r", \*")
        for line in lines
    ]


def resolve_short_name(app, env, node, contnode):
    """Link skrobust.X to the page of skrobust.<folder>.X."""
    target = node.get("reftarget", "")
    obj = getattr(skrobust, target.removeprefix("skrobust."), None)
    module = inspect.getmodule(obj) if inspect.isclass(obj) or inspect.isfunction(obj) else None
    if module is None or not module.__name__.startswith("skrobust."):
        return None
    full = f"skrobust.{module.__name__.split('.')[1]}.{obj.__name__}"
    domain = env.get_domain("py")
    return domain.resolve_xref(
        env, node["refdoc"], app.builder, node["reftype"], full, node, contnode
    )


def to_mathml(formula, **options):
    """Return a formula as MathML, which sizes its brackets itself."""
    return tex2mathml(re.sub(r"\\[bB]igg?[lr]?\b", "", " ".join(formula.split())), **options)


def visit_math(self, node):
    """Write a formula in a line of text."""
    self.body.append(to_mathml(node.astext()))
    raise nodes.SkipNode


def visit_math_block(self, node):
    """Write a formula of its own."""
    formula = to_mathml(node.astext(), as_block=True)
    self.body.append(f'<div class="formula">{formula}</div>')
    raise nodes.SkipNode


def setup(app):
    app.add_html_math_renderer("mathml", (visit_math, None), (visit_math_block, None))
    app.connect("autodoc-skip-member", skip_request_setters)
    # before numpydoc's own
    app.connect("autodoc-process-docstring", escape_stars, priority=400)
    app.connect("missing-reference", resolve_short_name)
