"""nbval runs the cells as Jupyter does, so that a closing ``;`` silences a value.

nbval executes without history, and IPython looks for the semicolon there. Only the
option ``store_history`` differs from nbval's own method.
"""

from nbval.kernel import RunningKernel


def execute_cell_input(self, cell_input, allow_stdin=None):
    return self.kc.execute(
        cell_input, allow_stdin=allow_stdin, stop_on_error=False, store_history=True
    )


RunningKernel.execute_cell_input = execute_cell_input
