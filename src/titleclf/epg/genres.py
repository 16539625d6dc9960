"""The ten genres of television: the first level of ETSI EN 300 468, table 29."""

from collections.abc import Iterable
from enum import StrEnum

from titleclf.errors import InputError


class Genre(StrEnum):
    """A genre as the standard spells it, which is how the titles that come with titleclf are labelled."""

    movie = "Movie / Drama"
    news = "News / Current affairs"
    show = "Show / Game show"
    sports = "Sports"
    children = "Children's / Youth programmes"
    music = "Music / Ballet / Dance"
    arts = "Arts / Culture (without music)"
    society = "Social / Political issues / Economics"
    education = "Education / Science / Factual topics"
    leisure = "Leisure hobbies"

    @property
    def code(self) -> int:
        """The content descriptor of DVB: 0x10 for movies, 0x20 for news, ... 0xA0 for leisure."""
        return (list(Genre).index(self) + 1) << 4


def check_genres(categories: Iterable[str], where: str) -> None:
    """Refuse categories that are none of the ten; `where` names what needs them to be.

    Raises
    ------
    InputError
        If there is one.
    """
    others = sorted(set(categories) - set(Genre))
    if others:
        raise InputError(
            f"{where} must have categories of the ten genres. Got {'; '.join(others)[:200]}. "
            "Take another model, or leave the profile out."
        )
