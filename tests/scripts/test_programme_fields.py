import sys

from scripts import programme_fields
from tests.conftest import rows
from tests.helpers.guides import guide

GENRES = {"Sports": "Sports", "News": "News", "Music": "Music"}


def test_what_channel_and_duration_add_is_measured_on_programmes_held_out(monkeypatch, capsys, tmp_path):
    programmes = [
        f'<programme start="202601011{number % 10}0000 +0100" stop="202601011{number % 10}3000 +0100" '
        f'channel="{category.lower()}.{number % 3}"><title>{title.replace("&", "")}</title>'
        f"<category>{GENRES[category]}</category></programme>"
        for title, category, _ in rows() * 2
        for number in range(2)
    ]
    path, output = tmp_path / "xy.xml", tmp_path / "results" / "own_features.md"
    path.write_text(guide(*programmes))
    overrides = ["model=ngram", "model.dim=9", "model.buckets=997", "device=cpu", "training.epochs=2"]
    arguments = ["--guides", str(path), "--name", "A small guide", "--seeds", "1", "--output", str(output), *overrides]
    monkeypatch.setattr(sys, "argv", ["own_features", *arguments])
    programme_fields.main()
    text = output.read_text()
    assert text.count("| XY | all three, asked for the title alone |") == 3
    assert "--guides XY" in text
    assert str(path) not in text  # a name hides where guides lie
    assert f"Wrote {output}" in capsys.readouterr().out
