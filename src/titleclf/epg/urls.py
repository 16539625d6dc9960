"""Guides that are URLs, by their names: what fetches them is imported only if there are any."""

import re
from urllib.parse import urlsplit, urlunsplit

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")


def is_url(guide: str) -> bool:
    """Return whether a guide's name is a URL, of whatever scheme."""
    return _URL.match(guide) is not None


def display_url(url: str) -> str:
    """Return a URL without what may be secret: the user, the password and the query."""
    try:
        parts = urlsplit(url)
    except ValueError:  # no URL after all
        return url
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))
