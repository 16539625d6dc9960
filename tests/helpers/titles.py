"""Fifty titles of three categories, with tags and with what guides say beside them, as tables."""

import csv
from collections.abc import Sequence
from pathlib import Path

from titleclf.config.schemas import ColumnsConfig

COLUMNS = ColumnsConfig(
    "title", "category", "lang", "und", "channel", "minutes", "description", "sub_title", "year", "kind", "source"
)

# Twenty real titles each of two categories, ten of a third: enough to memorize in a second.
SPORTS = """Match of the Day, Monday Night Football, Snooker World Championship, Tour de France, Ryder Cup Golf,
Grand Slam Tennis, Super Bowl, Champions League Final, Formula 1 Monaco, Ski Sunday, Six Nations Rugby, Test Cricket,
The Boat Race, Grand National, Boxing Tonight, Darts Premier League, MotoGP Austria, Wimbledon Highlights,
World Athletics, Bundesliga Live"""
NEWS = """Tagesschau, BBC News at Ten, Newsnight, Euronews Now, World News Tonight, Morning News, Le journal,
Telediario 1, Heute Journal, Channel 4 News, Breakfast News, Evening Report, Sky News Today, Weather, Local News,
Newsround Report, News Hour, Business Report, Midday News, World Service News"""
MUSIC = """Top of the Pops, Eurovision Song Contest, Later... with Jools Holland, MTV Unplugged, Jazz Club,
The Old Grey Whistle Test, Opera Gala, Swan Lake Ballet, Country Songs, Proms Concert"""

# What guides say about the titles of a category: channel, minutes, description, sub-title and year.
FIELDS = {
    "Sports": ("sport.one", "100", "All goals of the match, live from the stadium.", "The final", "2019"),
    "News": ("news.24", "15", "Headlines and reports of the day.", "", "2024"),
    "Music": ("music.tv", "60", "An orchestra plays songs.", "Live in concert", "1975"),
}
FIELDS_HEADER = ("title", "category", "lang", "channel", "minutes", "description", "sub_title", "year")


def rows() -> list[tuple[str, str, str]]:
    """Return the fifty titles as (title, category, lang)."""
    titles_by_category = {"Sports": SPORTS, "News": NEWS, "Music": MUSIC}
    return [
        (" ".join(title.split()), category, "de" if title.strip() in ("Tagesschau", "Heute Journal") else "en")
        for category, titles in titles_by_category.items()
        for title in titles.split(",")
    ]


def field_rows() -> list[tuple[str, ...]]:
    """Return the fifty titles with their fields, as in FIELDS_HEADER."""
    return [(title, category, lang, *FIELDS[category]) for title, category, lang in rows()]


def tag_rows() -> list[tuple[str, str, str]]:
    """Return the fifty titles as (title, tags, lang): one to three tags each."""
    return [
        (
            title,
            " | ".join([category, *(["Long"] if len(title) > 14 else []), *(["Live"] if number % 3 == 0 else [])]),
            lang,
        )
        for number, (title, category, lang) in enumerate(rows())
    ]


def write_csv(
    path: Path, table: Sequence[tuple[str, ...]], header: tuple[str, ...] = ("title", "category", "lang")
) -> Path:
    """Write a table with its header, and return its path."""
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([header, *table])
    return path
