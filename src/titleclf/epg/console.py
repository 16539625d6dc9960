"""Results as sentences and tables for a terminal."""

from collections import Counter
from collections.abc import Sequence

from titleclf.epg.channels import GuideChannels
from titleclf.epg.decisions import Basis
from titleclf.epg.fill import Outcome, Tally
from titleclf.epg.harvest import Harvest
from titleclf.epg.lint import Finding, Lint
from titleclf.epg.repairs import MOST_LINES, Repairs
from titleclf.epg.report import Part, Report
from titleclf.epg.text_table import table
from titleclf.runtime.text.channels import Channel

_UNLIKE = 0.5  # of the titles; one in five of those of training hardly resembles the others
MAX_ROWS = 20
_MAX_BETTER = 2  # texts for a category that means several genres


def as_hours(minutes: float) -> str:
    """Return a duration in hours."""
    return f"{minutes / 60:,.1f} h"


def as_percent(probability: float | None) -> str:
    """Return a probability in percent, or a dash for None."""
    return "–" if probability is None else f"{probability:.0%}"


def gap_summary(part: Part) -> str:
    """Return the numbers of missing and of new categories of a guide, in a few sentences."""
    filled, unsure = part.outcomes[Outcome.filled], part.outcomes[Outcome.unsure]
    decided = f" Decided by: {bases_summary(part.bases)}." if part.bases else ""
    return (
        f"{part.programmes:,} programmes, {part.missing:,} without a category. {filled:,} would be filled (mean "
        f"confidence {as_percent(part.confidence)}), {unsure:,} are unsure ({as_hours(part.unsure_minutes)}).{decided}"
    )


def bases_summary(bases: Counter[Basis]) -> str:
    """Return the number of decisions with each basis."""
    return ", ".join(f"{basis} {bases[basis]:,}" for basis in Basis if bases[basis])


def channels_summary(guide: GuideChannels) -> str:
    """Return how many channels the list has, and how many programmes they show."""
    categorized = guide.categorized
    shown = sum(channel.programmes for channel in categorized)
    programmes = sum(channel.programmes for channel in guide.channels)
    return (
        f"{len(guide.matched):,} of {len(guide.channels):,} channels matched, {len(categorized):,} with a category; "
        f"{shown:,} of {programmes:,} programmes are on these"
    )


def channels_table(guide: GuideChannels) -> str:
    """Return a table of the channels, with their rows of the list."""
    rows = [
        (channel.id, channel.name or "-", *(("-", "-") if channel.listed is None else _listed(channel.listed)))
        for channel in guide.channels
    ]
    return table(["channel", "name", "in the list", "categories"], rows)


def fill_summary(tally: Tally) -> str:
    """Return the number of programmes with each outcome, and of decisions with each basis."""
    outcomes = tally.outcomes
    counts = f"{outcomes.total():,} programmes: " + ", ".join(f"{outcomes[name]:,} {name}" for name in Outcome)
    return f"{counts}\ndecided by: {bases_summary(tally.bases)}" if tally.bases else counts


def harvest_summary(harvest: Harvest) -> str:
    """Return the size of a harvest, and the labels that are missing from the table."""
    lines = [str(harvest)]
    if harvest.unknown:
        rows = [(label, f"{count:,}") for label, count in harvest.unknown.most_common(MAX_ROWS)]
        lines += ["", table(["label that is in no table", "#times"], rows), *_more(harvest.unknown)]
    return "\n".join(lines)


def lint_summary(lint: Lint, profile: str, top: int = MAX_ROWS) -> str:
    """Return a table of the `top` most frequent categories that a player does not understand, and the totals."""
    worst = lint.worst()
    missed, understood = sum(finding.count for _, finding in worst), lint.understood.total()
    summary = (
        f"{profile} understands {understood:,} of {understood + missed:,} categories. Programmes: {lint.programmes:,}; "
        f"placed: {lint.placed:,}; without a category: {lint.without:,}; genre under other names: {lint.blind:,}; "
        f"other or unknown genre: {lint.others:,}."
    )
    if not worst:
        return summary
    names = ["category", "#programmes", f"!to {profile}", "!should be", "for example"]
    rows = [
        (_quoted(text), f"{finding.count:,}", finding.problem, _better(finding), finding.example)
        for text, finding in worst[:top]
    ]
    more = [f"... and {len(worst) - top:,} more: --top {len(worst)}"] if len(worst) > top else []
    return "\n".join([table(names, rows), *more, "", summary])


def unfamiliar_warning(report: Report) -> str:
    """Return a warning if most titles to fill are unlike those of training, or nothing."""
    if report.unfamiliar is None or report.unfamiliar <= _UNLIKE:
        return ""
    return (
        f"{report.unfamiliar:.0%} of the titles to fill hardly resemble those that the model learned from, where it is "
        "20%: perhaps it does not know the language. Expect many unsure ones, or train on this guide's own categories."
    )


def report_summary(report: Report) -> str:
    """Return tables of the channels with the most gaps and of the unsure titles with the most airtime."""
    gaps, unsure = report.gaps(), report.worst_titles()
    channels = [
        (
            *(part.name, f"{part.programmes:,}", f"{part.missing:,}", f"{part.outcomes[Outcome.filled]:,}"),
            *(as_percent(part.confidence), f"{part.outcomes[Outcome.unsure]:,}", as_hours(part.unsure_minutes)),
        )
        for part in gaps[:MAX_ROWS]
    ]
    titles = [
        (title.title, as_hours(title.minutes), f"{title.showings:,}", title.top1, as_percent(title.probability))
        for title in unsure[:MAX_ROWS]
    ]
    lines = [gap_summary(report.whole), *filter(None, [unfamiliar_warning(report)])]
    if channels:
        names = ["channel", "#programmes", "#missing", "#filled", "#confidence", "#unsure", "#airtime"]
        lines += ["", table(names, channels), *_more(gaps)]
    if titles:
        names = ["unsure title", "#airtime", "#showings", "most likely", "#probability"]
        lines += ["", table(names, titles), *_more(unsure)]
    return "\n".join(lines)


def repairs_summary(repairs: Repairs, guide: str) -> str:
    """Return what was replaced in a guide, how often, and in which lines first."""
    if not repairs.counts:
        return f"{guide}: nothing to repair"
    rows = []
    for name, count in repairs.counts.most_common(MAX_ROWS):
        lines = ", ".join(map(str, repairs.lines[name]))
        rows.append((name, f"{count:,}", f"{lines}, ..." if len(repairs.lines[name]) == MOST_LINES < count else lines))
    listed = table(["replaced", "#times", "in lines"], rows)
    return "\n".join([f"{guide}: {repairs.counts.total():,} repaired", listed, *_more(repairs.counts)])


def _listed(channel: Channel) -> tuple[str, str]:
    return channel.name, ", ".join(channel.categories) or "-"


def _quoted(category: str) -> str:
    """Return a category in quotes if its spaces would not be seen."""
    return category if category == " ".join(category.split()) else f'"{category}"'


def _better(finding: Finding) -> str:
    return " or ".join(text for text, _ in finding.better.most_common(_MAX_BETTER)) or "-"


def _more(rows: Sequence[object] | Counter[str]) -> list[str]:
    return [f"... and {len(rows) - MAX_ROWS:,} more"] if len(rows) > MAX_ROWS else []
