"""A Sphinx extension: leave out the empty field entries of named tuples."""


def skip_field(app, what, name, obj, skip, options):
    """True for a member whose docstring is only "Alias for field number ..."."""
    doc = getattr(obj, "__doc__", None) or ""
    return True if doc.startswith("Alias for field number") else None


def setup(app):
    app.connect("autodoc-skip-member", skip_field)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
