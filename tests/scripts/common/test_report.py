import pandas as pd
from scripts.common.report import as_percent, as_table, command_line, data_files

from tests.helpers.training import compose_train


def test_placeholders_replace_hidden_files_and_absolute_paths():
    given = ["--train=/a/b/train_en.csv.gz", "--test", "c/test_en.csv", "model.embeddings.path=/a/e.safetensors"]
    hidden = command_line("accuracy", [*given, "seed=2"], ["c/test_en.csv"])
    assert hidden == ("python -m scripts.accuracy --train=TRAIN_EN --test TEST_EN model.embeddings.path=E seed=2")
    assert command_line("accuracy", given) == f"python -m scripts.accuracy {' '.join(given)}"


def test_a_command_line_can_be_pasted_into_a_shell():
    assert command_line("tags", ["--name", "guide titles"]) == "python -m scripts.tags --name 'guide titles'"


def test_a_table_has_text_columns_on_the_left_and_numbers_on_the_right():
    cells = pd.DataFrame({"model": ["a", "b"], 100: ["1", "2"]}, index=pd.Index(["X", "Y"], name="guide"))
    assert as_table(cells, text_columns=2) == (
        "| guide | model | 100 |\n| --- | --- | ---: |\n| X | a | 1 |\n| Y | b | 2 |\n"
    )


def test_percentages_have_one_decimal_and_nan_is_a_dash():
    assert [as_percent(fraction) for fraction in (0.12345, 1, float("nan"))] == ["12.3%", "100.0%", "-"]


def test_the_shipped_titles_are_named_by_their_path_in_the_repository():
    assert data_files(compose_train()) == "data/titles.csv"
    assert data_files(compose_train("data.path=a.csv", "data.test_path=b.csv")) == "a.csv and b.csv"
