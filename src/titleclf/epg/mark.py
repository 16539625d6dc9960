"""The keyword beside a category that says that it was filled in: the DTD allows no attribute that could."""

from collections.abc import Iterator, Sequence

from titleclf.epg.guide import Programme, Text

_PREFIX = "titleclf: "


def marks_of(texts: Sequence[str]) -> list[tuple[str, str]]:
    """Return the elements (name, text) that say that categories of these texts were filled in."""
    return [("keyword", _PREFIX + text) for text in texts]


def filled_in(programme: Programme) -> Iterator[Text]:
    """Yield the marks of a programme, and the categories that they speak of as far as these are still there."""
    categories = list(programme.categories)  # without those that a mark speaks of already
    for keyword in programme.keywords:
        if keyword.text.startswith(_PREFIX):
            yield keyword
            own = [category for category in categories if category.text == keyword.text.removeprefix(_PREFIX)]
            if own:
                categories.remove(own[-1])
                yield own[-1]


def own_categories(programme: Programme) -> list[str]:
    """Return the categories that the guide had of itself."""
    filled = set(filled_in(programme))
    return [category.text for category in programme.categories if category not in filled]
