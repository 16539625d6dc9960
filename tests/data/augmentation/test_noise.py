import re
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from tests.helpers.titles import rows
from tests.helpers.training import compose_train
from titleclf.config.saved import load_config, save_config
from titleclf.config.schemas import NoiseConfig, TrainConfig
from titleclf.data.augmentation.misspellings import LAYOUTS, LOOKALIKES, PLAIN
from titleclf.data.augmentation.noise import misspell, noised, reformat
from titleclf.runtime.architecture import from_mapping
from titleclf.runtime.choices import Format, Misspelling
from titleclf.runtime.errors import InputError
from titleclf.runtime.files import shipped

if TYPE_CHECKING:
    from collections.abc import Callable

TITLES = [title for title, _, _ in rows()]
ACCENTED = [
    "Das große Glück",
    "Où est passé l'été ?",
    "Señora Núñez",
    "La vérité",
    "Ciência à Noite",
    "Über Öl",
    "Čaj o páté",
]
OTHER_SCRIPTS = [
    "日本沈没",
    "Ёлки",
    "Служебный роман",
    "Η Ώρα",
    "🎄🎅",
    "الجزيرة",
    "뉴스",
    "ข่าว",
    "👩‍🚀 Los!",
    "e\u0301te\u0301",
]
TINY = ["", " ", "A", "é", "24", "!", "🎄", "日", "\u0301", "- -", "a a", "aaaa"]
EVERYTHING = [*TITLES, *ACCENTED, *OTHER_SCRIPTS, *TINY]
EQUAL_LETTERS = "aa"  # swapping them makes no difference


def generator(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def misspelt_pairs(kind: Misspelling, titles: list[str]) -> list[tuple[str, str]]:
    """Return pairs of a title and its copy with one misspelling, 20 of each title."""
    repeated = titles * 20
    return list(zip(repeated, misspell(repeated, [kind], 1, generator()), strict=True))


def formatted_pairs(form: Format, titles: list[str]) -> list[tuple[str, str]]:
    repeated = titles * 20
    return list(zip(repeated, reformat(repeated, [form], generator()), strict=True))


def differences(title: str, result: str) -> list[tuple[str, str]]:
    return [pair for pair in zip(title, result, strict=True) if pair[0] != pair[1]]


def presets() -> list[str]:
    return sorted(path.stem for path in Path(shipped("conf/noise")).glob("*.yaml"))


@pytest.fixture(scope="module")
def guide() -> NoiseConfig:
    return compose_train("noise=guide").noise


def test_noise_depends_only_on_the_seed(guide):
    assert noised(TITLES, guide, generator(1)) == noised(TITLES, guide, generator(1))
    assert noised(TITLES, guide, generator(1)) != noised(TITLES, guide, generator(2))
    changes: list[Callable[[np.random.Generator], list[str]]] = [
        lambda generator: misspell(TITLES, list(Misspelling), 2, generator),
        lambda generator: reformat(TITLES, list(Format), generator),
    ]
    for change in changes:
        assert change(generator(1)) == change(generator(1))
        assert change(generator(1)) != change(generator(2))


def test_each_epoch_has_new_noise(guide):
    epochs = generator()
    assert noised(TITLES, guide, epochs) != noised(TITLES, guide, epochs)


@pytest.mark.parametrize("seed", range(5))
def test_noise_never_empties_a_title(guide, seed):
    config = NoiseConfig(1.0, 4, guide.misspellings, 1.0, guide.formats)
    results = noised(EVERYTHING, config, generator(seed))
    assert len(results) == len(EVERYTHING)
    assert all(result.strip() for title, result in zip(EVERYTHING, results, strict=True) if title.strip())


@pytest.mark.parametrize("kind", Misspelling)
def test_no_misspelling_empties_a_title(kind):
    assert all(bool(title.strip()) <= bool(result.strip()) for title, result in misspelt_pairs(kind, EVERYTHING))


@pytest.mark.parametrize("form", Format)
def test_no_format_empties_a_title(form):
    assert all(bool(title.strip()) <= bool(result.strip()) for title, result in formatted_pairs(form, EVERYTHING))


def test_a_misspelling_always_changes_a_title():
    titles = [title for title in EVERYTHING if any(map(str.isalnum, title))] * 20
    assert all(map(str.__ne__, titles, misspell(titles, list(Misspelling), 1, generator())))
    assert all(title != result for title, result in misspelt_pairs(Misspelling.diacritics, ACCENTED))
    assert all(title != result for title, result in misspelt_pairs(Misspelling.mojibake, ACCENTED + OTHER_SCRIPTS))


def test_a_format_always_changes_a_title():
    titles = EVERYTHING * 20
    assert all(map(str.__ne__, titles, reformat(titles, list(Format), generator())))


@pytest.mark.parametrize(
    ("kind", "title"),
    [
        (Misspelling.diacritics, "Tatort"),
        (Misspelling.mojibake, "Tatort"),
        (Misspelling.transpose, EQUAL_LETTERS),
        (Misspelling.substitute, "日"),
        (Misspelling.delete, "A"),
    ],
)
def test_a_misspelling_that_does_not_apply_is_replaced_by_another(kind, title):
    assert set(misspell([title] * 9, [kind], 1, generator())) == {title}
    assert title not in misspell([title] * 9, [kind, Misspelling.insert], 1, generator())


def test_each_edit_adds_a_misspelling():
    title = "Wer weiß denn sowas XXL"
    kinds = [Misspelling.insert]
    lengths = [len(misspell([title], kinds, edits, generator())[0]) - len(title) for edits in (0, 1, 2, 5)]
    assert lengths == [0, 1, 2, 5]


def test_insert_adds_the_same_letter_a_neighbour_or_a_space():
    added = set()
    for title, result in misspelt_pairs(Misspelling.insert, TITLES + ACCENTED):
        assert len(result) == len(title) + 1
        place = next((place for place, character in enumerate(title) if result[place] != character), len(title))
        assert title[:place] + title[place:] == result[:place] + result[place + 1 :]
        beside = title[max(place - 1, 0) : place + 1]
        neighbours = "".join(layout.get(letter, "") for layout in LAYOUTS for letter in beside)
        assert result[place] in f"{beside}{neighbours} "
        added.add("space" if result[place] == " " else "double" if result[place] in beside else "neighbour")
    assert added == {"space", "double", "neighbour"}


def test_delete_removes_one_character():
    for title, result in misspelt_pairs(Misspelling.delete, TITLES + ACCENTED):
        assert any(title[:place] + title[place + 1 :] == result for place in range(len(title)))


def test_transpose_swaps_adjacent_letters():
    for title, result in misspelt_pairs(Misspelling.transpose, TITLES + ACCENTED):
        (first, second), (third, fourth) = differences(title, result)
        assert (first, second) == (fourth, third)
        assert (first + second).isalnum()
        assert first + second in title


def test_substitute_hits_a_neighbour_in_the_same_case():
    for title, result in misspelt_pairs(Misspelling.substitute, TITLES + ACCENTED):
        ((right, wrong),) = differences(title, result)
        assert any(wrong in layout[right] for layout in LAYOUTS)
        assert right.isupper() == wrong.isupper() or "ß" in (right, wrong)


def test_letters_in_no_layout_are_replaced_by_letters_of_the_title():
    for title, result in misspelt_pairs(Misspelling.substitute, ["日本沈没", "뉴스"]):
        ((_, wrong),) = differences(title, result)
        assert wrong in title


def test_keyboard_neighbours():
    qwerty, qwertz, azerty = LAYOUTS
    assert set(qwerty["a"]) == set("qwsz")
    assert set(qwertz["a"]) == set("qwsy")
    assert set(azerty["a"]) == set("zq")
    assert set(qwertz["É"]) == set("WRSD")
    assert set(qwertz["Ü"]) == set("PÖÄß")
    assert set(qwerty["ф"]) == set("йцыя")
    assert set(qwerty["5"]) == set("46")
    for layout in LAYOUTS:
        plain = {key for key in layout if key.isascii()}
        assert all(key in layout[neighbour] for key in plain for neighbour in layout[key] if neighbour.isascii())
        assert all(neighbours and key not in neighbours for key, neighbours in layout.items())


@pytest.mark.parametrize(
    ("title", "plain"),
    [
        ("Das große Glück", {"Das grosse Gluck", "Das grosse Glueck"}),
        ("Où est passé l'été ?", {"Ou est passe l'ete ?"}),
        ("Señora Núñez, São Tomé", {"Senora Nunez, Sao Tome"}),
        ("Łódź øre Œuvre Ægir", {"Lodz ore OEuvre AEgir"}),
        ("e\u0301te\u0301", {"ete"}),
        ("Ёлки 日本", {"Елки 日本"}),
        ("Tatort", {"Tatort"}),
    ],
)
def test_a_title_loses_all_its_diacritics(title, plain):
    assert set(misspell([title] * 50, [Misspelling.diacritics], 1, generator())) == plain
    assert not any(character in PLAIN for character in map(ord, "".join(plain)))


def test_mojibake():
    results = set(misspell(["François"] * 300, [Misspelling.mojibake], 1, generator()))
    assert {"FranÃ§ois", "Fran?ois", "Fran\ufffdois", "Fran&#231;ois"} <= results
    assert "Greyâ€™s Anatomy" in misspell(["Grey's Anatomy"] * 50, [Misspelling.mojibake], 1, generator())
    assert misspell(["Law & Order"], [Misspelling.mojibake], 1, generator()) == ["Law &amp; Order"]


def test_most_mojibake_can_be_decoded_again():
    decoded = 0
    for title, result in misspelt_pairs(Misspelling.mojibake, ["Das große Glück", "La vérité"] * 10):
        try:
            decoded += result.encode("cp1252").decode() == title
        except UnicodeError:
            continue
    assert decoded > 50


def test_ocr_replaces_one_lookalike():
    for title, result in misspelt_pairs(Misspelling.ocr, TITLES):
        start = next(place for place in range(len(title)) if title[: place + 1] != result[: place + 1])
        starts = range(max(start - 1, 0), start + 1)  # "in" and "ii" start with the same letter
        possible = {
            title[:place] + replacement + title[place + len(letters) :]
            for place in starts
            for letters, replacements in LOOKALIKES.items()
            if title.startswith(letters, place)
            for replacement in replacements
        }
        assert result in possible
    assert {"0", "Q"} <= set(LOOKALIKES["O"])
    assert "m" in LOOKALIKES["rn"]


def test_case():
    results = set(reformat(["The Price is Right"] * 50, [Format.case], generator()))
    assert results == {"THE PRICE IS RIGHT", "the price is right", "The price is right", "The Price Is Right"}


@pytest.mark.parametrize("form", [Format.mark_after, Format.episode, Format.year, Format.subtitle])
def test_additions_follow_the_title(form):
    titles = TITLES + OTHER_SCRIPTS
    assert all(result.startswith(title) and result != title for title, result in formatted_pairs(form, titles))


def test_decorations_before_precede_the_title():
    titles = TITLES + OTHER_SCRIPTS
    assert all(
        result.endswith(title) and result != title for title, result in formatted_pairs(Format.mark_before, titles)
    )


def test_decorations_do_not_reveal_the_genre():
    results = reformat(["X"] * 20_000, [Format.mark_before, Format.mark_after], generator())
    genres = re.compile(r"\b(movie|film|cine|película|spielfilm)\b", re.IGNORECASE)
    assert not [result for result in results if genres.search(result)]


@pytest.mark.parametrize(
    ("form", "expected"),
    [
        (Format.mark_before, ["NEW: X", "New: X", "Live X", "LIVE: X", "[HD] X", "Neu: X", "ᴺᴱᵂ X"]),
        (Format.mark_after, ["X [New]", "X (New)", "X (R)", "X HD", "X (OmU)", "X [AD,S]", "X (Wh.)", "X ᴸᶦᵛᵉ", "X *"]),
        (Format.episode, ["X S01E02", "X, S1E2", "X (S01E02)", "X (6)", "X (2/3)", "X - Folge 2", "X 1x02", "X Ep. 3"]),
        (Format.episode, ["X - Season 3", "X, Staffel 2", "X (Saison 2)", "X T2 E5", "X Afl. 4"]),
        (Format.year, ["X (1995)", "X 1995", "X [1995]"]),
    ],
)
def test_common_formats_occur(form, expected):
    def without_numbers(text: str) -> str:
        return re.sub(r"\d+", "1", text)

    results = reformat(["X"] * 100_000, [form], generator())
    assert set(map(without_numbers, expected)) <= set(map(without_numbers, results))


@pytest.mark.parametrize(
    "form", [r"Saison \d+ Episode \d+", r"Stag\. \d+ Ep\. \d+", r"T\d+, Cap\. \d+", r"staffel \d+, folge \d+"]
)
def test_episode_markers_in_words_occur(form):
    assert any(re.search(form, result) for result in reformat(["X"] * 100_000, [Format.episode], generator()))


@pytest.mark.parametrize("form", [Format.mark_before, Format.mark_after, Format.episode, Format.subtitle])
def test_additions_vary(form):
    assert len(set(reformat(["X"] * 4000, [form], generator()))) > 1000


def test_articles_move_to_the_end():
    titles = [
        "The Simpsons",
        "Die Simpsons",
        "L'été meurtrier",
        "El hormiguero",
        "De wereld draait door",
        "an Idiot Abroad",
    ]
    for title, result in formatted_pairs(Format.article, titles):
        [(rest, article)] = re.findall(r"^(.*?)(?:, | \()(\S+?)\)?$", result)
        assert title in (f"{article} {rest}", article + rest)
    assert "Simpsons, The" in reformat(["The Simpsons"] * 9, [Format.article], generator())
    assert reformat(["Theatre", "Lama", "The", "Diesel"], [Format.article], generator()) == [
        "Theatre",
        "Lama",
        "The",
        "Diesel",
    ]


def test_a_title_without_an_article_gets_another_format():
    assert reformat(["Tatort"], [Format.article, Format.year], generator()) != ["Tatort"]


def test_truncated_titles_keep_their_start():
    long = "Match of the Day: Manchester United against Liverpool"
    for title, result in formatted_pairs(Format.cut, [*TITLES, long]):
        beginning = result.rstrip(".… ")
        assert title.startswith(beginning)
        assert len(beginning) < len(title) or len(title) < 10
        assert len(beginning) >= 4
    lengths = {len(result) for _, result in formatted_pairs(Format.cut, [long])}
    assert {20, 30, 40} <= lengths
    assert reformat(["Tatort"], [Format.cut], generator()) == ["Tatort"]


def test_separators():
    results = set(reformat(["Law & Order: Tom's"] * 500, [Format.separators], generator()))
    assert {"Law.&.Order:.Tom's", "Law_&_Order:_Tom's", "Law&Order:Tom's", "Law & Order : Tom's"} <= results
    assert {"Law and Order: Tom's", "Law & Order: Tom’s", "Law Order Toms", "Law  &  Order:  Tom's"} <= results


def test_fractions(guide):
    titles = [f"Der große Abend der Lieder {number}" for number in range(8000)]
    for misspelt, reformatted in ((0.3, 0.4), (1.0, 0.0), (0.0, 1.0)):
        config = NoiseConfig(misspelt, 2, guide.misspellings, reformatted, [Format.mark_before])
        pairs = list(zip(titles, noised(titles, config, generator()), strict=True))
        changed = sum(title != result for title, result in pairs) / len(titles)
        decorated = sum(len(result) > len(title) and result.endswith(title) for title, result in pairs) / len(titles)
        assert changed == pytest.approx(1 - (1 - misspelt) * (1 - reformatted), abs=0.02)
        assert decorated == pytest.approx((1 - misspelt) * reformatted, abs=0.02)


def test_misspelt_titles_have_between_one_and_max_edits():
    config = NoiseConfig(1.0, 3, [Misspelling.insert], 0.0, [])
    titles = ["Tatort"] * 999
    counts = [len(result) - len("Tatort") for result in noised(titles, config, generator())]
    assert {count: round(counts.count(count), -2) for count in set(counts)} == {1: 300, 2: 300, 3: 300}


def test_the_preset_none_changes_nothing():
    assert noised(EVERYTHING, compose_train("noise=none").noise, generator()) == EVERYTHING


def test_no_titles():
    assert noised([], compose_train().noise, generator()) == []


def test_every_preset():
    assert presets() == ["formats", "guide", "misspelt", "none"]
    composed = {name: compose_train(f"noise={name}").noise for name in presets()}
    assert composed["guide"] == compose_train().noise
    assert {name for name, noise in composed.items() if noise.misspelt > 0} == {"guide", "misspelt"}
    assert {name for name, noise in composed.items() if noise.reformatted > 0} == {"guide", "formats"}
    assert set(composed["guide"].misspellings) == set(Misspelling)
    assert set(composed["guide"].formats) == set(Format)


@pytest.mark.parametrize("name", presets())
def test_a_config_survives_saving(name, tmp_path):
    config = compose_train(f"noise={name}")
    assert from_mapping(TrainConfig, asdict(config)) == config
    save_config(tmp_path, config)
    assert load_config(tmp_path, TrainConfig) == config


def test_unknown_formats_are_refused():
    values = {**asdict(compose_train().noise), "formats": ["case", "marks"]}
    with pytest.raises(InputError, match=r"noise.formats must be of type Format. Got 'marks'."):
        from_mapping(NoiseConfig, values, "noise")
