"""Counts and times as Prometheus reads them (text format 0.0.4)."""

import os
import time
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import accumulate
from pathlib import Path

_BOUNDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0)  # seconds
_STATM = Path("/proc/self/statm")
_ESCAPES = str.maketrans({"\\": "\\\\", '"': '\\"', "\n": "\\n"})

Sample = tuple[Mapping[str, str], float]  # labels and a value
Family = tuple[str, str, str, Sequence[Sample]]  # name, kind and meaning of samples


class Metrics:
    """What has been asked for since the start."""

    def __init__(self) -> None:
        self.started = time.time()
        self.titles = 0
        self._requests: Counter[tuple[str, str, int]] = Counter()
        self._seconds: dict[str, list[int]] = {}  # by path: how many took up to each of the bounds, and longer
        self._sums: defaultdict[str, float] = defaultdict(float)

    def add_request(self, method: str, path: str, status: int, seconds: float) -> None:
        """Count a request; `path` is that of a route: what clients make up would grow without end."""
        self._requests[(method if method in ("GET", "HEAD", "POST", "DELETE") else "other", path, status)] += 1
        self._seconds.setdefault(path, [0] * (len(_BOUNDS) + 1))[bisect_left(_BOUNDS, seconds)] += 1
        self._sums[path] += seconds

    def text(self, more: Iterable[Family]) -> str:
        """Return all, and `more`."""
        requests = [
            ({"method": method, "path": path, "status": str(status)}, float(count))
            for (method, path, status), count in sorted(self._requests.items())
        ]
        families: list[Family] = [
            ("http_requests_total", "counter", "Requests by route and status.", requests),
            ("titles_total", "counter", "Titles that were answered.", [({}, float(self.titles))]),
            ("start_time_seconds", "gauge", "When the service began.", [({}, self.started)]),
            *more,
        ]
        if _STATM.exists():  # Linux
            resident = int(_STATM.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
            families.append(("resident_memory_bytes", "gauge", "Memory of the service.", [({}, float(resident))]))
        return "".join([*(_family(*family) for family in families), self._histogram()])

    def _histogram(self) -> str:
        name = "titleclf_http_request_seconds"
        lines = [f"# HELP {name} How long requests took.", f"# TYPE {name} histogram"]
        for path, counts in sorted(self._seconds.items()):
            for bound, count in zip((*map(str, _BOUNDS), "+Inf"), accumulate(counts), strict=True):
                lines.append(f"{name}_bucket{_labels({'path': path, 'le': bound})} {count}")
            lines.append(f"{name}_sum{_labels({'path': path})} {self._sums[path]:.6f}")
            lines.append(f"{name}_count{_labels({'path': path})} {sum(counts)}")
        return "\n".join(lines) + "\n"


def _family(name: str, kind: str, meaning: str, samples: Sequence[Sample]) -> str:
    lines = [f"# HELP titleclf_{name} {meaning}", f"# TYPE titleclf_{name} {kind}"]
    lines += [f"titleclf_{name}{_labels(labels)} {value:.16g}" for labels, value in samples]
    return "\n".join(lines) + "\n"


def _labels(labels: Mapping[str, str]) -> str:
    escaped = [f'{name}="{value.translate(_ESCAPES)}"' for name, value in labels.items()]
    return f"{{{','.join(escaped)}}}" if escaped else ""
