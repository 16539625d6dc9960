"""How guides format a title: its case and punctuation, what they add to it, and where they truncate it."""

import re

from titleclf.data.augmentation import additions
from titleclf.data.augmentation.draws import Change, Draw, changed, pick
from titleclf.epg import decorations
from titleclf.runtime.choices import Format
from titleclf.runtime.text.languages import words

_LENGTHS = (20, 24, 30, 32, 40)  # to which guides truncate titles
_ELLIPSES = ("", "", "", "...", "...", "…", " ...", " …", "..")
_FOR_SPACES = (".", "_", "-", "  ", "", "+", "\N{NO-BREAK SPACE}")
_AROUND_PUNCTUATION = re.compile(r"\s*([:;,.!?/|&–—-]+)\s*")
_PUNCTUATION = re.compile(r"[:;,.!?/|&–—'’\"()-]+")
_AND = re.compile(rf" (?:{'|'.join(additions.ANDS)}) ", re.IGNORECASE)
_FOR_AMPERSANDS = (*(f" {word} " for word in additions.ANDS), "&", " + ")


def _article_pattern() -> re.Pattern[str]:
    elided = [re.escape(word.removesuffix("'")) for word in words("articles") if word.endswith("'")]
    separate = [re.escape(word) for word in words("articles") if not word.endswith("'")]
    article = rf"((?:{'|'.join(separate)})(?=\s)|(?:{'|'.join(elided)})['’])"
    return re.compile(rf"{article}\s*(?=\S)", re.IGNORECASE)


_ARTICLE = _article_pattern()


def _case(title: str, draw: Draw) -> str:
    return changed(title, (_upper_case, _lower_case, _sentence_case, _title_case), draw)


def _upper_case(title: str, _: Draw) -> str:
    return title.upper()


def _lower_case(title: str, _: Draw) -> str:
    return title.lower()


def _sentence_case(title: str, _: Draw) -> str:
    return title.capitalize()


def _title_case(title: str, _: Draw) -> str:
    return " ".join(word[:1].upper() + word[1:].lower() for word in title.split(" "))


def _decorate_before(title: str, draw: Draw) -> str:
    return pick(pick(decorations.before(), draw), draw) + title


def _decorate_after(title: str, draw: Draw) -> str:
    title += pick(pick(decorations.after(), draw), draw)
    return title if draw() < 0.85 else _decorate_after(title, draw)


def _episode(title: str, draw: Draw) -> str:
    season, episode = 1 + int(12 * draw() ** 2), 1 + int(40 * draw() ** 2)
    if draw() < 0.1:
        episode *= 29  # a daily programme
    form = pick(pick(additions.EPISODES, draw), draw)
    marker = form.format(season, episode, episode + int(9 * draw()))
    return title + (" {}" if marker[0] in "([" else pick(additions.EPISODE_SUFFIXES, draw)).format(marker)


def _year(title: str, draw: Draw) -> str:
    year = 2026 - int(75 * draw() ** 2)  # few are old
    return title + pick(additions.YEARS, draw).format(year, year + 1, (year + 1) % 100)


def _article_last(title: str, draw: Draw) -> str:
    """Move the article to the end; a first word that is an article in any language counts."""
    match = _ARTICLE.match(title)
    if match is None:
        return title
    return pick(("{}, {}", "{}, {}", "{}, {}", "{} ({})"), draw).format(title[match.end() :], match[1])


def _subtitle(title: str, draw: Draw) -> str:
    return title + pick(additions.SUBTITLE_LINKS, draw) + pick(pick(additions.SUBTITLES, draw), draw)


def _truncate(title: str, draw: Draw) -> str:
    """Truncate to a common length, or a shorter title of at least ten characters to about two thirds."""
    lengths = [length for length in _LENGTHS if length < len(title)]
    ellipsis = pick(_ELLIPSES, draw)
    if lengths:
        length = pick(lengths, draw) - (len(ellipsis) if draw() < 0.5 else 0)  # some guides count it
    elif len(title) >= 10:
        length = int(len(title) * (0.55 + 0.3 * draw()))
    else:
        return title
    return title[:length].rstrip() + ellipsis


def _separators(title: str, draw: Draw) -> str:
    return changed(title, (_joined, _joined, _tight, _loose, _unpunctuated, _ampersand, _apostrophe), draw)


def _joined(title: str, draw: Draw) -> str:
    return title.replace(" ", pick(_FOR_SPACES, draw))


def _tight(title: str, _: Draw) -> str:
    return _AROUND_PUNCTUATION.sub(r"\1", title)


def _loose(title: str, _: Draw) -> str:
    return _AROUND_PUNCTUATION.sub(r" \1 ", title).strip()


def _unpunctuated(title: str, draw: Draw) -> str:
    return " ".join(_PUNCTUATION.sub(pick(("", " "), draw), title).split())


def _ampersand(title: str, draw: Draw) -> str:
    return title.replace(" & ", pick(_FOR_AMPERSANDS, draw)) if " & " in title else _AND.sub(" & ", title)


def _apostrophe(title: str, draw: Draw) -> str:
    return re.sub("['’]", pick(("'", "’", "`", "´", " ", ""), draw), title)


FORMATS: dict[Format, Change] = {
    Format.case: _case,
    Format.mark_before: _decorate_before,
    Format.mark_after: _decorate_after,
    Format.episode: _episode,
    Format.year: _year,
    Format.article: _article_last,
    Format.subtitle: _subtitle,
    Format.cut: _truncate,
    Format.separators: _separators,
}
