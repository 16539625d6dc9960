"""The load script, in short: no answer is wrong, whatever others do; how long it takes is for `make load` to tell."""

import re
import sys

import load_serve


def test_many_clients_get_their_own_answers_while_others_misbehave(tmp_path, monkeypatch, capsys):
    output = tmp_path / "serve.md"
    short = ["--seconds", "1.5", "--clients", "60", "--pause", "0.5"]
    monkeypatch.setattr(sys, "argv", ["load_serve.py", *short, "--output", str(output)])
    load_serve.main()
    text = output.read_text()
    assert capsys.readouterr().out.startswith(text)
    rows = re.findall(r"^\| (each|the same).* \| ([\d,]+) \| (\d+) \| [\d.,]+ \| [\d.,]+ \|", text, re.MULTILINE)
    assert [errors for _, _, errors in rows] == ["0", "0", "0"]
    assert all(int(rate.replace(",", "")) > 0 for _, rate, _ in rows)
