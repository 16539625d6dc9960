"""The genres.xml that Kodi's add-on for guides (pvr.iptvsimple) needs to colour programmes."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from xml.sax.saxutils import escape

from titleclf.epg.genres import Genre
from titleclf.runtime.errors import InputError
from titleclf.runtime.files import replacing


def genres_xml() -> str:
    """Return a genres.xml of the ten genres, under the names that the profile `kodi` writes."""
    genres = [f'  <genre genreId="0x{genre.code:02X}">{escape(genre)}</genre>' for genre in Genre]
    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        "<genres>",
        "  <name>titleclf</name>",
        *genres,
        "</genres>",
    ]
    return "\n".join(lines) + "\n"


@contextmanager
def genres_file(path: Path) -> Iterator[bool]:
    """Write a genres.xml to `path` if the block ends without an error; yield False if it was there already.

    Raises
    ------
    InputError
        If `path` is another file, or can't be written.
    """
    if _has_genres(path):
        yield False
        return
    with replacing(path) as temporary:
        temporary.write_text(genres_xml(), encoding="utf-8")
        yield True


def _has_genres(path: Path) -> bool:
    """Return whether `path` is a genres.xml that was written before; another file may be the user's own work."""
    if not path.exists():
        return False
    # Universal newlines accept a copy from Windows; a file that is not UTF-8 is another one anyway.
    if path.read_text(encoding="utf-8", errors="replace") != genres_xml():
        raise InputError(
            f"{path} must be the genres.xml that titleclf writes. Got another one. Move it away, or name another path "
            "with --genres."
        )
    return True
