import subprocess
import sys
import unicodedata
from pathlib import Path

import pytest

from titleclf.epg.genres import Genre, GenreTable, folded
from titleclf.runtime import files
from titleclf.runtime.errors import InputError
from titleclf.runtime.tables import read_records

HEADER = "label,genre,weight,lang\n"
COLUMNS = ["label", "genre", "weight", "lang"]


@pytest.fixture(scope="module")
def shipped() -> GenreTable:
    return GenreTable.shipped()


@pytest.fixture(scope="module")
def rows() -> list[dict[str, str]]:
    return [record.cells for record in read_records(files.shipped("data/labels.csv"), COLUMNS)]


def table(tmp_path: Path, *lines: str, header: str = HEADER) -> Path:
    path = tmp_path / "labels.csv"
    path.write_text(header + "".join(f"{line}\n" for line in lines), encoding="utf-8")
    return path


def test_every_genre_has_labels_in_each_language(rows):
    genres: dict[str, set[str]] = {}
    for row in rows:
        genres.setdefault(row["lang"], set()).add(row["genre"])
    assert len(genres) == 35
    assert {lang: found for lang, found in genres.items() if found != {"", *Genre.__members__}} == {}


def test_rows_are_sorted_by_language_then_label(rows):
    keys = [(row["lang"], row["label"].casefold(), row["label"]) for row in rows]
    assert keys == sorted(keys)


def test_a_label_is_unique_in_its_language_and_agrees_with_other_languages(rows):
    assert len({(row["lang"], folded(row["label"])) for row in rows}) == len(rows)
    meanings = {(folded(row["label"]), row["genre"], row["weight"]) for row in rows}
    assert len(meanings) == len({label for label, *_ in meanings})


def test_every_label_has_the_vote_of_its_row(rows, shipped):
    for row in rows:
        assert shipped.votes(row["label"]) == ({Genre[row["genre"]]: int(row["weight"])} if row["genre"] else {})


def test_the_ten_names_of_the_standard_have_their_genre(shipped):
    assert [shipped.genre_of([genre.value]) for genre in Genre] == list(Genre)
    assert shipped.genre_of(["Children's / Youth programs"]) is Genre.children


@pytest.mark.parametrize(
    ("categories", "genre"),
    [
        (["Movie", "Comedy"], Genre.movie),
        (["Comedy", "Movie"], Genre.movie),
        (["Movie", "Animation"], Genre.movie),
        (["Series", "Animation"], Genre.children),
        (["Animation", "Sitcom"], Genre.movie),
        (["Reality", "Crime"], Genre.show),
        (["Cooking", "Family"], Genre.leisure),
        (["Series", "Sports event", "Football"], Genre.sports),
        (["Spielfilm", "Kult"], Genre.movie),
        (["News", "Weather"], Genre.news),
    ],
)
def test_the_largest_sum_of_weights_decides(shipped, categories, genre):
    assert shipped.genre_of(categories) is genre


@pytest.mark.parametrize("categories", [[], [""], ["Series"], ["Gobbledygook"], ["Sports", "Movie"], ["HD", "Live"]])
def test_ties_and_labels_without_a_vote_have_no_genre(shipped, categories):
    assert shipped.genre_of(categories) is None


def test_the_order_of_categories_does_not_matter(shipped):
    categories = ["Sitcom", "Animation", "Football", "Crime", "Sports"]
    assert shipped.genre_of(categories) is shipped.genre_of(categories[::-1])


@pytest.mark.parametrize(
    ("category", "genre"),
    [
        ("وثائقي", Genre.education),
        ("Новини", Genre.news),
        ("Pohádka", Genre.movie),
        ("Ποδόσφαιρο", Genre.sports),
        ("آشپزی", Genre.leisure),
        ("Urheilulähetys", Genre.sports),
        ("ילדים", Genre.children),
        ("समाचार", Genre.news),
        ("Glazba", Genre.music),
        ("Ismeretterjesztő", Genre.education),
        ("Sepak bola", Genre.sports),
        ("バラエティ", Genre.show),
        ("예능", Genre.show),
        ("Hal ehwal semasa", Genre.news),
        ("Desene animate", Genre.children),
        ("Богослужение", Genre.arts),
        ("Spravodajstvo", Genre.news),
        ("Resničnostni šov", Genre.show),
        ("Документарни филм", Genre.education),
        ("Dokumentarni film", Genre.education),
        ("การ์ตูน", Genre.children),
        ("Bilim kurgu", Genre.movie),
        ("Документальний фільм", Genre.education),
        ("Ẩm thực", Genre.leisure),
        ("纪录片", Genre.education),
        ("紀錄片", Genre.education),
    ],
)
def test_labels_of_many_languages_have_their_genre(shipped, category, genre):
    assert shipped.genre_of([category]) is genre


@pytest.mark.parametrize(
    "category", ["مسلسل", "סדרה", "سریال", "节目", "再放送", "재방송", "एपिसोड", "ถ่ายทอดสด", "Siaran langsung"]
)
def test_labels_of_many_languages_may_have_no_vote(shipped, category):
    assert shipped.votes(category) == {}


@pytest.mark.parametrize(
    "category",
    ["children's", "CHILDREN’S", "Childrens", "  Children`s ", "Chíldren's", "Ｃｈｉｌｄｒｅｎ's"],
)
def test_case_accents_apostrophes_and_spaces_do_not_matter(shipped, category):
    assert shipped.votes(category) == {Genre.children: 3}


def test_labels_with_and_without_accents_are_the_same(shipped):
    assert shipped.votes("Komodie") == shipped.votes("Komo\u0308die") == shipped.votes("KOMÖDIE") == {Genre.movie: 2}
    assert shipped.votes("Fussball") == shipped.votes("Fußball") == {Genre.sports: 3}


@pytest.mark.parametrize(
    ("category", "label"),
    [
        ("YARIŞMA", "Yarışma"),
        ("DOI SONG", "Đời sống"),
        ("Молодежный", "Молодёжный"),
        ("ДЕТСКИИ", "Детский"),
        ("أَخْبَار", "أخبار"),
        ("الاخبار", "الأخبار"),
        ("رياضه", "رياضة"),
        ("ريـــاضة", "رياضة"),
        ("فيلم سينمايي", "فیلم سینمایی"),
        ("فیلمها", "فیلم\u200cها"),
        ("חֲדָשׁוֹת", "חדשות"),
        ("ג׳ודו", "ג'ודו"),
        ("ﾄﾞﾗﾏ", "ドラマ"),
        (unicodedata.normalize("NFD", "ドラマ"), "ドラマ"),
        (unicodedata.normalize("NFD", "드라마"), "드라마"),
        (unicodedata.normalize("NFD", "Đời sống"), "Đời sống"),
        (unicodedata.normalize("NFD", "Детский"), "Детский"),
    ],
)
def test_spellings_of_a_label_are_the_same(shipped, category, label):
    assert folded(category) == folded(label)
    assert shipped.votes(category) == shipped.votes(label) is not None


@pytest.mark.parametrize(
    ("label", "other"),
    [
        ("ข่าว", "ขาว"),  # news, white
        ("ข่าว", "ข้าว"),  # news, rice
        ("कला", "कल"),  # art, tomorrow
        ("खेल", "खाल"),  # sport, skin
        ("फिल्म", "फिलम"),
        ("ドラマ", "トラマ"),
        ("பாடல்", "படல"),
    ],
)
def test_vowels_and_tones_that_are_marks_make_another_word(label, other):
    assert folded(label) != folded(other)


@pytest.mark.parametrize("label", ["हिन्दी फिल्म", "ถ่ายทอดสด", "กีฬา", "விளையாட்டு", "ドラマ", "드라마"])
def test_marks_do_not_split_words(label):
    assert folded(label) == label


@pytest.mark.parametrize(
    ("category", "votes"),
    [
        ("NEWS HD", {Genre.news: 3}),
        ("News [HD]", {Genre.news: 3}),
        ("Novosti (R)", {Genre.news: 3}),
        ("Film FHD", {Genre.movie: 3}),
        ("Movies 4K UHD", {Genre.movie: 3}),
        ("Football and Rugby Ultra HD", {Genre.sports: 3}),
        ("Talk show (SD)", {Genre.show: 2}),
        ("電影HD", {Genre.movie: 3}),
        ("Новости HD", {Genre.news: 3}),
        ("4K UHD", {}),
        ("Gobbledygook HD", None),
        ("Moviehd", None),
        ("ＮＥＷＳ\u3000ＨＤ", {Genre.news: 3}),
        ("Ne\u200bws\ufeff", {Genre.news: 3}),
        ("\u200eחדשות\u200f", {Genre.news: 3}),
        ("Foot\u00adball ⚽\ufe0f", {Genre.sports: 3}),
        ("\u200b", {}),
    ],
)
def test_decorations_do_not_matter(shipped, category, votes):
    assert shipped.votes(category) == votes


def test_a_label_that_ends_with_a_quality_takes_precedence(tmp_path):
    genres = GenreTable.read(table(tmp_path, "Films,movie,3,en", "Films 3D,leisure,1,en"))
    assert genres.votes("films 3d") == {Genre.leisure: 1}
    assert genres.votes("Films 3D HD") == {Genre.movie: 3}


@pytest.mark.parametrize("category", ["Home & Garden", "Home and garden", "home/GARDEN", "Home And Garden "])
def test_and_is_the_same_as_an_ampersand(shipped, category):
    assert shipped.votes(category) == {Genre.leisure: 2}


@pytest.mark.parametrize(
    ("category", "votes"),
    [
        ("Football; Gobbledygook", {Genre.sports: 3}),
        ("Gobbledygook (Football)", {Genre.sports: 3}),
        ("Krimi-Serie aus Wien|Krimi", {Genre.movie: 2}),
        ("US-Sitcom", {Genre.movie: 2}),
        ("Football and Rugby", {Genre.sports: 3}),
        ("Comedy/Sitcom", {Genre.movie: 2}),
        ("Football, Talk show", {Genre.sports: 3, Genre.show: 2}),
        ("Series / HD", {}),
        ("Gobbledygook [Football]", {Genre.sports: 3}),
        ("Gobbledygook · Football", {Genre.sports: 3}),
        ("体育，新闻", {Genre.sports: 3, Genre.news: 3}),
        ("体育、新闻", {Genre.sports: 3, Genre.news: 3}),
        ("スポーツ・ニュース・サッカー", {Genre.sports: 3, Genre.news: 3}),
        ("趣味／サッカー", {Genre.leisure: 3, Genre.sports: 3}),
        ("映画｜洋画", {Genre.movie: 3}),
        ("【映画】「ドラマ」", {Genre.movie: 3}),
        ("رياضة، أخبار", {Genre.sports: 3, Genre.news: 3}),
        ("ספורט־חדשות", {Genre.sports: 3, Genre.news: 3}),
        ("Fußball und Handball", {Genre.sports: 3}),
        ("Gobbledygook / Nonsense", None),
        ("Sandy", None),  # no split at "and" inside a word
        ("///", None),
        ("", {}),
        (" \n", {}),
    ],
)
def test_compound_labels_are_looked_up_by_part(shipped, category, votes):
    assert shipped.votes(category) == votes


def test_a_whole_label_takes_precedence_over_its_parts(tmp_path):
    genres = GenreTable.read(table(tmp_path, "Rock,music,2,en", "Roll,sports,2,en", "Rock & Roll,arts,1,en"))
    assert genres.votes("rock / roll") == {Genre.arts: 1}
    assert genres.votes("Roll & Rock") == {Genre.music: 2, Genre.sports: 2}
    assert genres.votes("Rock & Roll; Rock") == {Genre.music: 2, Genre.sports: 2}


def test_unknown_labels_are_listed_once_in_order(shipped):
    categories = ["Zzz", "Movie", "Series", "Gobbledygook", "Zzz", ""]
    assert shipped.unknown(iter(categories)) == ["Zzz", "Gobbledygook"]


def test_text_longer_than_a_label_is_unknown(shipped):
    assert shipped.votes("Movie " * 1000) is None
    assert shipped.votes("M" * 201) is None


def test_invalid_utf8_is_unknown(shipped):
    assert shipped.votes(b"\xff\xfe".decode(errors="surrogateescape")) is None


def test_votes_cannot_be_changed(shipped):
    with pytest.raises(TypeError):
        shipped.votes("Movie")[Genre.music] = 1


def test_spaces_around_cells_do_not_matter(tmp_path):
    genres = GenreTable.read(table(tmp_path, " Film , movie , 3 , de ", "Serie,,,de"))
    assert genres.votes("film") == {Genre.movie: 3}
    assert genres.votes("serie") == {}


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        (",movie,3,en", "label must have a letter or a digit. Got ''. Fill it, or remove the row."),
        ("!?,movie,3,en", "label must have a letter or a digit. Got '!?'. Fill it, or remove the row."),
        ("A" * 201 + ",movie,3,en", "label must have at most 200 characters. Got 201. Shorten it."),
        (
            "Film,film,3,en",
            f"genre must be one of {', '.join(Genre.__members__)}, or empty. Got 'film'. Take one of them.",
        ),
        ("Film,movie,4,en", "weight must be 1, 2 or 3. Got '4'. Take 3 if the label decides, 1 if it only hints."),
        ("Film,movie,,en", "weight must be 1, 2 or 3. Got ''. Take 3 if the label decides, 1 if it only hints."),
        ("Series,,2,en", "weight must be empty where genre is. Got '2'. Empty it, or name a genre."),
        ("Film,movie,3", "must have 4 cells, like the first line. Got 3. Add the missing cells."),
        (
            "MÓVIE,news,3,en",
            "label must have the genre and the weight that it has in line 2. Got 'MÓVIE' with others. Make them alike",
        ),
        ("movie,movie,2,en", "label must have the genre and the weight that it has in line 2."),
        ("movie,,,en", "label must have the genre and the weight that it has in line 2."),
    ],
)
def test_bad_rows_are_named_with_their_line(tmp_path, line, sentence):
    path = table(tmp_path, "Movie,movie,3,en", line)
    with pytest.raises(InputError) as caught:
        GenreTable.read(path)
    assert str(caught.value).startswith(f"{path}:3: {sentence}")
    assert "\n" not in str(caught.value)


def test_invalid_utf8_in_the_table_is_named_with_its_line(tmp_path):
    path = tmp_path / "labels.csv"
    path.write_bytes(HEADER.encode() + b"Kom\xf6die,movie,2,de\n")
    with pytest.raises(InputError, match=r"labels.csv:2: label must be UTF-8 text. Got .* save as UTF-8."):
        GenreTable.read(path)


def test_ten_bad_rows_are_named_and_the_rest_counted(tmp_path):
    path = table(tmp_path, *["!,movie,3,en"] * 12)
    with pytest.raises(InputError) as caught:
        GenreTable.read(path)
    lines = str(caught.value).splitlines()
    assert len(lines) == 11
    assert lines[-1] == f"{path}: 2 more bad rows."


def test_a_missing_column_is_named(tmp_path):
    with pytest.raises(InputError, match=r"must have the columns label, genre, weight, lang. Got label, genre, lang."):
        GenreTable.read(table(tmp_path, header="label,genre,lang\n"))


def test_a_missing_table_is_refused(tmp_path):
    with pytest.raises(InputError, match=r": no such file. Check the path."):
        GenreTable.read(tmp_path / "labels.csv")


def test_the_table_is_read_without_the_heavy_packages():
    code = "import sys; from titleclf.epg.genres import GenreTable; GenreTable.shipped(); print(*sys.modules)"
    modules = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.split()
    assert not {"torch", "pandas", "sklearn", "hydra", "numpy"} & set(modules)
