"""Measure the time and memory for filling ever larger guides, compared with lxml, which only reads them.

The guides repeat the programmes of a real one.
"""

import re
import sys
import tempfile
from pathlib import Path

import pandas as pd
from tqdm import tqdm

from scripts.common.arguments import report_parser
from scripts.common.processes import run
from scripts.common.report import as_table, made_by, write_report
from titleclf.epg.encodings import Utf8Bytes
from titleclf.epg.parser import pieces
from titleclf.epg.streams import reading
from titleclf.epg.xmltv import Piece
from titleclf.runtime.arguments import count
from titleclf.runtime.errors import exit_codes

_LXML = """
import sys
from lxml import etree
for _, element in etree.iterparse(sys.argv[1], tag="programme", huge_tree=False, no_network=True):
    element.clear()
    while element.getprevious() is not None:
        del element.getparent()[0]
"""


def without_categories(guide: Path) -> tuple[bytes, bytes, bytes]:
    """Return the start of a guide, its programmes without their categories, and its end."""
    with reading(str(guide)) as source:
        content = b"".join(_without_categories(piece) for piece in pieces(source.chunks, str(guide)))
    first, last = content.index(b"<programme"), content.rindex(b"</programme>") + len(b"</programme>")
    return content[:first], content[first:last], content[last:]


def _without_categories(piece: Piece) -> bytes:
    removals = [piece.removal(category) for airing in piece.airings for category in airing.categories]
    return piece.edited(removals, Utf8Bytes())


def write_repeated(parts: tuple[bytes, bytes, bytes], megabytes: int, path: Path) -> None:
    """Write a guide of about this size by repeating its programmes."""
    head, body, tail = parts
    with path.open("wb") as file:
        file.write(head)
        for _ in range(max(1, round(megabytes * 1_000_000 / len(body)))):
            file.write(body + b"\n")
        file.write(tail)


def measure(guide: Path, megabytes: int, folder: Path) -> dict[str, float]:
    """Fill a guide of this size, and read it with lxml."""
    path, output = folder / "guide.xml", folder / "filled.xml"
    write_repeated(without_categories(guide), megabytes, path)
    fill = run([sys.executable, "-m", "titleclf.epg", "fill", path, "-o", output, "--model", "shipped"], folder)
    lxml = run([sys.executable, "-c", _LXML, path], folder)
    counts = {name: int(number.replace(",", "")) for number, name in re.findall(r"(\d[\d,]*) (\w+)", fill.output)}
    return {
        "megabytes": path.stat().st_size / 1e6,
        "programmes": counts["programmes"],
        "filled": counts["filled"],
        "seconds": fill.seconds,
        "memory": fill.megabytes,
        "lxml_seconds": lxml.seconds,
        "lxml_memory": lxml.megabytes,
    }


def as_markdown(rows: pd.DataFrame) -> str:
    """Return the measurements as a table, a row for each size."""
    cells = pd.DataFrame(
        {
            "MB": rows["megabytes"].map("{:,.0f}".format),
            "programmes": rows["programmes"].map("{:,.0f}".format),
            "filled": rows["filled"].map("{:,.0f}".format),
            "seconds": rows["seconds"].map("{:,.1f}".format),
            "programmes per second": (rows["programmes"] / rows["seconds"]).map("{:,.0f}".format),
            "peak memory, MB": rows["memory"].map("{:,.0f}".format),
            "time vs lxml": (rows["seconds"] / rows["lxml_seconds"]).map("{:.1f} x".format),
            "lxml's memory, MB": rows["lxml_memory"].map("{:,.0f}".format),
        }
    )
    return as_table(cells.set_index("MB"))


@exit_codes
def main() -> None:
    """Measure, print and write."""
    parser = report_parser("speed_guides", __doc__)
    parser.add_argument("--guide", type=Path, required=True, metavar="FILE", help="XMLTV, also .gz")
    sizes = [125, 250, 500, 1000]
    parser.add_argument(
        "--megabytes", type=count, nargs="+", default=sizes, metavar="N", help="sizes of the guides (125 250 500 1000)"
    )
    parser.add_argument("--name", metavar="TEXT", help="a name for the guide; the report then hides its file")
    arguments = parser.parse_args()
    provenance = made_by("speed_guides", [str(arguments.guide)] if arguments.name else [])
    with tempfile.TemporaryDirectory() as folder:
        rows = [
            measure(arguments.guide, size, Path(folder)) for size in tqdm(arguments.megabytes, "sizes", disable=None)
        ]
    text = f"""\
# Filling large guides

Programmes of a real guide ({arguments.name or arguments.guide})
without their categories, repeated: after the first round all titles are known. `fill` starts, loads the shipped model,
reads, fills and writes in one process on one core. lxml's `iterparse` only reads the same file.

Made by {provenance}.

{as_markdown(pd.DataFrame(rows))}"""
    write_report(arguments.output, text)


if __name__ == "__main__":
    main()
