"""The routes of the service: which there are, what they take and what they answer."""

import asyncio
import csv
import io
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, Any

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, PlainTextResponse, Response
from pydantic import BaseModel, Field
from starlette.requests import ClientDisconnect

from titleclf import __version__
from titleclf.epg.kodi import genres_xml
from titleclf.runtime.errors import InputError
from titleclf.runtime.text.programmes import Context, contexts_of
from titleclf.serve.guides import Guide
from titleclf.serve.responses import attached, watched_guide, whole_file
from titleclf.serve.security import CHARACTERS, EXPLAINED, TITLES, TOP, Guard, Refused, add_refusals
from titleclf.serve.service import Service
from titleclf.serve.uploads import filled_name

_PAGE = Path(__file__).parent / "page"
_SCRIPTS = ("page.js", "titles.js", "guides.js", "corrections.js", "common.js")
_PAGES = {"/": "index.html"} | {f"/{name}": name for name in ("page.css", "icon.svg", *_SCRIPTS)}
_KINDS = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}

Title = Annotated[str, Field(max_length=CHARACTERS)]


class Titles(BaseModel):
    """Titles to answer, each with its `top` likeliest categories, and on demand with what speaks for the likeliest.

    `channels` and `durations` in minutes, as many as titles, are for models that have learnt from such.
    """

    titles: list[Title] = Field(max_length=TITLES)
    channels: list[Title | None] | None = None
    durations: list[float | None] | None = None
    top: int = Field(default=3, ge=1, le=TOP)
    explain: bool = False


class Correction(BaseModel):
    """What a title is; an empty category says to leave its programmes alone."""

    title: Title
    category: str = Field(max_length=CHARACTERS)


def application(service: Service) -> Guard:
    """Return the service as an ASGI application: what it answers, behind what every request has to pass."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with service.running():
            yield

    # FastAPI's pages about the routes load their code from elsewhere.
    app = FastAPI(title="titleclf", version=__version__, docs_url=None, redoc_url=None, lifespan=lifespan)
    add_refusals(app)
    _add_titles(app, service)  # asked for most, and found first
    _add_pages(app)
    _add_corrections(app, service)
    _add_uploads(app, service)
    _add_watched(app, service)
    _add_state(app, service)
    return Guard(app, service.settings.names, service.settings.limits, service.metrics)


def _add_pages(app: FastAPI) -> None:
    for url, name in _PAGES.items():
        path = _PAGE / name
        page = _page(path.read_bytes(), _KINDS[path.suffix])
        app.add_api_route(url, page, methods=["GET", "HEAD"], include_in_schema=False)


def _page(content: bytes, kind: str) -> Any:
    async def page() -> Response:
        return Response(content, media_type=kind, headers={"Cache-Control": "no-cache"})

    return page


def _add_titles(app: FastAPI, service: Service) -> None:
    @app.post("/api/predict")
    async def predict(asked: Titles) -> Response:
        if asked.explain and len(asked.titles) > EXPLAINED:
            raise Refused(
                422, f"titles must be at most {EXPLAINED} with explain. Got {len(asked.titles):,}. Send fewer at once."
            )
        contexts = _contexts(asked)
        answers = await service.answering.answer(asked.titles, asked.top, contexts)
        service.metrics.titles += len(answers)
        if asked.explain:
            explanations = await service.answering.explanations(asked.titles, contexts)
            answers = [answer | {"explanation": one} for answer, one in zip(answers, explanations, strict=True)]
        return JSONResponse({"predictions": answers})

    @app.get("/api/about")
    async def about() -> dict[str, Any]:
        options, limits = service.settings.options, service.settings.limits
        return {
            "version": __version__,
            "model": service.settings.model,
            "precision": service.settings.precision,
            "categories": service.categories,
            "explains": service.answering.explains,
            "profiles": service.profiles,
            "options": {"profile": options.profile, "when": options.when, "mark": options.is_marked},
            "limits": {
                "titles": TITLES,
                "characters": CHARACTERS,
                "explained": EXPLAINED,
                "upload_bytes": limits.upload_bytes,
            },
        }


def _contexts(asked: Titles) -> list[Context] | None:
    try:
        return contexts_of(len(asked.titles), asked.channels, asked.durations)
    except InputError as error:
        raise Refused(422, str(error)) from error


def _add_corrections(app: FastAPI, service: Service) -> None:
    corrections = service.corrections

    @app.get("/api/corrections")
    async def listed() -> dict[str, Any]:
        rows = sorted(corrections.overrides.titles.values())
        return {
            "corrections": [{"title": row.text, "category": row.category} for row in rows],
            "patterns": [{"pattern": row.text, "category": row.category} for _, row in corrections.overrides.patterns],
            "revision": corrections.revision,
            "problem": corrections.problem,
        }

    @app.post("/api/corrections")
    async def correct(correction: Correction) -> dict[str, Any]:
        await corrections.correct(correction.title, correction.category)
        return {"title": correction.title, "category": correction.category, "revision": corrections.revision}

    @app.delete("/api/corrections")
    async def withdraw(title: Title) -> dict[str, Any]:
        await corrections.withdraw(title)
        return {"title": title, "revision": corrections.revision}

    @app.get("/corrections.csv")
    async def table() -> Response:
        text = io.StringIO()
        overrides = corrections.overrides
        rows = [("", row.text, row.category) for _, row in overrides.patterns]
        rows += [(row.text, "", row.category) for row in overrides.titles.values()]
        csv.writer(text, lineterminator="\n").writerows([("title", "pattern", "category"), *rows])
        return Response(text.getvalue(), media_type="text/csv", headers=attached("corrections.csv"))


def _add_uploads(app: FastAPI, service: Service) -> None:
    uploads = service.uploads

    async def received(request: Request) -> str:
        query = request.query_params
        options = service.settings.options.asked(query, service.profiles)
        return await uploads.receive(query.get("name", "guide.xml"), options, request.stream())

    @app.post("/api/guides", status_code=202)
    async def upload(request: Request) -> dict[str, Any]:
        number = await received(request)
        return {"id": number} | uploads.find(number).as_object()

    @app.get("/api/guides/{number}")
    async def state(number: str) -> Response:
        return JSONResponse({"id": number} | uploads.find(number).as_object())

    @app.delete("/api/guides/{number}", status_code=204)
    async def remove(number: str) -> None:
        await uploads.remove(number)

    @app.get("/api/guides/{number}/file")
    async def file(number: str) -> Response:
        guide = await uploads.filled(number)
        return whole_file(guide.output, attached(filled_name(guide.name)))

    @app.post("/api/fill")
    async def fill(request: Request) -> Response:
        number = await received(request)
        try:
            guide = await _unless_left(request, uploads.filled(number))
            return whole_file(guide.output, attached(filled_name(guide.name)))
        finally:  # what is open can still be read to its end
            await uploads.remove(number)

    @app.get("/genres.xml")
    async def genres() -> Response:
        return Response(genres_xml(), media_type="application/xml", headers=attached("genres.xml"))


async def _unless_left(request: Request, wanted: Coroutine[Any, Any, Guide]) -> Guide:
    """Wait for a guide as long as its client does: else others would wait for what nobody wants any more."""
    left, found = asyncio.create_task(_farewell(request)), asyncio.create_task(wanted)
    try:
        await asyncio.wait([left, found], return_when=asyncio.FIRST_COMPLETED)
        if not found.done():
            raise ClientDisconnect
        return found.result()
    finally:
        left.cancel()
        found.cancel()


async def _farewell(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _add_watched(app: FastAPI, service: Service) -> None:
    @app.head("/guides/{name}", include_in_schema=False)
    @app.get("/guides/{name}")
    async def watched(request: Request, name: str) -> Response:
        one = service.watched.get(name) or service.watched.get(name.removesuffix(".gz"))
        if one is None:
            listed = ", ".join(service.watched) or "none"
            raise Refused(404, f"a guide must be one that is watched: {listed}. Got {name[:100]}. Name one of these.")
        return watched_guide(request, one, is_file=name != one.name)


def _add_state(app: FastAPI, service: Service) -> None:
    @app.head("/health", include_in_schema=False)
    @app.get("/health")
    async def health() -> dict[str, Any]:
        problems = service.problems()
        return {
            "status": "degraded" if problems else "ok",
            "version": __version__,
            "problems": problems,
            "watched": [one.as_object() for one in service.watched.values()],
        }

    @app.get("/metrics")
    async def metrics() -> Response:
        return PlainTextResponse(service.metrics.text(service.samples()), media_type="text/plain; version=0.0.4")
