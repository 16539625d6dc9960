from pathlib import Path

import pytest
from scripts.common.arguments import parse_with_overrides, report_parser, script_parser

from titleclf.runtime.errors import InputError


def parse(*given):
    parser = script_parser("accuracy", "Measure.")
    parser.add_argument("--titles", type=int, nargs="+")
    parser.add_argument("--name")
    return parse_with_overrides(parser, given)


def test_overrides_stand_before_between_and_after_options():
    arguments = parse("model=ngram", "--titles", "1", "2", "--name", "a=b", "seed=2", "data.path=a=b.csv")
    assert arguments.overrides == ["model=ngram", "seed=2", "data.path=a=b.csv"]
    assert arguments.titles == [1, 2]
    assert arguments.name == "a=b"
    assert parse().overrides == []


def test_an_override_without_a_value_is_rejected():
    with pytest.raises(InputError) as caught:
        parse("seed=2", "quick", "--name", "a", "fast")
    assert str(caught.value) == "overrides must read key=value. Got quick fast. See --help."


@pytest.mark.parametrize("option", ["--nam=a", "--unknown"])
def test_options_must_be_spelt_out(option, capsys):
    with pytest.raises(SystemExit) as exited:
        parse(option)
    assert exited.value.code == 2
    name = option.partition("=")[0]
    assert capsys.readouterr().err.startswith(
        f"{name} must be an option of python -m scripts.accuracy. Got an unknown one"
    )


def test_a_report_is_named_after_its_script():
    parser = report_parser("tags", "Compare.")
    assert parser.parse_args([]).output == Path("results/tags.md")
    assert parser.parse_args(["--output", "a.md"]).output == Path("a.md")
