import random

import pytest

from tests.helpers.titles import rows
from titleclf.runtime import speedups
from titleclf.runtime.text.plain_titles import plain_title, plain_titles

DRESSED = {
    "NEW: Heat (R)": "Heat",
    "[HD] Neu | Heat [New]": "Heat",
    "*NEW* Heat - (Wdh.)": "Heat",
    "Heat ᴺᴱᵂ": "Heat",
    "Heatᴺᵉʷ": "Heat",
    "ɴᴇᴡ Heat ⁽ᴿ⁾": "Heat",
    "🆕 Heat": "Heat",
    "Heat | UHD": "Heat",
    "Heat 4K HD": "Heat",
    "[COLOR red]NEW[/COLOR] Heat": "Heat",
    "[COLOR=FF00FF00][B]New[/B][/COLOR]: Heat": "Heat",
    "[B]Heat[/B] [I](1995)[/I]": "Heat (1995)",
    "Ｈｅａｔ　（１９９５）": "Heat (1995)",
    "𝐇𝐞𝐚𝐭": "Heat",
    "🅷🅴🅰🆃 Ⓝight": "HEAT Night",
    "He\u200bat\ufeff": "Heat",
    "Tom &amp; Jerry": "Tom & Jerry",
    "Tom &amp;amp; Jerry": "Tom & Jerry",
    "Ocean&#39;s Eleven": "Ocean's Eleven",
    "&#8203;Heat&nbsp;": "Heat",
    "ᴸⁱᵛᵉ Heat": "Live Heat",
}
PLAIN = [
    *("New Girl", "New Amsterdam", "Live at the Apollo", "HD Nature", "Vietnam in HD", "R"),
    *("NOVA: Making North America", "World Cup (W)", "Live: Heat", "Heat (OmU)", "24", "M*A*S*H", "[REC]", "Room [U]"),
    *("AT&T", "R&B;", "Andy&s;s", "1ª parte", "50M²", "Barbie™", "第１話　！", "FranÃ§ois", "El cÃ\u00adrculo", "AHD"),
    *("(R)", "[HD]", "NEW:", "ᴺᴱᵂ", "\u200b", "", " ", "[COLOR red][/COLOR]", "x" * 2000 + " (R)"),
]


@pytest.mark.parametrize(("title", "plain"), DRESSED.items())
def test_dressed_titles_become_plain(title, plain):
    assert plain_title(title) == plain
    assert plain_title(plain) == plain


@pytest.mark.parametrize("title", PLAIN)
def test_plain_titles_stay(title):
    assert plain_title(title) == title


def test_the_shipped_titles_are_plain():
    titles = [title for title, _, _ in rows()]
    assert plain_titles(titles) is titles


def test_compiled_and_pure_many_and_single_titles_are_the_same(monkeypatch):
    draw = random.Random(3)
    parts = [*DRESSED, *PLAIN, *" :|-–()[]*\n\t&;", "New", "HD", "ᴺ", "Ａ", "(R)", "[/B]", "\u200b", *"日é\u00ad"]
    titles = ["".join(draw.choices(parts, k=draw.randint(0, 5))) for _ in range(5_000)]
    many = list(plain_titles(titles))
    assert many == [plain_titles([title])[0] for title in titles] == list(map(plain_title, titles))
    assert sum(plain != title for plain, title in zip(many, titles, strict=True)) > 1_000
    monkeypatch.setattr(speedups, "compiled", None)
    assert many == list(plain_titles(titles))


@pytest.mark.parametrize("unit", ["(R)", "&amp;", "[B]", "NEW: ", "\u200b", "[COLOR red]", "[COLOR red]New[/B] "])
def test_the_longest_titles_are_plain_or_stay(unit):
    title = unit * (1000 // len(unit))
    assert plain_title(title) == title or len(plain_title(title)) < len(title)
