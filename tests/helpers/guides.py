"""Small guides, and a classifier with fixed predictions."""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import numpy as np

from tests.helpers.networks import compose_model
from titleclf.epg.decisions import Decider
from titleclf.epg.fill import Filler, When
from titleclf.epg.genres import Genre, GenreTable
from titleclf.runtime.bundle.contents import BundleContents, ModelInfo
from titleclf.runtime.calibration import NO_TEMPERATURE
from titleclf.runtime.choices import Task
from titleclf.runtime.classifier import Classifier
from titleclf.runtime.text.characters import Characters
from titleclf.runtime.text.programmes import Programmes
from titleclf.runtime.thresholds import Thresholds

KNOWN = {
    "Match of the Day": Genre.sports,
    "Tagesschau": Genre.news,
    "Die Wüste lebt & lacht": Genre.education,
    "Heat": Genre.movie,
    "日本沈没": Genre.movie,
}


class FixedNetwork:
    """A network that gives each title of `genre_by_title` its genre at one probability, and is unsure of all others.

    If it uses fields, it does the same for a description.
    """

    batch_size = 256

    def __init__(self, genre_by_title: Mapping[str, Genre], probability: float, fields: Sequence[str] = ()) -> None:
        self.genre_by_title, self.probability = genre_by_title, probability
        self.model = compose_model("ngram", fields=fields)
        self.familiarities: dict[str, Any] = {}  # each text counts in full
        self.queried: list[str] = []

    def logits(self, programmes: Programmes) -> Any:
        self.queried += programmes.titles
        genres = sorted(Genre)
        rows = np.full((len(programmes), len(genres)), 1 / len(genres))
        for row, programme in zip(rows, programmes, strict=True):
            texts = (programme.description, programme.title)
            known = next((text for text in texts if text in self.genre_by_title), None)
            if known is not None:
                row[:] = (1 - self.probability) / (len(genres) - 1)
                row[genres.index(self.genre_by_title[known])] = self.probability
        return np.log(rows)


def model_of(
    genre_by_title: Mapping[str, Genre], probability: float = 0.95, fields: Sequence[str] = ()
) -> Classifier[FixedNetwork]:
    contents = BundleContents(
        task=Task.single,
        characters=Characters("", casefold=True, boundary=True, length=100),
        categories=[str(genre) for genre in sorted(Genre)],
        temperature=NO_TEMPERATURE,
        thresholds=Thresholds(precisions=[], least={}, wishes={}),
        memory=None,
        info=ModelInfo(None, 0, False, [], 0, "", {}, is_refitted=False),
    )
    return Classifier(contents, FixedNetwork(genre_by_title, probability, fields))


_shipped_table = cache(GenreTable.shipped)


def filler_of(
    genre_by_title: Mapping[str, Genre] = KNOWN,
    *,
    profile: Any = None,
    when: When = When.missing,
    with_keywords: bool = False,
) -> Filler:
    decider = Decider([(model_of(genre_by_title), np.full(len(Genre), 0.9))])
    return Filler(decider, profile, when, with_keywords, _shipped_table())


def programme(*children: str, title: str = "<title>Match of the Day</title>", more: str = "") -> str:
    return f'<programme start="20260101120000 +0100" stop="20260101133000 +0100" channel="one"{more}>{title}' + (
        "".join(children) + "</programme>"
    )


def guide(*programmes: str, head: str = '<?xml version="1.0" encoding="UTF-8"?>\n') -> str:
    channel = '  <channel id="one"><display-name lang="en">Channel One</display-name></channel>\n'
    return f"{head}<tv>\n{channel}{''.join(f'  {element}{chr(10)}' for element in programmes)}</tv>\n"


PRETTY = """<programme start="20260101120000 +0100" stop="20260101133000 +0100" channel="one">
    <title lang="de">Die Wüste lebt &amp; lacht</title>
    <sub-title lang="de">Folge 1</sub-title>
    <desc lang="de">Ein Film &lt;über&gt; Sand.</desc>
    <credits>
      <director>A. Nonymus</director>
    </credits>
    <date>1953</date>
    <!-- no category so far -->
    <icon src='a>b.png'/>
    <episode-num system="xmltv_ns">0.0.</episode-num>
  </programme>"""

# Guides in the forms that occur; all but INVALID follow the DTD.
GUIDES: dict[str, bytes] = {
    "one line": guide(programme()).encode(),
    "pretty": guide(PRETTY, programme("<desc>d</desc>", title="<title>Tagesschau</title>")).encode(),
    "no programme": guide().encode(),
    "nothing known": guide(programme(title="<title>Never heard of</title>")).encode(),
    "has categories": guide(programme("<category lang='en'>Football</category><icon src='i'/>")).encode(),
    "has keywords": guide(programme("<keyword>live</keyword><icon src='i'/>")).encode(),
    "empty category": guide(programme("<category/><category> </category><url>u</url>")).encode(),
    "empty title": guide(programme(title="<title/>"), programme()).encode(),
    "several titles": guide(
        programme(title="<title lang='de'></title><title lang='en'>Heat</title><title>Hot</title>")
    ).encode(),
    "attributes": guide(programme(title="<title lang='d&quot;e'>Heat</title>", more=" clumpidx='0/2'")).encode(),
    "CDATA": guide(
        programme("<desc><![CDATA[</programme><programme>]]></desc>", title="<title><![CDATA[Heat]]></title>")
    ).encode(),
    "comments": guide(
        "<!-- <programme> -->", programme("<!-- a --><icon src='i'/><!-- b -->"), "<?pi <programme>?>"
    ).encode(),
    "Windows lines": guide(PRETTY).replace("\n", "\r\n").encode(),
    "byte order mark": b"\xef\xbb\xbf" + guide(PRETTY).encode(),
    "no declaration": guide(PRETTY, head="").encode(),
    "DTD": guide(PRETTY, head='<?xml version="1.0" encoding="UTF-8"?>\n<!DOCTYPE tv SYSTEM "xmltv.dtd">\n').encode(),
    "UTF-16": guide(PRETTY, head='<?xml version="1.0" encoding="UTF-16"?>').encode("utf-16"),
    "UTF-16 without byte order mark": guide(PRETTY, head='<?xml version="1.0" encoding="UTF-16"?>').encode("utf-16-be"),
    "Latin-1": guide(PRETTY, head='<?xml version="1.0" encoding="ISO-8859-1"?>').encode("iso-8859-1"),
    "Windows-1252": guide(PRETTY, head="<?xml version='1.0' encoding='windows-1252'?>").encode("cp1252"),
    "Shift-JIS": guide(
        programme(title="<title lang='ja'>日本沈没</title>"), head='<?xml version="1.0" encoding="Shift_JIS"?>'
    ).encode("shift_jis"),
    "many": guide(*(programme(f"<desc>{number}</desc><url>u</url>") for number in range(300))).encode(),
    "broken order": guide(
        programme(
            "<icon src='i'/><desc>d</desc><category>a</category><url>u</url><category>b</category><date>1</date>"
        ),
        programme("<icon src='i'/><desc>d</desc><date>1</date>"),
    ).encode(),
    "unknown elements": guide(
        programme("<x><title>no</title></x><programme/>y<z/>"), "<programme/>", "<other><title>Heat</title></other>"
    ).encode(),
}
INVALID = ("broken order", "unknown elements")
