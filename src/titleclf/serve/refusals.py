"""What can't be done, answered by one sentence, whoever noticed: a route, the framework, or the check of a body."""

import re
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from titleclf.serve.limits import Refused

_SHOWN = 60  # characters of what was got
_SHOULD = re.compile(r"^(\w+ )*?should ")  # what a sentence of pydantic begins with


def add_refusals(app: FastAPI) -> None:
    """Let all that goes wrong by a client's fault be answered by a sentence."""
    app.add_exception_handler(HTTPException, _refusal)
    app.add_exception_handler(RequestValidationError, _misfit)
    app.add_exception_handler(ClientDisconnect, _farewell)


async def _refusal(_: Request, error: Any) -> Response:
    sentences = {
        400: "a body must be JSON in UTF-8, neither nested deeply nor with endless numbers. Got another. Mend it.",
        404: "a route must be one that there is. Got another. /openapi.json lists them.",
        405: "a route must be asked with one of its methods. Got another. /openapi.json lists them.",
    }
    sentence = error.detail if isinstance(error, Refused) else sentences.get(error.status_code, error.detail)
    return JSONResponse({"error": sentence}, error.status_code, error.headers)


async def _misfit(request: Request, error: Any) -> Response:
    """Answer with what is wrong first: `titles.3 must have at most 1000 characters. Got ... .`."""
    first = error.errors()[0]
    if first["type"] == "json_invalid":
        return JSONResponse({"error": f"a body must be JSON. Got: {first['ctx']['error']}. Mend it."}, 400)
    kind = request.headers.get("content-type", "none")
    where = ".".join(map(str, first["loc"][1:])) or "a body"
    if where == "a body" and not kind.startswith("application/json"):
        return JSONResponse({"error": f"Content-Type must be application/json. Got {kind[:60]}. Send JSON."}, 415)
    if first["type"] == "missing":
        return JSONResponse({"error": f"{where} must be given. Got none. /openapi.json shows how."}, 422)
    rule = _SHOULD.sub("", first["msg"])
    return JSONResponse({"error": f"{where} must {rule}. Got {_shown(first['input'])}. /openapi.json shows how."}, 422)


def _shown(value: Any) -> str:
    # Not all of what may be a million items: others are waiting.
    beginning = value[:_SHOWN] if isinstance(value, (str, list)) else value
    shown = str(beginning).encode(errors="backslashreplace").decode()
    return shown if len(shown) <= _SHOWN and beginning == value else f"{shown[:_SHOWN]}…"


async def _farewell(_: Request, __: Exception) -> Response:
    return Response(status_code=400)  # which nobody hears
