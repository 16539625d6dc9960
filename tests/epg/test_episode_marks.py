"""Marks of episodes in titles and descriptions."""

import pytest

from titleclf.epg.episode_marks import has_episode_mark

MARKS = [
    *(
        "S05E03",
        "s5 ep3",
        "S5 Ep3.",
        "T1:E4",
        "5x03",
        "Season 5 Episode 3",
        "Series 2",
        "Episode 12",
        "II./8.",
        "(2/6)",
    ),
    *("Part 1 of 3", "Staffel 2", "2. Staffel", "Folge 319", "Folge Nr. 3", "Teil 1/2", "Saison 3", "Épisode 7"),
    *(
        "2ème saison",
        "Temporada 3",
        "Capítulo 54",
        "Stag. 2",
        "Puntata 5",
        "Seizoen 4",
        "Afl. 3",
        "odc. 1520",
        "Sezon 2",
    ),
    *(
        "3. série",
        "12. díl",
        "5. évad",
        "Säsong 2",
        "Avsnitt 6",
        "Sæson 3",
        "Sesong 1",
        "Kausi 2",
        "Jakso 5",
        "3. Bölüm",
    ),
    *(
        "12 серия",
        "3-я серия",
        "Сезон 2",
        "Επεισόδιο 7",
        "Episodul 4",
        "第3話",
        "シーズン２",
        "12회",
        "الحلقة 5",
        "עונה 2",
    ),
    *("ตอนที่ 5", "एपिसोड 3"),
]


@pytest.mark.parametrize("mark", MARKS)
def test_marks_count_in_titles_and_descriptions(mark):
    assert has_episode_mark(f"Nobody {mark}")
    assert has_episode_mark("Nobody", f"{mark} A man looks for his brother.")
    assert has_episode_mark("Nobody", f"A man looks for his brother. {mark}")


@pytest.mark.parametrize("title", ["Verbotene Liebe (22)", "Brisant #12", "Loď snů 2/3", "第４回 舘ひろし"])
def test_bare_numbers_count_in_titles(title):
    assert has_episode_mark(title)


@pytest.mark.parametrize("description", ["(22) Anna leaves.", "1/6. A drama.", "#3 The others."])
def test_bare_numbers_count_at_the_start_of_descriptions(description):
    assert has_episode_mark("Nobody", description)


@pytest.mark.parametrize(
    "title",
    [
        *("Heat", "Heat (1995)", "1917", "24", "Apollo 13", "Blade Runner 2049", "Dune: Part 2", "It: Chapter 2"),
        *("Ocean's 11", "8 1/2", "Die nackte Kanone 33 1/3", "(500) Days of Summer", "4x100", "Jurado Nº2", "F9"),
        *("Harry Potter 7 - Teil 2", "Mission: Impossible 5", "U-571", "District 9", "2001: A Space Odyssey", "Se7en"),
    ],
)
def test_titles_of_films_have_none(title):
    assert not has_episode_mark(title)


@pytest.mark.parametrize(
    "description",
    [
        *("", "Anna (45) meets Paul (50).", "A team in the 2002 season.", "USA 1995, 170 Min.", "After 152 Folgen."),
        *("The 24 men travel for 3 days.", "第７２回ベルリン国際映画祭", "A chapter of 12 monkeys.", "Western (1969)."),
    ],
)
def test_other_numbers_are_no_marks(description):
    assert not has_episode_mark("Nobody", description)
