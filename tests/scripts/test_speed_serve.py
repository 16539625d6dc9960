"""A short load on the service: all responses are right, whatever other clients do."""

import re
import sys

from scripts import speed_serve


def test_all_clients_get_their_own_predictions_while_others_misbehave(tmp_path, monkeypatch, capsys):
    output = tmp_path / "serve.md"
    titles = tmp_path / "titles.csv"
    titles.write_text("\n".join(["title", *(f"Title {number}" for number in range(300))]), encoding="utf-8")
    short = ["--seconds", "0.4", "--clients", "60", "--pause", "0.3", "--titles", str(titles)]
    monkeypatch.setattr(sys, "argv", ["speed_serve", *short, "--output", str(output)])
    speed_serve.main()
    text = output.read_text()
    assert capsys.readouterr().out == f"{text}\nWrote {output}\n"
    rows = re.findall(r"^\| (?:one request|the )[^|]*" + r"\| ([\d.,]+) " * 6, text, re.MULTILINE)
    assert [errors for _, errors, *_ in rows] == ["0", "0", "0"]
    assert all(int(rate.replace(",", "")) > 0 for rate, *_ in rows)
    assert [int(guides) > 0 for *_, guides in rows] == [False, True, False]
