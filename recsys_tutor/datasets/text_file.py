"""The bytes of a file become text: unpacked, decoded, and named when they are no text.

Chapter: 01 The recommendation problem.
"""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import re
import zipfile
import zlib
from pathlib import Path

__all__ = []

_PACKED = (  # first bytes, name, function
    (rb"\x1f\x8b", "gzip", gzip.decompress),
    (rb"(?s)BZh[1-9](?:1AY&SY|\x17rE8P\x90|.{0,5}\Z)", "bzip2", bz2.decompress),
    (rb"\xfd7zXZ\x00", "xz", lzma.decompress),
)
_DAMAGED = (OSError, EOFError, ValueError, zlib.error, lzma.LZMAError)
_DAMAGED_ZIP = (*_DAMAGED, zipfile.BadZipFile, RuntimeError)

_READ = {  # how to go on with what is no delimited text
    "a Parquet file": "pandas.read_parquet",
    "an Arrow (Feather) file": "pandas.read_feather",
    "an HDF5 file": "pandas.read_hdf",
    "an Excel workbook": "pandas.read_excel",
    "an OpenDocument file": "pandas.read_excel",
}
_BINARY = (
    (rb"PAR1", "a Parquet file"),
    (rb"ARROW1", "an Arrow (Feather) file"),
    (rb"\x89HDF", "an HDF5 file"),
    (rb"\xd0\xcf\x11\xe0", "an Excel workbook"),
    (rb"%PDF", "a PDF document"),
    (rb"SQLite format 3", "an SQLite data base"),
    (rb"\x28\xb5\x2f\xfd", "packed with Zstandard"),
    (rb"7z\xbc\xaf\x27\x1c", "packed with 7-Zip"),
    (rb"Rar!\x1a", "packed with RAR"),
    (rb"\x93NUMPY", "a numpy array"),
    (rb"(?s).{257}ustar", "a tar archive"),
)
_MARKS = (  # byte order marks; UTF-32's begins like UTF-16's
    (b"\xff\xfe\0\0", "utf-32"),
    (b"\0\0\xfe\xff", "utf-32"),
    (b"\xff\xfe", "utf-16"),
    (b"\xfe\xff", "utf-16"),
)


def read_text(
    path: Path, encoding: str | None = None, member: str | None = None
) -> tuple[str, str]:
    """The file's text with line ends as LF, and a note when its encoding is a guess.

    gzip, bzip2, xz and zip are unpacked. Without ``encoding``: UTF-8, UTF-16 or UTF-32
    by the byte order mark, else UTF-8, else Latin-1 and a note.
    """
    if encoding is not None and not isinstance(encoding, str):
        raise ValueError(f"encoding must name a codec or be None, got {encoding!r}")
    if path.is_dir():
        raise ValueError(f"path {path} is a folder; name the file in it")
    data = _unpack(path, path.read_bytes(), member)
    _refuse_binary(path, data)
    text, note = _decode(path, data, encoding)
    text = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    if not text.strip():
        raise ValueError(f"{path}: the file is empty")
    if "\0" in text:
        raise ValueError(
            f"{path}: the text holds zero characters; it is not delimited text, or "
            "encoding= is another one"
        )
    return text, note


def _unpack(path: Path, data: bytes, member: str | None) -> bytes:
    taken = None
    for _ in range(3):  # a zip may hold a gz
        for magic, name, function in _PACKED:
            if re.match(magic, data):
                try:
                    data = function(data)
                except _DAMAGED as error:
                    raise ValueError(
                        f"{path}: damaged or incomplete {name} file ({error}); fetch "
                        "it again"
                    ) from error
        if data[:4] == b"PK\x03\x04" and taken is None:
            taken, data = _unzip(path, data, member)
    if member is not None and taken is None:
        raise ValueError(f"{path}: member= is for zip files, this is none")
    return data


def _unzip(path: Path, data: bytes, member: str | None) -> tuple[str, bytes]:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            names = [one.filename for one in archive.infolist() if not one.is_dir()]
            _refuse_office(path, names)
            name = _choose(path, names, member)
            return name, archive.read(name)
    except _DAMAGED_ZIP as error:
        if str(error).startswith(str(path)):
            raise
        raise ValueError(
            f"{path}: damaged, incomplete or locked zip file ({error}); fetch it again "
            "or unpack it by hand"
        ) from error


def _refuse_office(path: Path, names: list[str]) -> None:
    kind = "an Excel workbook" if "xl/workbook.xml" in names else None
    kind = "an OpenDocument file" if "content.xml" in names else kind
    if kind:
        raise ValueError(f"{path}: {_no_text(path, kind)}")


def _choose(path: Path, names: list[str], member: str | None) -> str:
    """The member asked for, or the only one (macOS adds hidden ones that do not count).

    Member names are compared whole or by their last part.
    """
    shown = [n for n in names if not n.startswith("__MACOSX/")]
    shown = [n for n in shown if not n.rpartition("/")[2].startswith(".")]
    if member is None:
        if len(shown) == 1:
            return shown[0]
        what = f"holds {len(shown)} files"
    else:
        found = [n for n in names if member in (n, n.rpartition("/")[2])]
        if len(found) == 1:
            return found[0]
        what = f"holds {len(found)} files called {member!r}"
    more = " ..." if len(shown) > 8 else ""
    raise ValueError(
        f"{path}: the zip {what}; pass member= with one of {shown[:8]}{more}"
    )


def _no_text(path: Path, kind: str) -> str:
    advice = "save it as CSV first"
    if kind in _READ:
        advice = (
            f"read it with {_READ[kind]}(path) and pass the frame to "
            "Interactions.from_frame, or save it as CSV"
        )
    elif kind.startswith("packed") or "archive" in kind:
        advice = "unpack it first"
    return f"this is {kind}, not delimited text; {advice}"


def _refuse_binary(path: Path, data: bytes) -> None:
    for magic, kind in _BINARY:
        if re.match(magic, data):
            raise ValueError(f"{path}: {_no_text(path, kind)}")


def _decode(path: Path, data: bytes, encoding: str | None) -> tuple[str, str]:
    if encoding is not None:
        try:
            return data.decode(encoding), ""
        except UnicodeError as error:
            raise ValueError(f"{path}: {_undecodable(data, error)}") from error
        except LookupError as error:
            raise ValueError(f"{path}: {error}; encoding= must name a codec") from error
    wide = [codec for mark, codec in _MARKS if data.startswith(mark)]
    if not wide and b"\0" in data:
        raise ValueError(
            f"{path}: this is a binary file, not delimited text (it holds zero bytes); "
            "save it as CSV first. If it is UTF-16 without a byte order mark, pass "
            "encoding='utf-16-le'"
        )
    try:
        return data.decode(wide[0] if wide else "utf-8-sig"), ""
    except UnicodeError as error:
        if wide:
            raise ValueError(f"{path}: {_undecodable(data, error)}") from error
        note = (
            f"{path}: {_undecodable(data, error, advice='read as latin-1')}. Pass "
            "encoding= if names look wrong"
        )
        return data.decode("latin-1"), note


def _undecodable(
    data: bytes, error: UnicodeError, advice: str = "pass the right encoding="
) -> str:
    if not isinstance(error, UnicodeDecodeError):
        return f"not in the encoding ({error}); {advice}"
    line = data.count(b"\n", 0, error.start) + 1
    byte = data[min(error.start, len(data) - 1)]
    return f"not {error.encoding}: line {line} holds the byte 0x{byte:02x}; {advice}"
