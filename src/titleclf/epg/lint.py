"""The categories of a guide that its player does not understand, and what they should be."""

from collections import Counter
from dataclasses import dataclass, field

from titleclf.epg.films import evidence_of, is_film
from titleclf.epg.genres import Genre, GenreTable
from titleclf.epg.parser import airings
from titleclf.epg.profiles import Profile
from titleclf.epg.xmltv import Airing


@dataclass
class Finding:
    """A category that the player does not understand: why, the title of an example, and better texts by frequency."""

    problem: str
    example: str
    count: int = 0
    better: Counter[str] = field(default_factory=Counter)


@dataclass
class Lint:
    """The categories of a guide by whether its player understands them, each counted once for a programme.

    Categories are texts as the guide has them, with their spaces. Of the programmes that the player can't place,
    `without` counts those without a category, `blind` those whose genre it has a text for, and `others` the rest.
    """

    understood: Counter[str] = field(default_factory=Counter)
    findings: dict[str, Finding] = field(default_factory=dict)
    programmes: int = 0
    without: int = 0
    blind: int = 0
    others: int = 0

    def add(self, airing: Airing, profile: Profile, table: GenreTable) -> None:
        """Add the categories of an airing."""
        self.programmes += 1
        if not airing.categories:
            self.without += 1
            return
        texts = [category.text for category in airing.categories]
        film = is_film(evidence_of(airing, texts))
        read = list(dict.fromkeys(profile.read([category.raw for category in airing.categories])))
        if not (profile.understands_any(read) or profile.written.issuperset(read)):
            is_blind = bool(_better(table.genre_of(texts), profile, is_film=film))
            self.blind += is_blind
            self.others += not is_blind
        for raw in read:
            problem = profile.problem(raw)
            if problem is None:
                self.understood[raw] += 1
                continue
            finding = self.findings.setdefault(raw, Finding(problem, airing.title))
            finding.count += 1
            genre = table.genre_of([raw]) or table.genre_of(texts)
            finding.better.update((_better(genre, profile, is_film=film) or [])[:1])

    @property
    def placed(self) -> int:
        """The number of programmes that the player understands, or shows the text that is meant for it."""
        return self.programmes - self.without - self.blind - self.others

    def worst(self) -> list[tuple[str, Finding]]:
        """Return the findings by category, the most frequent first."""
        return sorted(self.findings.items(), key=lambda item: (-item[1].count, item[0]))


def lint(guide: str, profile: Profile, table: GenreTable) -> Lint:
    """Read a guide and sort its categories by whether the player understands them.

    Raises
    ------
    InputError
        If the guide can't be read.
    """
    result = Lint()
    for airing in airings(guide):
        result.add(airing, profile, table)
    return result


def _better(genre: Genre | None, profile: Profile, *, is_film: bool) -> list[str] | None:
    """Return the texts for a genre that the player understands; None if the genre is unknown."""
    if genre is None:
        return None
    return [word for word in profile.words(genre, is_film=is_film) if profile.understands(word)]
