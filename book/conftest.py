"""How nbval runs and compares the cells of the book.

It runs them as Jupyter does, so that a closing ``;`` silences a value: nbval executes
without history, and IPython looks for the semicolon there. Only the option
``store_history`` differs from nbval's own method.

It compares numbers to one unit of their last printed place and everything else exactly,
so that the stored outputs hold on another computer: see tests/book/cell_comparison.py.
"""

import cell_comparison
from nbval.kernel import RunningKernel


def execute_cell_input(self, cell_input, allow_stdin=None):
    return self.kc.execute(
        cell_input, allow_stdin=allow_stdin, stop_on_error=False, store_history=True
    )


RunningKernel.execute_cell_input = execute_cell_input
cell_comparison.install()
