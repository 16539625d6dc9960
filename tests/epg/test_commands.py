"""`python -m titleclf.epg`: its verbs, their output, errors and exit codes."""

import csv
import gzip
import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.helpers.commands import one_line, training_command
from tests.helpers.guides import GUIDES, PRETTY, guide, programme
from tests.helpers.training import compose_train
from titleclf.data.titles import read_all_titles
from titleclf.epg import __main__ as module
from titleclf.epg import commands
from titleclf.epg.genres import Genre
from titleclf.runtime.errors import InputError
from titleclf.train import train

COLUMNS = compose_train("data.path=own.csv", "data.columns.unnamed_lang=xx").data.columns
HEAVY = {"torch", "pandas", "sklearn", "hydra", "omegaconf", "matplotlib", "lxml"}
NO_GENRES = "a model for guides must have categories of the ten genres. Got Music; News. Take another model."
SPORTS = programme("<category>Fußball</category>")


@pytest.fixture(scope="session")
def genres_run(tmp_path_factory):
    """Return the folder of a run with the ten genres, trained on a guide; tests must not change it."""
    folder = tmp_path_factory.mktemp("genres")
    programmes = [
        programme(f"<category>{genre.value}</category>", title=f"<title>{genre.name} {word}</title>")
        for genre in Genre
        for word in ("one", "two", "three", "four", "five", "six")
    ]
    (folder / "guide.xml").write_text(guide(*programmes))
    overrides = ["device=cpu", "model.dim=9", "model.buckets=997", "training.epochs=30", "training.batch_size=7"]
    paths = [f"data.path={folder / 'guide.xml'}", f"output_dir={folder / 'outputs'}"]
    return train(compose_train(*overrides, *paths, "evaluate.robustness_titles=0", "data.test_fraction=0.01"))


@pytest.fixture
def epg(monkeypatch, capsys, tmp_path):
    """Run the command in a temporary folder; return its exit code, standard output and standard error."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["epg", *arguments])
        with pytest.raises(SystemExit) as caught:
            module.main()
        out, err = capsys.readouterr()
        return int(caught.value.code or 0), out, err

    return run


def test_fill_lint_undo_report_and_harvest_work_together(epg, tmp_path, genres_run):
    model = ["--model", str(genres_run)]
    programmes = [programme(title="<title>sports one</title>"), programme(title="<title>xyz</title>"), SPORTS]
    (tmp_path / "g.xml.gz").write_bytes(gzip.compress(guide(*programmes).encode()))
    options = ["--mark", "--profile", "tvheadend", "--precision", "0.5", *model]
    code, out, err = epg("fill", "g.xml.gz", "-o", "f.xml", *options)
    assert (code, out) == (0, "")
    assert err.splitlines()[0] == f"model: {genres_run}"
    assert err.splitlines()[1].startswith("3 programmes: 0 kept, ")
    assert "own categories 1" in err.splitlines()[2]
    filled = (tmp_path / "f.xml").read_text(encoding="utf-8")
    assert "<category>Sports</category><keyword>titleclf: Sports</keyword>" in filled
    assert "<category>Fußball</category><category>Sports</category>" in filled

    code, out, _ = epg("lint", "g.xml.gz", "--profile", "tvheadend")
    assert code == 1
    assert "Fußball" in out
    assert epg("lint", "f.xml", "--profile", "tvheadend")[0] == 0

    code, out, err = epg("undo", "f.xml", "-o", "back.xml.gz")
    assert (code, out) == (0, "")
    assert one_line(err).endswith(" programmes had categories added by fill --mark")
    assert gzip.decompress((tmp_path / "back.xml.gz").read_bytes()).decode() == guide(*programmes)

    code, out, err = epg("report", "g.xml.gz", *model, "--html", "r.html")
    assert code == 0
    assert out.startswith("3 programmes, 2 without a category.")
    assert "Channel One" in (tmp_path / "r.html").read_text(encoding="utf-8")

    code, out, err = epg("harvest", "g.xml.gz", "-o", "t.csv")
    assert code == 0
    assert err.startswith("1 titles from 1 of 1 programmes with categories (3 in all)")
    with (tmp_path / "t.csv").open(encoding="utf-8") as file:
        assert list(csv.reader(file)) == [["title", "category", "lang"], ["Match of the Day", "Sports", ""]]


def read_csv(path: Path) -> list[list[str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.reader(file))


def test_titles_are_harvested_with_the_fields_that_are_named(epg, tmp_path):
    news, texts = "<category>News</category>", "<sub-title>Part 1</sub-title><desc>Ein Tag, zwei.</desc>"
    showings = [
        programme(news, title="<title lang='de'>Heute</title>"),
        programme(texts, news, "<date>2019</date>", title="<title lang='de'>Heute</title>"),
        programme("<category>Sport</category>", title="<title>Heute</title>").replace('"one"', '"two"'),
    ]
    (tmp_path / "g.xml").write_text(guide(*showings))
    fields = ["year", "channel", "minutes", "description", "sub_title"]
    code, out, err = epg("harvest", "g.xml", "-o", "t.csv", "--fields", *fields)
    assert (code, out) == (0, "")
    assert err.startswith("2 titles by channel from 3 of 3 programmes with categories (3 in all); left out: 0")
    assert read_csv(tmp_path / "t.csv") == [
        ["title", "category", "lang", *fields],
        ["Heute", "News / Current affairs", "de", "2019", "Channel One", "90.0", "Ein Tag, zwei.", "Part 1"],
        ["Heute", "Sports", "", "", "two", "90.0", "", ""],
    ]
    titles = read_all_titles(str(tmp_path / "t.csv"), COLUMNS, fields=[*fields, "language"])
    assert titles.iloc[0].tolist() == [
        *("Heute", "News / Current affairs", "de"),
        *("Channel One", 90.0, "Ein Tag, zwei.", "Part 1", 2019.0, "de"),
    ]
    assert epg("harvest", "g.xml", "-o", "t.csv", "--fields", "minutes")[0] == 0
    assert read_csv(tmp_path / "t.csv") == [
        ["title", "category", "lang", "minutes"],
        ["Heute", "News / Current affairs", "de", "90.0"],
    ]


def test_a_lint_without_findings_is_a_success(epg, tmp_path):
    (tmp_path / "g.xml").write_text(guide(programme("<category>sports</category>")))
    assert epg("lint", "g.xml", "--profile", "jellyfin")[0] == 0


def test_channels_are_listed_with_their_categories(epg, tmp_path):
    (tmp_path / "g.xml").write_text(guide(programme()).replace("Channel One", "Sky Sports News HD"))
    code, out, err = epg("channels", "g.xml", "g.xml")
    assert code == 0
    assert out.splitlines()[2] == "one      Sky Sports News HD  sky sports news  sports"
    assert one_line(err) == "1 of 1 channels matched, 1 with a category; 2 of 2 programmes are on these"
    (tmp_path / "my.csv").write_text("name,categories\nsky sports news,news;sports\n")
    assert epg("channels", "g.xml", "--channels", "my.csv")[1].endswith("sky sports news  news, sports\n")
    (tmp_path / "e.xml").write_text("<tv/>")
    assert epg("channels", "e.xml")[:2] == (0, "")


def test_the_genres_of_kodi_are_written_beside_the_guide(epg, tmp_path, genres_run):
    (tmp_path / "g.xml").write_text(guide(SPORTS))
    (tmp_path / "out").mkdir()
    fill = ["fill", "g.xml", "--profile", "kodi", "--model", str(genres_run)]
    code, _, err = epg(*fill, "-o", "out/f.xml")
    assert code == 0
    assert (tmp_path / "out" / "genres.xml").exists()
    assert f"genres: {tmp_path / 'out' / 'genres.xml'} written." in err
    assert "there already." in epg(*fill, "-o", "out/f.xml")[2]
    assert epg(*fill, "-o", "-", "--genres", "mine.xml")[0] == 0
    assert (tmp_path / "mine.xml").exists()
    (tmp_path / "mine.xml").write_text("<genres/>")
    code, _, err = epg(*fill, "-o", "late.xml", "--genres", "mine.xml")
    assert code == 2
    assert err.splitlines()[-1].startswith("mine.xml must be the genres.xml that titleclf writes.")
    assert not (tmp_path / "late.xml").exists()


@pytest.mark.parametrize(
    ("failure", "code", "line"),
    [
        (InputError("g.xml must be whole. Got: half. Fetch it again."), 2, "g.xml must be whole. Got: half. Fetch"),
        (KeyboardInterrupt, 130, "Interrupted."),
    ],
)
def test_the_genres_of_kodi_are_written_only_once_the_guide_is_filled(
    epg, monkeypatch, tmp_path, genres_run, failure, code, line
):
    def failed(*_: object) -> None:
        raise failure

    (tmp_path / "g.xml").write_text(guide(SPORTS))
    monkeypatch.setattr(commands, "fill", failed)
    left, _, err = epg("fill", "g.xml", "-o", "f.xml", "--profile", "kodi", "--model", str(genres_run))
    assert left == code
    assert err.splitlines()[-1].startswith(line)
    assert "genres" not in err.removeprefix(f"model: {genres_run}\n")
    assert [path.name for path in tmp_path.iterdir()] == ["g.xml"]


@pytest.mark.parametrize(
    ("arguments", "other"),
    [
        ("g.xml -o f.xml --changes genres.xml", "--changes"),
        ("g.xml -o genres.xml", "-o"),
        ("genres.xml --in-place", "the guide"),
        ("g.xml -o f.xml --overrides genres.xml", "--overrides"),
        ("g.xml -o f.xml --genres x.csv --changes x.csv", "--changes"),
    ],
)
def test_the_genres_of_kodi_must_not_be_another_file_of_the_command(epg, tmp_path, arguments, other):
    for name in ("g.xml", "genres.xml"):
        (tmp_path / name).write_text(guide(SPORTS))
    code, out, err = epg("fill", *arguments.split(), "--profile", "kodi")
    assert (code, out, len(err.splitlines())) == (2, "", 1)
    assert other in err
    assert "Kodi's genres.xml" in err
    assert "for both. Name another file." in err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["g.xml", "genres.xml"]


def test_in_place_keeps_a_backup(epg, tmp_path, genres_run):
    content = guide(programme(title="<title>sports one</title>"))
    (tmp_path / "g.xml").write_text(content)
    assert epg("fill", "g.xml", "--in-place", "--mark", "--model", str(genres_run), "--precision", "0.5")[0] == 0
    assert "Sports" in (tmp_path / "g.xml").read_text()
    assert (tmp_path / "g.xml.bak").read_text() == content
    assert epg("undo", "g.xml", "--in-place")[0] == 0
    assert (tmp_path / "g.xml").read_text() == content


def test_overrides_win_and_unused_rows_are_listed(epg, tmp_path, genres_run):
    (tmp_path / "g.xml").write_text(guide(programme()))
    rows = "".join(f"unused {number},\n" for number in range(12))
    (tmp_path / "my.csv").write_text(f"title,category\nMatch of the Day,Leisure hobbies\n{rows}")
    code, _, err = epg("fill", "g.xml", "-o", "f.xml", "--overrides", "my.csv", "--model", str(genres_run))
    assert code == 0
    assert "<category>Leisure hobbies</category>" in (tmp_path / "f.xml").read_text()
    assert err.splitlines()[-1] == (
        "my.csv: no programme of the guide matches line 3, 4, 5, 6, 7, 8, 9, 10, 11, 12 and 2 more"
    )


def test_what_was_filled_is_listed_with_its_evidence(epg, tmp_path, genres_run):
    titles = ("sports one", "Qwertz, zz", "Live", "sports one")
    programmes = [programme(title=f"<title>{title}</title>") for title in titles]
    (tmp_path / "g.xml").write_text(guide(*programmes, SPORTS).replace("20260101120000", "20260102120000", 1))
    (tmp_path / "my.csv").write_text('title,category\n"Qwertz, zz",Leisure hobbies\nLive,\n')
    options = ["--profile", "jellyfin", "--overrides", "my.csv", "--model", str(genres_run), "--precision", "0.5"]
    assert epg("fill", "g.xml", "-o", "f.xml", "--changes", "changes.csv", *options)[0] == 0
    header, *rows = read_csv(tmp_path / "changes.csv")
    assert header == ["programme", "title", "channel", "category", "evidence", "probability"]
    first = ["20260102120000 +0100", "sports one", "Channel One", "Sports", "model"]
    assert rows[0][:5] == first
    assert 0.5 < float(rows[0][5]) <= 1
    again = ["20260101120000 +0100", *rows[0][1:]]
    override = ["20260101120000 +0100", "Qwertz, zz", "Channel One", "Leisure hobbies", "override", "1.0"]
    own = ["20260101120000 +0100", "Match of the Day", "Channel One", "Sports", "own categories", "1.0"]
    assert rows[1:] == [override, again, own]


def test_a_failed_fill_leaves_the_old_list_of_changes(epg, tmp_path, genres_run):
    (tmp_path / "changes.csv").write_text("old")
    (tmp_path / "g.xml").write_text(guide(programme(), "<broken"))
    fill = ["fill", "g.xml", "-o", "f.xml", "--changes", "changes.csv", "--model", str(genres_run)]
    assert epg(*fill)[0] == 2
    assert (tmp_path / "changes.csv").read_text() == "old"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["changes.csv", "g.xml"]


@pytest.mark.parametrize("verb", ["fill g.xml -o", "undo g.xml -o", "harvest g.xml -o", "report g.xml --html"])
def test_an_output_without_a_name_is_refused(epg, tmp_path, verb):
    (tmp_path / "g.xml").write_text(guide(programme()))
    code, out, err = epg(*verb.split(), "")
    assert (code, out) == (2, "")
    assert "must name a file. Got an empty name." in one_line(err)
    assert [path.read_text() for path in tmp_path.iterdir()] == [guide(programme())]


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("fill g.xml -o f.xml --changes g.xml", "--changes must not be the file of the guide. Got g.xml for both."),
        ("fill g.xml --in-place --changes ./g.xml", "--changes must not be the file of the guide. Got ./g.xml for"),
        ("fill g.xml -o f.xml --changes f.xml", "-o must not be the file of --changes. Got f.xml for both."),
        (
            "fill g.xml -o f.xml --overrides my.csv --changes link.csv",
            "--changes must not be the file of --overrides. Got link.csv for both.",
        ),
        ("fill g.xml -o my.csv --overrides my.csv", "-o must not be the file of --overrides. Got my.csv for both."),
        ("report g.xml --html g.xml", "--html must not be the file of the guide. Got g.xml for both."),
        ("harvest x.xml g.xml -o g.xml", "-o must not be the file of a guide. Got g.xml for both."),
        ("harvest g.xml -o my.csv --labels my.csv", "-o must not be the file of --labels. Got my.csv for both."),
    ],
)
def test_an_output_that_is_another_file_of_the_command_is_refused(epg, tmp_path, line, problem):
    (tmp_path / "g.xml").write_text(guide(programme()))
    (tmp_path / "my.csv").write_text("title,category\n")
    (tmp_path / "link.csv").hardlink_to(tmp_path / "my.csv")
    code, out, err = epg(*line.split())
    assert (code, out) == (2, "")
    assert one_line(err).startswith(problem)
    assert one_line(err).endswith("Name another file.")
    assert (tmp_path / "g.xml").read_text() == guide(programme())
    assert (tmp_path / "my.csv").read_text() == "title,category\n"
    assert not (tmp_path / "f.xml").exists()


def test_models_are_named_in_their_order(epg, tmp_path, genres_run):
    (tmp_path / "g.xml").write_text(guide(PRETTY, programme()))
    models = ["--model", str(genres_run), "--model", "shipped"]
    code, _, err = epg("fill", "g.xml", "-o", "f.xml", "--precision", "0.5", *models)
    assert code == 0
    assert err.startswith(f"model: {genres_run}, then shipped\n")


def test_the_model_that_comes_with_titleclf_is_used_whatever_lies_in_outputs(epg, tmp_path, run):
    (tmp_path / "outputs").mkdir()
    (tmp_path / "outputs" / "latest").symlink_to(run)
    (tmp_path / "g.xml").write_text(guide(programme()))
    assert epg("report", "g.xml")[2].splitlines()[0] == "model: shipped"


@pytest.mark.parametrize(
    "line",
    [
        "fill g.xml -o gone/f.xml",
        "fill g.xml -o f.xml --profile kodi --genres gone/genres.xml",
        "fill g.xml -o f.xml --changes gone/c.csv",
        "undo g.xml -o gone/f.xml",
        "harvest g.xml -o gone/t.csv",
        "report g.xml --html gone/r.html",
    ],
)
def test_a_missing_folder_is_not_created(epg, tmp_path, line):
    (tmp_path / "g.xml").write_text(guide(SPORTS))
    assert epg(*line.split()) == (2, "", "gone: no such folder. Create it, or check the path.\n")
    assert [path.name for path in tmp_path.iterdir()] == ["g.xml"]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (
            ["fill", "g.xml", "-o", "f.xml", "--when", "untranslated"],
            "--when untranslated must have a --profile. Got none. Name your player.",
        ),
        (
            ["fill", "g.xml", "-o", "f.xml", "--genres", "x.xml"],
            "--genres must be used with --profile kodi. Got another profile, or none. Leave it out.",
        ),
        (
            ["report", "g.xml", "--labels", "mine.csv"],
            "mine.csv must have the columns label, genre, weight, lang. Got name, categories. Rename yours.",
        ),
        (
            ["harvest", "g.xml", "-o", "t.csv"],
            (
                "g.xml must have programmes with categories in the table of labels. Got none. Name other guides, or "
                "pass --labels."
            ),
        ),
        (
            ["channels", "g.xml", "--channels", "mine.csv"],
            "mine.csv:2: name must have a letter or a digit. Got ''. Fill it, or remove the row.",
        ),
        (
            ["fill", "none.xml", "-o", "f.xml"],
            "none.xml: no such file. Check the path.",
        ),
    ],
)
def test_user_errors_give_one_line_and_exit_code_2(epg, tmp_path, genres_run, arguments, sentence):
    (tmp_path / "g.xml").write_text(guide(programme()))
    (tmp_path / "mine.csv").write_text("name,categories\n,news\n")
    model = ["--model", str(genres_run)] if arguments[0] in ("fill", "report") else []
    code, out, err = epg(*arguments, *model)
    assert (code, out) == (2, "")
    assert err.splitlines()[-1] == sentence
    assert not (tmp_path / "f.xml").exists()


@pytest.mark.parametrize("options", [[], ["--profile", "plex"]])
def test_a_model_of_other_categories_is_refused(epg, tmp_path, run, options):
    (tmp_path / "g.xml").write_text(guide(programme()))
    code, _, err = epg("fill", "g.xml", "-o", "f.xml", "--model", str(run), *options)
    assert (code, err.splitlines()[-1]) == (2, NO_GENRES)
    assert not (tmp_path / "f.xml").exists()


def test_own_labels_add_to_the_table(epg, tmp_path, genres_run):
    (tmp_path / "g.xml").write_text(guide(programme("<category>Grubblwurz</category>", title="<title>Xyz</title>")))
    (tmp_path / "my.csv").write_text("label,genre,weight,lang\nGrubblwurz,leisure,3,xx\nSports,,,en\n")
    fill = ["fill", "g.xml", "-o", "f.xml", "--profile", "tvheadend", "--model", str(genres_run)]
    epg(*fill, "--precision", "0.99")
    assert "Leisure hobbies" not in (tmp_path / "f.xml").read_text()
    code, _, err = epg(*fill, "--labels", "my.csv")
    assert (code, err.splitlines()[-1]) == (0, "decided by: own categories 1")
    assert "<category>Grubblwurz</category><category>Leisure hobbies</category>" in (tmp_path / "f.xml").read_text()
    # Its rows take precedence, the others stay.
    (tmp_path / "g.xml").write_text(
        guide(programme("<category>Sports</category>"), programme("<category>News</category>"))
    )
    assert epg("harvest", "g.xml", "-o", "t.csv", "--labels", "my.csv")[0] == 0
    assert read_csv(tmp_path / "t.csv")[1:] == [["Match of the Day", Genre.news, ""]]


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["guess"],
        ["fill", "g.xml"],
        ["fill", "g.xml", "-o", "f.xml", "--in-place"],
        ["fill", "g.xml", "-o", "f.xml", "--precision", "1.5"],
        ["fill", "g.xml", "-o", "f.xml", "--profile", "vlc"],
        ["fill", "g.xml", "-o", "f.xml", "--when", "never"],
        ["lint", "g.xml"],
        ["channels"],
        ["harvest", "g.xml"],
        ["harvest", "g.xml", "-o", "t.csv", "--fields"],
        ["harvest", "g.xml", "-o", "t.csv", "--fields", "plot"],
    ],
)
def test_invalid_options_are_refused(epg, arguments):
    code, _, err = epg(*arguments)
    assert code == 2
    assert one_line(err).endswith((".", "?"))


@pytest.mark.parametrize("arguments", ["lint g.xml --profile kodi", "fill g.xml -o - --model {run}", "undo g.xml -o -"])
def test_a_closed_pipe_is_not_an_error(genres_run, tmp_path, arguments):
    labels = (f"<category>label {number}</category>" for number in range(5000))
    (tmp_path / "g.xml").write_text(guide(*map(programme, labels)))
    line = f"{sys.executable} -m titleclf.epg {arguments.format(run=genres_run)} | head -c 10"
    done = subprocess.run(["bash", "-c", line], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert len(done.stdout) == 10
    assert "Error" not in done.stderr


def test_help_shows_examples(epg):
    code, out, _ = epg("--help")
    assert code == 0
    assert "python -m titleclf.epg fill guide.xml.gz -o filled.xml.gz --profile tvheadend" in out


@pytest.mark.parametrize("verb", ["fill", "undo", "lint", "channels", "harvest", "report"])
def test_the_help_of_a_verb_shows_its_own_examples(epg, verb):
    code, out, _ = epg(verb, "--help")
    assert code == 0
    examples = out.partition("examples:\n")[2].splitlines()
    assert examples
    assert all(f"python -m titleclf.epg {verb} " in line for line in examples)


def test_filling_imports_no_package_of_training(genres_run, tmp_path):
    (tmp_path / "g.xml").write_text(guide(programme()))
    program = f"""
import sys
from titleclf.epg import __main__ as epg
try:
    epg.main()
except SystemExit:
    print(*{HEAVY} & set(sys.modules))
"""
    options = ["--model", str(genres_run), "--profile", "plex"]
    done = subprocess.run(
        [sys.executable, "-c", program, "fill", "g.xml", "-o", "f.xml", *options],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "\n"
    assert (tmp_path / "f.xml").exists()


# Guides as training data


def test_titles_are_read_from_guides_and_tables_together(tmp_path, capsys):
    genres = {"News": "news", "Movie": "film"}
    programmes = [
        programme(f"<category>{label}</category>", title=f"<title lang='de'>{word} {number}. x</title>")
        for label, word in genres.items()
        for number in "abc"
    ]
    rare = programme("<category>Opera</category>", title="<title>Tosca</title>")
    (tmp_path / "a.xml.gz").write_bytes(gzip.compress(guide(*programmes, rare, programme()).encode()))
    (tmp_path / "b.csv").write_text(
        "title,category\nDoku,Education / Science / Factual topics\ntalk,News / Current affairs\n"
    )
    titles = read_all_titles(str(tmp_path / "[ab].*"), COLUMNS)
    assert sorted(titles.itertuples(index=False, name=None)) == [
        ("Doku", "Education / Science / Factual topics", "xx"),
        *[(f"film {number}. x", "Movie / Drama", "de") for number in "abc"],
        *[(f"news {number}. x", "News / Current affairs", "de") for number in "abc"],
        ("talk", "News / Current affairs", "xx"),
    ]
    assert one_line(capsys.readouterr().err) == (
        "7 titles from 7 of 7 programmes with categories (8 in all); left out: 0 whose programmes disagree; "
        "1 more, of genres with fewer than 3"
    )


def test_a_guide_without_categories_is_not_training_data(tmp_path):
    (tmp_path / "g.xml").write_bytes(GUIDES["one line"])
    with pytest.raises(InputError) as caught:
        read_all_titles(str(tmp_path / "g.xml"), COLUMNS)
    assert str(caught.value) == (
        f"{tmp_path / 'g.xml'} must have programmes with categories. Got too few. Name a guide that has them."
    )


def test_a_model_is_evaluated_on_a_guide(genres_run, tmp_path):
    path = genres_run.parent.parent / "guide.xml"
    done = training_command("evaluate", f"run={genres_run}", f"path={path}", "output_dir=evaluated", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stderr.startswith("60 titles from 60 of 60 programmes")
    assert json.loads((tmp_path / "evaluated" / "metrics.json").read_text())["titles"] == 60
