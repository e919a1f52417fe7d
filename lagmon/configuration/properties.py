"""librdkafka properties as the configuration has them: some are what a file holds.

In: a property's name and value. Out: its value, which remembers the file that it came from, or a
ValueError that names the file and repeats nothing of it.
"""

from __future__ import annotations

from pathlib import Path


class FromFile(str):
    """The content of a file, without the line break at its end, and the *path* of that file."""

    __slots__ = ("path",)

    path: str

    @classmethod
    def read(cls, path: str) -> FromFile:
        """Read the file at *path*; raise ValueError with the reason if that cannot be done."""
        try:
            content = cls(Path(path).read_text(encoding="utf-8").rstrip("\r\n"))
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "is no text"
            raise ValueError(f"{path} cannot be read: {reason}") from None
        content.path = path
        return content


def content(name: str, value: str | float | bool) -> str | int | float | bool:  # noqa: FBT001 - a librdkafka property may be a bool
    """Give what property *name* is set to by *value*: that of ``…_file`` names the file."""
    if not name.endswith("_file"):
        return value
    try:
        return FromFile.read(str(value))
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None
