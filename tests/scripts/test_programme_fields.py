import sys

import pytest

from scripts import programme_fields
from tests.helpers.guides import guide
from tests.helpers.titles import rows
from tests.helpers.training import FEW_BUCKETS, SMALL


@pytest.mark.usefixtures("no_plots")
def test_channel_and_duration_are_evaluated_on_held_out_programmes(monkeypatch, capsys, tmp_path):
    programmes = [
        f'<programme start="202601011{number % 10}0000 +0100" stop="202601011{number % 10}3000 +0100" '
        f'channel="{category.lower()}.{number % 3}"><title>{title.replace("&", "")}</title>'
        f"<category>{category}</category></programme>"
        for title, category, _ in rows() * 2
        for number in range(2)
    ]
    path, output = tmp_path / "xy.xml", tmp_path / "results" / "programme_fields.md"
    path.write_text(guide(*programmes))
    options = ["--guides", path, "--name", "A small guide", "--seeds", 1, "--output", output]
    overrides = ["model=ngram", *SMALL, FEW_BUCKETS, "training.epochs=2"]
    monkeypatch.setattr(sys, "argv", ["programme_fields", *map(str, options), *overrides])
    programme_fields.main()
    text = output.read_text()
    for fields in (*programme_fields.FIELDS, programme_fields.TITLE_ONLY):
        assert text.count(f"| XY | {fields} |") == len(programme_fields.VIEWS)
    assert "`python -m scripts.programme_fields --guides XY --name 'A small guide' " in text
    assert str(path) not in text
    assert capsys.readouterr().out == f"{text}\nWrote {output}\n"
