"""What is found in a guide, in sentences and tables for a terminal."""

from collections import Counter
from collections.abc import Iterable, Sequence

from titleclf.epg.fill import Outcome
from titleclf.epg.harvest import Harvest
from titleclf.epg.lint import Lint
from titleclf.epg.report import Part, Report
from titleclf.runtime.text.characters import printable

_LISTED = 20  # rows of what could be endless
_WIDEST = 40  # characters of a cell


def hours(minutes: float) -> str:
    """Return a length in hours."""
    return f"{minutes / 60:,.1f} h"


def share(probability: float | None) -> str:
    """Return a probability in percent, or a dash."""
    return "–" if probability is None else f"{probability:.0%}"


def lacking(part: Part) -> str:
    """Say in two sentences what a guide lacks and would get."""
    filled, unsure = part.outcomes[Outcome.filled], part.outcomes[Outcome.unsure]
    overridden = f", {part.overridden:,} by overrides" if part.overridden else ""
    return (
        f"{part.programmes:,} programmes, {part.missing:,} without a category. {filled:,} would be filled{overridden} "
        f"(mean confidence {share(part.confidence)}), {unsure:,} are unsure ({hours(part.unsure_minutes)})."
    )


def filled(outcomes: Counter[Outcome]) -> str:
    """Say what became of the programmes of a guide."""
    return f"{outcomes.total():,} programmes: " + ", ".join(f"{outcomes[name]:,} {name}" for name in Outcome)


def harvested(found: Harvest) -> str:
    """Say how much of guides has become training data, and list the labels that nobody could map."""
    lines = [str(found)]
    if found.unknown:
        rows = [(label, f"{count:,}") for label, count in found.unknown.most_common(_LISTED)]
        lines += ["", table(["label that is in no table", "#times"], rows), *_more(found.unknown)]
    return "\n".join(lines)


def linted(found: Lint, profile: str) -> str:
    """List the categories that a reader does not understand, and count the others."""
    worst = found.worst()
    missed, understood = sum(finding.count for _, finding in worst), found.understood.total()
    told = (
        f"{profile} understands {understood:,} of {understood + missed:,} categories. Of {found.programmes:,} "
        f"programmes {found.without:,} have no category, and {found.blind:,} none that it understands."
    )
    if not worst:
        return told
    rows = [
        (text, f"{finding.count:,}", finding.problem, " or ".join(sorted(finding.better)) or "-", finding.example)
        for text, finding in worst
    ]
    return "\n".join([table(["category", "#programmes", f"to {profile}", "should be", "for example"], rows), "", told])


def reported(found: Report) -> str:
    """List the channels with most gaps, and the unsure titles with most airtime."""
    gaps, doubts = found.gaps(), found.worst_doubts()
    channels = [
        (
            *(part.name, f"{part.programmes:,}", f"{part.missing:,}", f"{part.outcomes[Outcome.filled]:,}"),
            *(share(part.confidence), f"{part.outcomes[Outcome.unsure]:,}", hours(part.unsure_minutes)),
        )
        for part in gaps[:_LISTED]
    ]
    titles = [
        (one.title, hours(one.minutes), f"{one.showings:,}", one.likeliest, share(one.probability))
        for one in doubts[:_LISTED]
    ]
    lines = [lacking(found.whole)]
    if channels:
        names = ["channel", "#programmes", "#missing", "#filled", "#confidence", "#unsure", "#airtime"]
        lines += ["", table(names, channels), *_more(gaps)]
    if titles:
        names = ["unsure title", "#airtime", "#showings", "most likely", "#probability"]
        lines += ["", table(names, titles), *_more(doubts)]
    return "\n".join(lines)


def table(names: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return columns, those whose name begins with # to the right; no cell can steer the terminal."""
    cells = [[name.lstrip("#") for name in names], *([_cell(text) for text in row] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = [
        "  ".join(
            text.rjust(width) if name.startswith("#") else text.ljust(width)
            for name, text, width in zip(names, row, widths, strict=True)
        ).rstrip()
        for row in cells
    ]
    return "\n".join([lines[0], "-" * max(map(len, lines)), *lines[1:]])


def _cell(text: str) -> str:
    text = printable(text)
    return text if len(text) <= _WIDEST else f"{text[: _WIDEST - 1]}…"


def _more(found: Sequence[object] | Counter[str]) -> list[str]:
    return [f"... and {len(found) - _LISTED:,} more"] if len(found) > _LISTED else []
