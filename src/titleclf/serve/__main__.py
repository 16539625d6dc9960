"""`python -m titleclf.serve`: a web service for titles and guides, with a page."""

import argparse
import gc
import math
import os
import socket
import sys
from functools import partial
from ipaddress import ip_address
from pathlib import Path

import uvicorn
from prometheus_client import disable_created_metrics

from titleclf.epg.fill import When
from titleclf.epg.profiles import PROFILES
from titleclf.runtime.arguments import Parser, called_as, count, precision
from titleclf.runtime.errors import InputError, exit_codes
from titleclf.runtime.files import SHIPPED
from titleclf.serve.app import application
from titleclf.serve.connection import Connection
from titleclf.serve.guides import FillOptions
from titleclf.serve.security import Limits
from titleclf.serve.service import Service, Settings

_EXAMPLES = """examples:
  {program}                                       then open http://127.0.0.1:8000/
  {program} --watch guide.xml.gz --profile kodi   players fetch http://127.0.0.1:8000/guides/guide.xml
  {program} --host 0.0.0.0 --name nas.local       for the whole network
  curl --data-binary @guide.xml.gz 'http://127.0.0.1:8000/api/fill?name=guide.xml.gz' -o filled.xml.gz
  curl --json '{{"titles": ["Match of the Day"]}}' http://127.0.0.1:8000/api/predict
"""
_SHUTDOWN_SECONDS = 5  # for requests in progress
_BACKLOG = 1024  # connections not accepted yet


@exit_codes
def main() -> None:
    """Run the command line."""
    arguments = _parser().parse_args()
    disable_created_metrics()  # type: ignore[no-untyped-call]  # they double the number of series
    service = Service(_settings(arguments))
    try:
        with _listen(arguments.host, arguments.port) as listener:
            sys.stderr.write(f"model: {service.settings.model}\n{_address(*listener.getsockname()[:2])}")
            if arguments.channels and not service.uses_channels:
                sys.stderr.write(
                    "note: --channels changes nothing: the model does not use what kind of channel it is\n"
                )
            service_server = server(service)
            gc.freeze()  # else each full collection scans the model's objects and blocks the event loop for 50 ms
            service_server.run(sockets=[listener])
    finally:
        service.close()


def _address(host: str, port: int) -> str:
    """Return the lines that announce the service's URL."""
    url_host = f"[{host}]" if ":" in host else host
    is_local = ip_address(host).is_loopback
    note = "" if is_local else "note: anyone who can reach this address can use the service; there is no login\n"
    return f"serving: http://{url_host}:{port}/ (press Ctrl-C to stop)\n{note}"


def server(service: Service) -> uvicorn.Server:
    """Return a server for the service; it logs bugs, but not the errors of clients."""
    limits = service.settings.limits
    return uvicorn.Server(
        uvicorn.Config(
            application(service),
            http=partial(Connection, limits),  # type: ignore[arg-type]  # called, never subclassed
            ws="none",
            lifespan="on",
            log_level="error",
            access_log=False,
            proxy_headers=False,
            server_header=False,
            timeout_keep_alive=math.ceil(limits.timeout_seconds),
            timeout_graceful_shutdown=_SHUTDOWN_SECONDS,
        )
    )


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog=called_as("serve"),
        description="Serve a web page and a JSON API that predict the categories of titles and fill guides. By default "
        "only this computer can connect. There is no login: anyone who can connect can use the service.",
        epilog=_EXAMPLES.format(program=called_as("serve")),
    )
    parser.add_argument("--host", default="127.0.0.1", metavar="ADDRESS", help="listen here (default: 127.0.0.1)")
    parser.add_argument("--port", type=_port, default=8000, help="default: 8000; 0 takes any free port")
    parser.add_argument(
        *("--name", "--names"),
        action="append",
        default=[],
        metavar="HOST",
        help="accept requests for this host name, too; repeatable",
    )
    parser.add_argument(
        "--watch",
        action="append",
        type=Path,
        default=[],
        metavar="GUIDE",
        help="serve a filled copy of this guide as /guides/NAME, and update it whenever the guide changes; repeatable",
    )
    parser.add_argument(
        "--overrides",
        type=Path,
        default=Path("overrides.csv"),
        metavar="CSV",
        help="store corrections here, as for epg fill (default: overrides.csv, created with the first correction)",
    )
    parser.add_argument("--model", metavar="DIR", help="as for predict")
    parser.add_argument(
        "--channels",
        type=Path,
        metavar="CSV",
        help="your own channels, ahead of titleclf's list: columns name, and categories (joined by ;)",
    )
    parser.add_argument(
        "--precision",
        type=precision,
        default=0.9,
        metavar="P",
        help="abstain unless a fraction P of such predictions is correct (default: 0.9)",
    )
    parser.add_argument("--profile", choices=PROFILES, help="write the category names that this player understands")
    parser.add_argument("--when", choices=list(map(str, When)), help="which programmes to fill, as for epg fill")
    parser.add_argument("--mark", action="store_true", help="add a provenance keyword, as for epg fill")
    parser.add_argument(
        "--max-upload", type=count, default=1024, metavar="MB", help="largest guide to accept (default: 1024)"
    )
    parser.add_argument(
        *("--timeout", "--patience"),
        type=count,
        default=10,
        metavar="SECONDS",
        help="how long to wait for a slow client (default: 10)",
    )
    return parser


def _settings(arguments: argparse.Namespace) -> Settings:
    When.of(arguments.when, arguments.profile)
    for guide in arguments.watch:
        if guide.is_dir():
            raise InputError(f"--watch {guide} must be a file. Got a folder. Name a guide in it.")
    return Settings(
        model=arguments.model or SHIPPED,
        precision=arguments.precision,
        overrides=arguments.overrides,
        watch=arguments.watch,
        options=FillOptions(arguments.profile, arguments.when, arguments.mark),
        host_names=frozenset(name.lower() for name in arguments.name),
        channels=arguments.channels,
        limits=Limits(upload_bytes=arguments.max_upload << 20, timeout_seconds=float(arguments.timeout)),
    )


def _listen(host: str, port: int) -> socket.socket:
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return socket.create_server((host, port), family=family, backlog=_BACKLOG)
    except OSError as error:
        raise InputError(
            f"--host and --port must be an address of this computer and a free port. Got {host} and {port}: "
            f"{os.strerror(error.errno or 0)}. Choose others."
        ) from error


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"must be in [0, 65535]. Got {text}.")
    return int(text)


if __name__ == "__main__":
    main()
