"""Marks of episodes in the titles and descriptions of guides ("S05E03", "Saison 3", "odc. 1520"), in many languages.

Words that films number, too ("Part 2", "Teil 2", "Chapter 4"), are marks only with a total ("Part 1 of 3").
To add a language, or a word to one, extend `_LANGUAGES`.
"""

import re
from collections.abc import Callable, Iterable
from functools import cache
from typing import NamedTuple


class _Language(NamedTuple):
    """Words beside numbers, without case and full stops; `part` has those that films use, too."""

    season: tuple[str, ...] = ()
    episode: tuple[str, ...] = ()
    part: tuple[str, ...] = ()
    of: tuple[str, ...] = ()


_LANGUAGES = {
    "en": _Language(("season", "series"), ("episode", "ep", "eps", "epi"), ("part", "pt", "chapter"), ("of",)),
    "de": _Language(("staffel", "stf"), ("folge", "episode"), ("teil",), ("von",)),
    "fr": _Language(("saison",), ("épisode", "ép"), ("partie", "chapitre"), ("sur",)),
    "es": _Language(("temporada", "temp"), ("episodio", "capítulo", "cap"), ("parte",), ("de",)),
    "it": _Language(("stagione", "stag"), ("episodio", "puntata"), ("parte",), ("di",)),
    "pt": _Language(("temporada",), ("episódio", "capítulo"), ("parte",), ("de",)),
    "ca": _Language(("temporada",), ("episodi", "capítol"), ("part",)),
    "nl": _Language(("seizoen", "seiz"), ("aflevering", "afl"), ("deel",), ("van",)),
    "pl": _Language(("sezon", "seria"), ("odcinek", "odc"), ("część", "cz"), ("z",)),
    "cs": _Language(("série", "řada", "sezóna"), ("epizoda", "díl", "dílu"), ("část",), ("z", "ze")),
    "sk": _Language(("séria", "sezóna"), ("epizóda", "diel"), ("časť",), ("z", "zo")),
    "sl": _Language(("sezona",), ("epizoda", "nadaljevanje"), ("del",)),
    "hr": _Language(("sezona",), ("epizoda", "epizode"), ("dio",)),
    "hu": _Language(("évad",), ("epizód",), ("rész",)),
    "ro": _Language(("sezonul", "sezon"), ("episodul", "episod", "ep"), ("partea",), ("din",)),
    "sv": _Language(("säsong",), ("avsnitt",), ("del",), ("av",)),
    "da": _Language(("sæson",), ("afsnit",), ("del",), ("af",)),
    "no": _Language(("sesong",), ("episode",), ("del",), ("av",)),
    "is": _Language(("þáttaröð",), ("þáttur",), ("hluti",), ("af",)),
    "fi": _Language(("kausi", "tuotantokausi"), ("jakso",), ("osa",)),
    "et": _Language(("hooaeg",), ("episood",), ("osa",)),
    "lv": _Language(("sezona",), ("sērija", "epizode"), ("daļa",)),
    "lt": _Language(("sezonas",), ("serija", "epizodas"), ("dalis",)),
    "tr": _Language(("sezon",), ("bölüm",), ("kısım",)),
    "sq": _Language(("sezoni",), ("episodi",), ("pjesa",)),
    "el": _Language(("κύκλος", "σεζόν"), ("επεισόδιο", "επ"), ("μέρος",)),
    "ru": _Language(("сезон",), ("серия", "серии", "эпизод", "выпуск"), ("часть",), ("из",)),
    "uk": _Language(("сезон",), ("серія", "серії", "епізод", "випуск"), ("частина",), ("з", "із")),
    "bg": _Language(("сезон",), ("епизод", "еп"), ("част",), ("от",)),
    "sr": _Language(("сезона",), ("епизода",), ("део",)),
    "he": _Language(("עונה",), ("פרק",), ("חלק",), ("מתוך",)),
    "ar": _Language(("الموسم", "موسم"), ("الحلقة", "حلقة"), ("الجزء",), ("من",)),
    "fa": _Language(("فصل",), ("قسمت",)),
    "hi": _Language(("सीज़न", "सीजन"), ("एपिसोड",), ("भाग",)),
    "id": _Language(("musim",), ("episod",), ("bagian", "bahagian"), ("dari", "daripada")),
    "vi": _Language(("mùa", "phần"), ("tập",)),
    "th": _Language(("ซีซั่น", "ซีซัน"), ("ตอนที่",)),
    "ja": _Language(("シーズン",), ("エピソード",)),
    "ko": _Language(("시즌",), ("에피소드",)),
    "zh": _Language(),  # numbers stand between characters, as below
}  # fmt: skip


def has_episode_mark(title: str, description: str | None = None) -> bool:
    """Return whether a title, or what is said about it, has the number of an episode or a season.

    A bare number in brackets counts only at the end of a title or the start of a description: elsewhere it may be a
    year or somebody's age.
    """
    if _is_marked(title, _IN_TITLE.search):
        return True
    return description is not None and _is_marked(description, _AT_START.match)


_BEFORE, _AFTER = 24, 20  # characters around a number that its mark may have
_NUMBER = r"(?!(?:19|20)\d\d(?!\d))\d{1,4}"  # but no year
_NUMBERS = re.compile(rf"(?<!\d){_NUMBER}(?!\d)")
_BRACKETED = rf"[(\[]\s*{_NUMBER}\.?\s*[)\]]"
_IN_TITLE = re.compile(rf"(?:{_BRACKETED}|\s\#\s?\d+|(?<!\d)\s\d{{1,3}}/\d{{1,3}})\s*$|第\s?\d+\s?回")
_AT_START = re.compile(rf"\s*(?:{_BRACKETED}|\d{{1,3}}/\d{{1,3}}[\s.:,]|\#\s?\d)")


def _is_marked(text: str, find: Callable[[str], object]) -> bool:
    numbers = [match.span() for match in _NUMBERS.finditer(text)]
    if not numbers:
        return False
    # Only around each number, and without re.IGNORECASE: it is ten times as fast as a search of the whole description.
    windows = (text[max(0, start - _BEFORE) : end + _AFTER].casefold() for start, end in numbers)
    return bool(find(text)) or any(map(_mark().search, windows))


@cache
def _mark() -> re.Pattern[str]:
    languages = _LANGUAGES.values()
    season, episode, part, of = (_alternatives(words) for words in zip(*languages, strict=True))
    return re.compile(
        rf"""
        \b(?:
            [st]\d{{1,4}}[\s.:,/|-]{{0,3}}(?:x|ep?s?|f|a)[\s.:]{{0,2}}\d        # S05E03, S5 Ep3, T1:E4, S01 F02
          | \d{{1,2}}x\d\d\b                                                   # 5x03; not 4x100
          | (?:{season}|{episode})[\s.:,\#-]{{0,3}}(?:n[ro°º.]{{1,2}}\s?)?\d     # Season 5, odc. 1520, Folge Nr. 3
          | {_NUMBER}(?:[.ªºaeè-]|st|nd|rd|th|\s?[eè]me|-?[йяа]|η|ος)?\s?(?:{season}|{episode})\b  # 2. Staffel
          | {part}[\s.:]{{0,2}}\d{{1,3}}\s?(?:/|{of}\s)\s?\d                   # Teil 1/2, Part 1 of 3
          | [ivx]{{1,5}}\.?\s?/\s?\d{{1,4}}\b                                 # II./8.
          | s\d{{1,2}}\b(?=\s*(?:$|[.:,)\]-]))                                # S4
        )
        | [(\[]\s*\d{{1,3}}\s?(?:/|:|{of}\s)\s?\d{{1,4}}\s*[)\]]              # (2/6), (2:2), (2 of 3)
        | 第\s?\d+\s?[話话集期季シ] | \d+\s?(?:회|화|기)                          # 第3話, 12회
        """,
        re.VERBOSE,
    )


def _alternatives(words: Iterable[Iterable[str]]) -> str:
    different = dict.fromkeys(word.casefold() for each in words for word in each)
    return f"(?:{'|'.join(map(re.escape, different))})"
