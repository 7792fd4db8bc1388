"""The drawn pictures of the cover and the notation page are what the code draws."""

import shutil

import figures


def test_stored_pictures_are_up_to_date(tmp_path):
    assert figures.outdated() == []
    for path in figures.FOLDER.glob("*.svg"):
        shutil.copy(path, tmp_path)
    victim = tmp_path / "first-rows.svg"
    moved = victim.read_text("utf-8").replace("M ", "M 1", 1)
    victim.write_text(moved, encoding="utf-8")
    assert figures.outdated(tmp_path) == ["first-rows.svg"]
