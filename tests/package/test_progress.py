"""Progress bars: where somebody is there to see them, never in a stored output."""

import os
import subprocess
import sys
from types import SimpleNamespace

import nbformat
import pytest
from nbclient import NotebookClient

from recsys_tutor import progress
from recsys_tutor.progress import is_watched, track


@pytest.fixture
def terminal(monkeypatch):
    """A stderr that is a terminal, and none of the variables that decide."""
    for name in (progress.VARIABLE, *progress.LIVE):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(sys, "modules", dict(sys.modules))
    sys.modules.pop("ipykernel", None)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    return monkeypatch


def test_a_terminal_is_watched_and_a_pipe_is_not(terminal):
    assert is_watched()
    terminal.setattr(sys.stderr, "isatty", lambda: False)
    assert not is_watched()


@pytest.mark.parametrize("name", [*progress.LIVE, progress.VSCODE])
def test_a_kernel_is_watched_if_a_front_end_started_it(terminal, name):
    kernel = SimpleNamespace(user_ns={})
    sys.modules["ipykernel"] = kernel
    sys.modules["IPython"] = SimpleNamespace(get_ipython=lambda: kernel)
    assert not is_watched()
    if name == progress.VSCODE:
        kernel.user_ns[name] = "03.ipynb"
    else:
        terminal.setenv(name, "1")
    assert is_watched()


@pytest.mark.parametrize("said, wanted", [("0", False), ("1", True)])
def test_the_variable_decides(terminal, said, wanted):
    terminal.setenv(progress.VARIABLE, said)
    assert is_watched() == wanted


def test_the_steps_come_unchanged_with_a_bar_if_asked(capsys, monkeypatch):
    monkeypatch.setenv(progress.VARIABLE, "0")
    assert list(track("abc", "letters")) == list("abc")
    assert capsys.readouterr() == ("", "")
    assert list(track(iter("abc"), "letters", total=3, progress=True)) == list("abc")
    out, err = capsys.readouterr()
    assert out == "" and "letters: 100%" in err and "3/3" in err
    monkeypatch.setenv(progress.VARIABLE, "1")
    assert list(track("abc", progress=False)) == list("abc")
    assert list(track("abc")) == list("abc"), "too quick for a bar"
    assert "3/3" not in capsys.readouterr().err


SLOW = """
import time
from recsys_tutor.progress import track
for _ in track(range(3)):
    time.sleep(0.6)
"""


def outputs(environment):
    """What a cell of 1.8 seconds leaves behind when a program executes it."""
    cell = nbformat.v4.new_code_cell(SLOW)
    notebook = nbformat.v4.new_notebook(cells=[cell])
    env = {k: v for k, v in os.environ.items() if k not in progress.LIVE}
    env.pop(progress.VARIABLE, None)
    NotebookClient(notebook).execute(env=env | environment)
    return [output.get("text", "") for output in notebook.cells[0].outputs]


@pytest.mark.slow
def test_an_executed_notebook_stores_no_bar_and_an_open_one_shows_it():
    assert outputs({}) == []
    assert any(
        "3/3" in text or "2/3" in text
        for text in outputs({"JPY_SESSION_NAME": "work/03.ipynb"})
    )


def test_a_script_without_a_terminal_prints_no_bar():
    env = {k: v for k, v in os.environ.items() if k != progress.VARIABLE}
    run = subprocess.run(
        [sys.executable, "-c", SLOW], capture_output=True, text=True, env=env
    )
    assert run.returncode == 0 and run.stderr == ""
