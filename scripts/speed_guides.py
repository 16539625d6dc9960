"""Fill ever larger guides, made by repeating a real one, and measure time and memory beside lxml, which only reads.

python -m scripts.speed_guides --guide GUIDE.xml.gz [--megabytes 125 250 500 1000] [--name TEXT]
    [--output results/fill_speed.md]
"""

import argparse
import re
import sys
import tempfile
from pathlib import Path

import pandas as pd
from tqdm import tqdm

from scripts.common.processes import run
from scripts.common.report import as_table, machine, shown
from titleclf.epg.parser import pieces
from titleclf.epg.streams import reading
from titleclf.epg.xmltv import Piece
from titleclf.runtime.errors import exit_codes
from titleclf.runtime.files import write_text

_COMMAND = ("python", "-m", "scripts.speed_guides")
_LXML = """
import sys
from lxml import etree
for _, element in etree.iterparse(sys.argv[1], tag="programme", huge_tree=False, no_network=True):
    element.clear()
    while element.getprevious() is not None:
        del element.getparent()[0]
"""


def without_categories(guide: Path) -> tuple[bytes, bytes, bytes]:
    """Return the beginning of a guide, its programmes without their categories, and its end."""
    with reading(str(guide)) as source:
        content = b"".join(_bare(piece) for piece in pieces(source.pieces, str(guide)))
    first, last = content.index(b"<programme"), content.rindex(b"</programme>") + len(b"</programme>")
    return content[:first], content[first:last], content[last:]


def _bare(piece: Piece) -> bytes:
    return piece.edited([piece.removal(one) for programme in piece.programmes for one in programme.categories])


def repeat(parts: tuple[bytes, bytes, bytes], megabytes: int, path: Path) -> None:
    """Write a guide of about this size."""
    head, body, tail = parts
    with path.open("wb") as file:
        file.write(head)
        for _ in range(max(1, round(megabytes * 1_000_000 / len(body)))):
            file.write(body + b"\n")
        file.write(tail)


def measure(guide: Path, megabytes: int, folder: Path) -> dict[str, float]:
    """Fill a guide of this size, and let lxml read it."""
    path, output = folder / "guide.xml", folder / "filled.xml"
    repeat(without_categories(guide), megabytes, path)
    filling = run([sys.executable, "-m", "titleclf.epg", "fill", path, "-o", output, "--model", "shipped"], folder)
    peer = run([sys.executable, "-c", _LXML, path], folder)
    counts = {name: int(number.replace(",", "")) for number, name in re.findall(r"(\d[\d,]*) (\w+)", filling.said)}
    return {
        "megabytes": path.stat().st_size / 1e6,
        "programmes": counts["programmes"],
        "filled": counts["filled"],
        "seconds": filling.seconds,
        "memory": filling.megabytes,
        "peer": peer.seconds,
        "peer_memory": peer.megabytes,
    }


def as_markdown(rows: pd.DataFrame) -> str:
    """Return the measures as a table, a row a size."""
    cells = pd.DataFrame(
        {
            "MB": rows["megabytes"].map("{:,.0f}".format),
            "programmes": rows["programmes"].map("{:,.0f}".format),
            "filled": rows["filled"].map("{:,.0f}".format),
            "seconds": rows["seconds"].map("{:,.1f}".format),
            "programmes a second": (rows["programmes"] / rows["seconds"]).map("{:,.0f}".format),
            "peak memory, MB": rows["memory"].map("{:,.0f}".format),
            "time against lxml": (rows["seconds"] / rows["peer"]).map("{:.1f} x".format),
            "lxml's memory, MB": rows["peer_memory"].map("{:,.0f}".format),
        }
    )
    return as_table(cells.set_index("MB"))


@exit_codes
def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--guide", type=Path, required=True)
    parser.add_argument("--megabytes", type=int, nargs="+", default=[125, 250, 500, 1000])
    parser.add_argument("--name")
    parser.add_argument("--output", type=Path, default=Path("results/fill_speed.md"))
    arguments = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        rows = [
            measure(arguments.guide, size, Path(folder)) for size in tqdm(arguments.megabytes, "sizes", disable=None)
        ]
    hidden = [str(arguments.guide)] if arguments.name else []
    text = f"""# Filling large guides

Programmes of a real guide ({arguments.name or arguments.guide})
without their categories, repeated: after the first round all titles are known. `fill` starts, loads the shipped model,
reads, fills and writes in one process on one core; beside it lxml's `iterparse`, which reads the same file and does
nothing with it.

Made by `{shown(sys.argv[1:], hidden, _COMMAND)}`, {machine()}.

{as_markdown(pd.DataFrame(rows))}"""
    write_text(arguments.output, text)
    print(f"{text}\nWrote {arguments.output}")


if __name__ == "__main__":
    main()
