"""A Sphinx extension: the place for a field below each exercise that a page can check.

The place is an empty element with the exercise's name and its entry of the file of
answers (base64). book/_static/exercises.js fills it; without the script nothing shows.
Exercises that ask for a function get none.
"""

from html import escape
from pathlib import Path

from docutils import nodes
from sphinx_exercise.nodes import is_exercise_node

from recsys_tutor.exercises import store

ANSWERS = Path(store.__file__).with_name("answers.txt")


def name_of(docname, label):
    """Name of an exercise: number of the chapter, last word of the label."""
    return f"{Path(docname).name[:2]}-{label.rpartition('-')[2]}"


def place(name):
    """The empty element for the script, or "" where a page cannot check."""
    entry = store.entries().get(name)
    if entry is None or entry["kind"] == "function":
        return ""
    data = escape(store.encode(entry))
    return f'<div class="exercise-check" data-name="{name}" data-entry="{data}"></div>'


def add_places(app, doctree, docname):
    """Put a place at the end of every exercise of the page."""
    for exercise in list(doctree.findall(is_exercise_node)):
        text = place(name_of(docname, exercise.get("label", "")))
        if text:
            exercise += nodes.raw("", text, format="html")


def note_answers(app, doctree):
    """A page with exercises is made anew when the answers changed."""
    if any(True for _ in doctree.findall(is_exercise_node)):
        app.env.note_dependency(str(ANSWERS))


def setup(app):
    app.connect("doctree-read", note_answers)
    app.connect("doctree-resolved", add_places)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
