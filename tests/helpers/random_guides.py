"""Random guides, valid and not, whose fill must be undone."""

import random
import re
from collections.abc import Sequence

from tests.helpers.guides import programme

NAMES = ["title", "sub-title", "desc", "category", "keyword", "icon", "url", "episode-num", "x", "programme", "channel"]
INSIDE = [
    "Heat",
    "日本沈没",
    "",
    " ",
    "a &amp; b",
    "<![CDATA[Heat]]>",
    "<![CDATA[</title>]]>",
    "<b>x</b>",
    "&#x41;",
    ">",
]
ATTRIBUTES = ["", "", " lang='en'", ' lang="d&amp;e"', " a='x>y' ", " lang = 'x/' "]
BLANKS = ["", " ", "\n  ", "\r\n", "\t", "\n\n"]
HEADS = ["", '<?xml version="1.0"?>\n', "\ufeff"]
BETWEEN = ["", "", "", "<!-- <title>x</title> -->", "<?p <x> ?>", "text"]


def drawn_guide(dice: random.Random, texts: Sequence[str] = (), heads: Sequence[str] = HEADS) -> str:
    """Return a guide with elements in any order and with odd spaces; `texts` are further contents of elements."""

    def element() -> str:
        name, attribute = dice.choice(NAMES), dice.choice(ATTRIBUTES)
        if dice.random() < 0.2:
            return f"<{name}{attribute}/>"
        return f"<{name}{attribute}>{dice.choice([*INSIDE, *texts])}</{name}{dice.choice(BLANKS)}>"

    def drawn_programme() -> str:
        children = [element() for _ in range(dice.randint(0, 6))]
        if dice.random() < 0.5:
            children.sort(key=lambda child: NAMES.index(re.findall(r"^<([\w-]+)", child)[0]))
        parts = [dice.choice(BLANKS) + dice.choice(BETWEEN) + dice.choice(BLANKS) + child for child in children]
        return programme("".join(parts) + dice.choice(BLANKS), title=dice.choice(["", "<title>Heat</title>"]))

    parts = [dice.choice(BLANKS) + drawn_programme() for _ in range(dice.randint(0, 4))]
    return dice.choice(heads) + f"<tv>{''.join(parts)}\n</tv>\n"
