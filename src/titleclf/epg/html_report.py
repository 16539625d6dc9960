"""The report on a guide as one self-contained HTML file."""

import csv
import io
from collections.abc import Iterable, Sequence
from html import escape

from titleclf.epg.console import as_hours, as_percent, gap_summary, unfamiliar_warning
from titleclf.epg.fill import Outcome
from titleclf.epg.report import Part, Report

_MAX_CHANNELS, _MAX_TITLES = 500, 200
_STYLE = """
:root { color-scheme: light dark;
  --line: #d5d9e0; --own: #8a94a6; --filled: #2f7d4f; --unsure: #c98a1b; --faint: #5d6675 }
@media (prefers-color-scheme: dark) { :root {
  --line: #3a404b; --own: #76808f; --filled: #58b47e; --unsure: #dca440; --faint: #a2abb9 } }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 64rem; margin: 0 auto; padding: 1rem 1rem 4rem }
h1 { font-size: 1.5rem; overflow-wrap: anywhere } h2 { font-size: 1.15rem; margin-top: 2.5rem }
p.faint, th { color: var(--faint) }
div.wide { overflow-x: auto } table { border-collapse: collapse; width: 100% }
th, td { text-align: left; padding: .3rem .6rem; border-bottom: 1px solid var(--line); vertical-align: middle }
th { font-weight: 600; font-size: .85rem }
td.n, th.n { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap }
.bar { display: flex; height: .8rem; min-width: 8rem; border-radius: .2rem; overflow: hidden }
.own { background: var(--own) } .filled { background: var(--filled) } .unsure { background: var(--unsure) }
ul.key { list-style: none; padding: 0; display: flex; flex-wrap: wrap; gap: .3rem 1.5rem }
ul.key span { display: inline-block; width: .8rem; height: .8rem; border-radius: .2rem; margin-right: .4rem }
textarea { width: 100%; height: 12rem; font: .85rem/1.4 ui-monospace, monospace; box-sizing: border-box }
"""
_KEY = '<ul class="key"><li><span class="own"></span>has a category, or is left unchanged</li><li><span class="filled">\
</span>would be filled</li><li><span class="unsure"></span>unsure</li></ul>'


def html_page(report: Report) -> str:
    """Return the page; it loads nothing, and escapes all text of the guide."""
    whole = report.whole
    parts = [
        f"<h1>{escape(whole.name)}</h1>",
        f"<p>{gap_summary(whole)}</p>{_bar(whole)}{_KEY}",
        f"<p>{warning}</p>" if (warning := unfamiliar_warning(report)) else "",
        _section("Categories that would be filled in", _categories(report)),
        _section("Channels", _channels(report.gaps())),
        _section("Unsure titles with the most airtime", _unsure_titles(report)),
    ]
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(whole.name)}: missing categories</title><style>{_STYLE}</style></head>\n"
        f"<body><main>{''.join(parts)}</main></body></html>\n"
    )


def _bar(part: Part) -> str:
    filled, unsure = part.outcomes[Outcome.filled], part.outcomes[Outcome.unsure]
    widths = {"own": part.programmes - filled - unsure, "filled": filled, "unsure": unsure}
    spans = "".join(f'<span class="{name}" style="flex:{count}"></span>' for name, count in widths.items() if count)
    label = f"{widths['own']} kept, {filled} filled, {unsure} unsure"
    return f'<div class="bar" role="img" aria-label="{label}">{spans}</div>'


def _categories(report: Report) -> str:
    rows = [(escape(name), f"{count:,}") for name, count in report.categories.most_common()]
    return _table(["category", "#programmes"], rows) if rows else "<p>None.</p>"


def _channels(gaps: Sequence[Part]) -> str:
    rows = [
        (
            *(escape(part.name), f"{part.programmes:,}", f"{part.missing:,}", f"{part.outcomes[Outcome.filled]:,}"),
            *(as_percent(part.confidence), f"{part.outcomes[Outcome.unsure]:,}", as_hours(part.unsure_minutes)),
            _bar(part),
        )
        for part in gaps[:_MAX_CHANNELS]
    ]
    names = ["channel", "#programmes", "#missing", "#filled", "#confidence", "#unsure", "#unsure airtime", "share"]
    return _table(names, rows) + _left_out(gaps, _MAX_CHANNELS) if rows else "<p>No channel lacks a category.</p>"


def _unsure_titles(report: Report) -> str:
    unsure = report.worst_titles()
    if not unsure:
        return "<p>None.</p>"
    rows = [
        (
            *(escape(title.title), as_hours(title.minutes), f"{title.showings:,}"),
            *(escape(title.top1), as_percent(title.probability)),
        )
        for title in unsure[:_MAX_TITLES]
    ]
    text = io.StringIO()
    titles = [(title.title, "") for title in unsure[:_MAX_TITLES]]
    csv.writer(text, lineterminator="\n").writerows([("title", "category"), *titles])
    return (
        _table(["title", "#airtime", "#showings", "most likely", "#probability"], rows)
        + _left_out(unsure, _MAX_TITLES)
        + '<p class="faint" id="csv">Fill in the categories that you know, delete the other rows (their '
        "programmes would be left unchanged), save the table as a .csv file, and pass it to fill with "
        '<code>--overrides</code>:</p><textarea aria-labelledby="csv" spellcheck="false">'
        f"{escape(text.getvalue())}</textarea>"
    )


def _left_out(rows: Sequence[object], shown: int) -> str:
    return f'<p class="faint">{len(rows) - shown:,} more are not shown.</p>' if len(rows) > shown else ""


def _section(title: str, content: str) -> str:
    return f"<section><h2>{escape(title)}</h2>{content}</section>"


def _table(names: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    # A # before the name of a column marks numbers.
    classes = [' class="n"' if name.startswith("#") else "" for name in names]
    header = "".join(
        f'<th scope="col"{css_class}>{name.lstrip("#")}</th>' for name, css_class in zip(names, classes, strict=True)
    )
    body = "".join(
        f"<tr>{''.join(f'<td{css_class}>{cell}</td>' for cell, css_class in zip(row, classes, strict=True))}</tr>\n"
        for row in rows
    )
    # Focusable, so that the keyboard can scroll a table that is wider than the page.
    wide = f'<div class="wide" tabindex="0" role="region" aria-label="by {names[0]}">'
    return f"{wide}<table><thead><tr>{header}</tr></thead><tbody>{body}</tbody></table></div>"
