"""A Sphinx extension: a screen reader calls folded code what its line says.

myst-nb labels every fold "Toggle hidden content", which hides "Show the check" and
"Show the code of this figure" from whoever listens to the page.
"""

from myst_nb.sphinx_ import (
    HideCodeCellNode,
    depart_HideCellInput,
    visit_HideCellInput,
)

LABEL = ' aria-label="Toggle hidden content"'


def visit_fold(self, node):
    """Write the fold as myst-nb does, without its label."""
    start = len(self.body)
    visit_HideCellInput(self, node)
    self.body[start:] = [part.replace(LABEL, "") for part in self.body[start:]]


def setup(app):
    """Called by Sphinx."""
    app.add_node(
        HideCodeCellNode, override=True, html=(visit_fold, depart_HideCellInput)
    )
    return {"parallel_read_safe": True, "parallel_write_safe": True}
