"""`python -m titleclf.serve`: a service for titles and guides, and its page."""

import argparse
import gc
import math
import os
import socket
import sys
from ipaddress import ip_address
from pathlib import Path

import uvicorn

from titleclf.epg.fill import When
from titleclf.epg.profiles import PROFILES
from titleclf.runtime.arguments import count, precision, program
from titleclf.runtime.bundle.reader import default_model
from titleclf.runtime.errors import InputError, exit_codes
from titleclf.serve.app import application
from titleclf.serve.connection import patient
from titleclf.serve.guides import Options
from titleclf.serve.security import Limits
from titleclf.serve.service import Service, Settings

_EXAMPLES = """examples:
  {program}                                       then open http://127.0.0.1:8000/
  {program} --watch guide.xml.gz --profile kodi   players poll http://127.0.0.1:8000/guides/guide.xml
  {program} --host 0.0.0.0 --name nas.local       for all of your network
  curl --data-binary @guide.xml.gz 'http://127.0.0.1:8000/api/fill?name=guide.xml.gz' -o filled.xml.gz
  curl --json '{{"titles": ["Match of the Day"]}}' http://127.0.0.1:8000/api/predict
"""
_CLOSING_SECONDS = 5  # in which what is being answered may end
_WAITING = 1024  # connections that have not been accepted yet


@exit_codes
def main() -> None:
    """Run the command line."""
    arguments = _parser().parse_args()
    service = Service(_settings(arguments))
    try:
        with _bound(arguments.host, arguments.port) as listener:
            sys.stderr.write(f"model: {service.settings.model}\n{_place(*listener.getsockname()[:2])}")
            serving = server(service)
            gc.freeze()  # else the collector looks at all of it again and again, for 50 ms in which nobody is answered
            serving.run(sockets=[listener])
    finally:
        service.close()


def _place(host: str, port: int) -> str:
    """Return where it is served, and for whom."""
    shown = f"[{host}]" if ":" in host else host
    note = "" if ip_address(host).is_loopback else "note: whoever reaches this address can use it; there is no log-in\n"
    return f"serving: http://{shown}:{port}/ (Ctrl-C ends it)\n{note}"


def server(service: Service) -> uvicorn.Server:
    """Return what serves on a socket; errors of clients are theirs and not logged, bugs are."""
    return uvicorn.Server(
        uvicorn.Config(
            application(service),
            http=patient(service.settings.limits),
            ws="none",
            lifespan="on",
            log_level="error",
            access_log=False,
            proxy_headers=False,
            server_header=False,
            timeout_keep_alive=math.ceil(service.settings.limits.patience_seconds),
            timeout_graceful_shutdown=_CLOSING_SECONDS,
        )
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=program("serve"),
        description="Serve a page and a JSON interface that tell categories of titles and fill guides. Whoever can "
        "reach it can use it: it listens to this computer alone unless told otherwise.",
        epilog=_EXAMPLES.format(program=program("serve")),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--host", default="127.0.0.1", metavar="ADDRESS", help="where to listen (default: 127.0.0.1)")
    parser.add_argument("--port", type=_port, default=8000, help="default: 8000; 0 takes a free one")
    parser.add_argument(
        *("--name", "--names"),
        action="append",
        default=[],
        metavar="HOST",
        help="a name that the service may be called by, besides its address and localhost; may be given several times",
    )
    parser.add_argument(
        "--watch",
        action="append",
        type=Path,
        default=[],
        metavar="GUIDE",
        help="serve this guide filled as /guides/NAME, again whenever it changes; may be given several times",
    )
    parser.add_argument(
        "--overrides",
        type=Path,
        default=Path("overrides.csv"),
        metavar="CSV",
        help="where corrections are kept, as for epg fill (default: overrides.csv, made with the first one)",
    )
    parser.add_argument("--model", metavar="DIR", help="as for predict")
    parser.add_argument(
        "--precision",
        type=precision,
        default=0.9,
        metavar="P",
        help="be sure only where a share P of such answers is right (default: 0.9)",
    )
    parser.add_argument("--profile", choices=PROFILES, help="write the words that this reader understands")
    parser.add_argument(
        "--when", type=When, choices=list(When), default=When.missing, help="which programmes to fill, as for epg fill"
    )
    parser.add_argument("--mark", action="store_true", help="add a keyword that says so, as for epg fill")
    parser.add_argument(
        "--max-upload", type=count, default=1024, metavar="MB", help="the largest guide that is taken (default: 1024)"
    )
    parser.add_argument(
        "--patience",
        type=count,
        default=10,
        metavar="SECONDS",
        help="how long a client may leave the service waiting (default: 10)",
    )
    return parser


def _settings(arguments: argparse.Namespace) -> Settings:
    if arguments.when is When.unknown and arguments.profile is None:
        raise InputError(f"--when {When.unknown} must have a --profile. Got none. Name the reader of the guide.")
    return Settings(
        model=arguments.model or default_model(),
        precision=arguments.precision,
        overrides=arguments.overrides,
        watch=arguments.watch,
        options=Options(arguments.profile, arguments.when.value, arguments.mark),
        names=frozenset(name.lower() for name in arguments.name),
        limits=Limits(upload_bytes=arguments.max_upload << 20, patience_seconds=float(arguments.patience)),
    )


def _bound(host: str, port: int) -> socket.socket:
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return socket.create_server((host, port), family=family, backlog=_WAITING)
    except OSError as error:
        raise InputError(
            f"--host and --port must be an address of this computer and a free port. Got {host} and {port}: "
            f"{os.strerror(error.errno or 0)}. Name others."
        ) from error


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"must be in [0, 65535]. Got {text}.")
    return int(text)


if __name__ == "__main__":
    main()
