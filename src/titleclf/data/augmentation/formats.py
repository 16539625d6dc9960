"""How guides write a title: its case and punctuation, what they add to it, and where they cut it."""

import re

from titleclf.data.augmentation.draws import Change, Draw, changed, pick
from titleclf.epg import decorations as marks
from titleclf.runtime.choices import Format

_ARTICLE = re.compile(
    r"""((?:the|an?|der|die|das|ein|eine|le|la|les|une?|el|los|las|una|il|lo|gli|o|os|um|uma|de|het|een|den|det)(?=\s)
    | l['’])\s*(?=\S)""",
    re.VERBOSE | re.IGNORECASE,
)
_CUTS = (20, 24, 30, 32, 40)
_ENDS = ("", "", "", "...", "...", "…", " ...", " …", "..")
_FOR_SPACES = (".", "_", "-", "  ", "", "+", "\N{NO-BREAK SPACE}")
_AROUND_PUNCTUATION = re.compile(r"\s*([:;,.!?/|&–—-]+)\s*")
_PUNCTUATION = re.compile(r"[:;,.!?/|&–—'’\"()-]+")
_AND = re.compile(r" (?:and|und|et|y|e|en) ", re.IGNORECASE)
_ANDS = (" and ", " und ", " et ", " y ", " e ", " en ", "&", " + ")


def _case(title: str, draw: Draw) -> str:
    return changed(title, (_capitals, _small, _sentence, _every_word), draw)


def _capitals(title: str, _: Draw) -> str:
    return title.upper()


def _small(title: str, _: Draw) -> str:
    return title.lower()


def _sentence(title: str, _: Draw) -> str:
    return title.capitalize()


def _every_word(title: str, _: Draw) -> str:
    return " ".join(word[:1].upper() + word[1:].lower() for word in title.split(" "))


def _mark_before(title: str, draw: Draw) -> str:
    return pick(pick(marks.BEFORE, draw), draw) + title


def _mark_after(title: str, draw: Draw) -> str:
    title += pick(pick(marks.AFTER, draw), draw)
    return title if draw() < 0.85 else _mark_after(title, draw)


def _episode(title: str, draw: Draw) -> str:
    season, episode = 1 + int(12 * draw() ** 2), 1 + int(40 * draw() ** 2)
    if draw() < 0.1:
        episode *= 29  # a daily programme
    form = pick(pick(marks.EPISODES, draw), draw)
    mark = form.format(season, episode, episode + int(9 * draw()))
    return title + (" {}" if mark[0] in "([" else pick(marks.EPISODE_PLACES, draw)).format(mark)


def _year(title: str, draw: Draw) -> str:
    year = 2026 - int(75 * draw() ** 2)  # few are old
    return title + pick(marks.YEARS, draw).format(year, year + 1, (year + 1) % 100)


def _article_last(title: str, draw: Draw) -> str:
    """Move the article to the end; whatever looks like one in any of the languages."""
    found = _ARTICLE.match(title)
    if found is None:
        return title
    return pick(("{}, {}", "{}, {}", "{}, {}", "{} ({})"), draw).format(title[found.end() :], found[1])


def _subtitle(title: str, draw: Draw) -> str:
    return title + pick(marks.SUBTITLE_LINKS, draw) + pick(pick(marks.SUBTITLES, draw), draw)


def _cut(title: str, draw: Draw) -> str:
    """Cut at one of the usual lengths; a title that is shorter, if it has ten characters, at about two thirds."""
    lengths = [length for length in _CUTS if length < len(title)]
    end = pick(_ENDS, draw)
    if lengths:
        length = pick(lengths, draw) - (len(end) if draw() < 0.5 else 0)  # some count the end, some don't
    elif len(title) >= 10:
        length = int(len(title) * (0.55 + 0.3 * draw()))
    else:
        return title
    return title[:length].rstrip() + end


def _separators(title: str, draw: Draw) -> str:
    return changed(title, (_joined, _joined, _tight, _loose, _unpunctuated, _and, _apostrophe), draw)


def _joined(title: str, draw: Draw) -> str:
    return title.replace(" ", pick(_FOR_SPACES, draw))


def _tight(title: str, _: Draw) -> str:
    return _AROUND_PUNCTUATION.sub(r"\1", title)


def _loose(title: str, _: Draw) -> str:
    return _AROUND_PUNCTUATION.sub(r" \1 ", title).strip()


def _unpunctuated(title: str, draw: Draw) -> str:
    return " ".join(_PUNCTUATION.sub(pick(("", " "), draw), title).split())


def _and(title: str, draw: Draw) -> str:
    return title.replace(" & ", pick(_ANDS, draw)) if " & " in title else _AND.sub(" & ", title)


def _apostrophe(title: str, draw: Draw) -> str:
    return re.sub("['’]", pick(("'", "’", "`", "´", " ", ""), draw), title)


FORMATS: dict[Format, Change] = {
    Format.case: _case,
    Format.mark_before: _mark_before,
    Format.mark_after: _mark_after,
    Format.episode: _episode,
    Format.year: _year,
    Format.article: _article_last,
    Format.subtitle: _subtitle,
    Format.cut: _cut,
    Format.separators: _separators,
}
