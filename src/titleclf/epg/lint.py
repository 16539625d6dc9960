"""Which categories of a guide its reader understands, and what the others should have been."""

from collections import Counter
from dataclasses import dataclass, field

from titleclf.epg.genres import Genre, Labels
from titleclf.epg.parser import programmes
from titleclf.epg.profiles import Facts, Profile
from titleclf.epg.xmltv import Programme


@dataclass
class Finding:
    """A category that the reader does not understand: why, how often, in a programme like which, and what would do."""

    problem: str
    example: str
    count: int = 0
    better: Counter[str] = field(default_factory=Counter)


@dataclass
class Lint:
    """What a reader makes of a guide's categories.

    `blind` counts programmes that have categories, but none that the reader understands, although it has a word for
    what they are: of music a reader that knows no music can be told nothing.
    """

    understood: Counter[str] = field(default_factory=Counter)
    findings: dict[str, Finding] = field(default_factory=dict)
    programmes: int = 0
    without: int = 0
    blind: int = 0

    def add(self, programme: Programme, profile: Profile, labels: Labels) -> None:
        """Count the categories of a programme."""
        texts = [category.text for category in programme.categories]
        facts = Facts(programme.is_episode, programme.minutes)
        self.programmes += 1
        self.without += not texts
        if not (profile.places(texts) or profile.written.issuperset(texts)):
            self.blind += self._could_be(labels.genre_of(texts), profile, facts) != []
        for text in texts:
            problem = profile.problem(text)
            if problem is None:
                self.understood[text] += 1
                continue
            finding = self.findings.setdefault(text, Finding(problem, programme.title))
            finding.count += 1
            genre = labels.genre_of([text]) or labels.genre_of(texts)
            finding.better.update((self._could_be(genre, profile, facts) or [])[:1])

    def _could_be(self, genre: Genre | None, profile: Profile, facts: Facts) -> list[str] | None:
        # None if nobody knows what the programme is.
        if genre is None:
            return None
        return [word for word in profile.words(genre, facts) if profile.understands(word)]

    def worst(self) -> list[tuple[str, Finding]]:
        """Return what is not understood, the most frequent first."""
        return sorted(self.findings.items(), key=lambda item: (-item[1].count, item[0]))


def lint(guide: str, profile: Profile, labels: Labels) -> Lint:
    """Read a guide and return what `profile` makes of its categories.

    Raises
    ------
    InputError
        If the guide can't be read.
    """
    found = Lint()
    for programme in programmes(guide):
        found.add(programme, profile, labels)
    return found
