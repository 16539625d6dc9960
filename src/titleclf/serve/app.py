"""The routes of the service."""

import asyncio
import csv
import io
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, Any

import fastapi
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response
from prometheus_client import generate_latest
from pydantic import BaseModel, Field, StrictFloat
from starlette.requests import ClientDisconnect

from titleclf import __version__
from titleclf.epg.kodi import genres_xml
from titleclf.epg.overrides import COLUMNS
from titleclf.runtime.errors import InputError
from titleclf.runtime.text.programmes import Programmes
from titleclf.serve.guides import Guide
from titleclf.serve.responses import attachment, guide_response, watched_guide_response
from titleclf.serve.security import (
    MAX_CHARACTERS,
    MAX_DESCRIPTION,
    MAX_EXPLAINED,
    MAX_TITLES,
    MAX_TOP,
    Refused,
    SecurityMiddleware,
    add_error_handlers,
)
from titleclf.serve.service import Service
from titleclf.serve.uploads import filled_name

_PAGE = Path(__file__).parent / "page"
_SCRIPTS = ("page.js", "titles.js", "fields.js", "guides.js", "filled.js", "tabs.js", "corrections.js", "common.js")
_PAGES = {"/": "index.html"} | {f"/{name}": name for name in ("page.css", "icon.svg", *_SCRIPTS)}
_MEDIA_TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}

Title = Annotated[str, Field(max_length=MAX_CHARACTERS)]
GuideId = Annotated[str, fastapi.Path(alias="number")]  # the alias is part of a label of the metrics


class ProgrammeRequest(BaseModel):
    """A title, and what else is known of the programme; a model uses the fields that it learned from."""

    title: Title
    channel: Title | None = None
    minutes: StrictFloat | Title | None = None  # digits in quotes are a number, too
    description: str | None = Field(default=None, max_length=MAX_DESCRIPTION)
    sub_title: Title | None = None
    year: int | None = None
    language: Title | None = None


class PredictRequest(BaseModel):
    """Titles or programmes to predict, each with its `top` most likely categories.

    On request, predictions have an explanation, and say what kind of programme it is.
    """

    titles: list[Title] | None = Field(default=None, max_length=MAX_TITLES)
    programmes: list[ProgrammeRequest] | None = Field(default=None, max_length=MAX_TITLES)
    top: int = Field(default=3, ge=1, le=MAX_TOP)
    explain: bool = False
    kinds: bool = False


class Correction(BaseModel):
    """The right category of a title; if empty, its programmes are left unchanged."""

    title: Title
    category: str = Field(max_length=MAX_CHARACTERS)


def application(service: Service) -> SecurityMiddleware:
    """Return the ASGI application: the routes behind the security checks."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with service.running():
            yield

    # FastAPI's documentation pages would load scripts from other sites.
    app = FastAPI(title="titleclf", version=__version__, docs_url=None, redoc_url=None, lifespan=lifespan)
    add_error_handlers(app)
    _add_titles(app, service)  # first, since routes are matched in order
    _add_pages(app)
    _add_corrections(app, service)
    _add_uploads(app, service)
    _add_watched(app, service)
    _add_status(app, service)
    return SecurityMiddleware(app, service.settings.host_names, service.settings.limits, service.registry)


def _add_pages(app: FastAPI) -> None:
    for url, name in _PAGES.items():
        path = _PAGE / name
        page = _page(path.read_bytes(), _MEDIA_TYPES[path.suffix])
        app.add_api_route(url, page, methods=["GET", "HEAD"], include_in_schema=False)


def _page(content: bytes, media_type: str) -> Any:
    async def page() -> Response:
        return Response(content, media_type=media_type, headers={"Cache-Control": "no-cache"})

    return page


def _add_titles(app: FastAPI, service: Service) -> None:
    @app.post("/api/predict")
    async def predict(request: PredictRequest) -> Response:
        programmes = _programmes(request)
        count = len(programmes)
        if request.explain and count > MAX_EXPLAINED:
            name = "programmes" if request.titles is None else "titles"
            raise Refused(
                422, f"{name} must have at most {MAX_EXPLAINED} items with explain. Got {count:,}. Send fewer at once."
            )
        if request.kinds and not service.kinds:
            raise Refused(422, "kinds must be false: the model has learned none. Got true. Leave it out.")
        predictions = await service.batcher.predict(programmes, request.top, kinds=request.kinds)
        service.titles_predicted.inc(count)
        if request.explain:
            explanations = await service.batcher.explain(programmes)
            for prediction, explanation in zip(predictions, explanations, strict=True):
                prediction["explanation"] = explanation
        return JSONResponse({"predictions": predictions})

    @app.get("/api/about")
    async def about() -> dict[str, Any]:
        options, limits = service.settings.options, service.settings.limits
        return {
            "version": __version__,
            "model": service.settings.model,
            "precision": service.settings.precision,
            "categories": service.categories,
            "fields": service.fields,
            "kinds": service.kinds,
            "explains": service.batcher.can_explain,
            "profiles": service.profiles,
            "options": {"profile": options.profile, "when": options.when, "mark": options.is_marked},
            "limits": {
                "titles": MAX_TITLES,
                "characters": MAX_CHARACTERS,
                "description": MAX_DESCRIPTION,
                "explained": MAX_EXPLAINED,
                "upload_bytes": limits.upload_bytes,
            },
        }


def _programmes(request: PredictRequest) -> Programmes:
    if (request.titles is None) == (request.programmes is None):
        got = "neither" if request.titles is None else "both"
        raise Refused(422, f"titles or programmes must be given. Got {got}. Send one of them.")
    if request.titles is not None:
        return Programmes(request.titles)
    try:
        return Programmes.checked([programme.model_dump() for programme in request.programmes or ()])
    except InputError as error:
        raise Refused(422, str(error)) from error


def _add_corrections(app: FastAPI, service: Service) -> None:
    corrections = service.corrections

    @app.get("/api/corrections")
    async def list_corrections() -> dict[str, Any]:
        titles = sorted(corrections.overrides.titles.values())
        patterns = [row for _, row in corrections.overrides.patterns]
        return {
            "corrections": [{"title": row.text, "category": row.category} for row in titles],
            "patterns": [{"pattern": row.text, "category": row.category} for row in patterns],
            "channels": [
                {"channel": channel, "title": title, "pattern": pattern, "category": category}
                for title, pattern, channel, category in corrections.overrides.table()
                if channel
            ],
            "revision": corrections.revision,
            "problem": corrections.problem,
        }

    @app.post("/api/corrections")
    async def correct(correction: Correction) -> dict[str, Any]:
        title = await corrections.correct(correction.title, correction.category)
        return {"title": title, "category": correction.category, "revision": corrections.revision}

    @app.delete("/api/corrections")
    async def withdraw(title: Title) -> dict[str, Any]:
        await corrections.withdraw(title)
        return {"title": title, "revision": corrections.revision}

    @app.get("/corrections.csv")
    async def corrections_csv() -> Response:
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows([COLUMNS, *corrections.overrides.table()])
        return Response(text.getvalue(), media_type="text/csv", headers=attachment("corrections.csv"))


def _add_uploads(app: FastAPI, service: Service) -> None:
    uploads = service.uploads

    async def receive(request: Request) -> str:
        query = request.query_params
        options = service.settings.options.updated(query, service.profiles)
        return await uploads.receive(query.get("name", "guide.xml"), options, request.stream())

    @app.post("/api/guides", status_code=202)
    async def upload(request: Request) -> dict[str, Any]:
        guide_id = await receive(request)
        return {"id": guide_id} | uploads.find(guide_id).as_json()

    @app.get("/api/guides/{number}")
    async def state(guide_id: GuideId) -> Response:
        return JSONResponse({"id": guide_id} | uploads.find(guide_id).as_json())

    @app.delete("/api/guides/{number}", status_code=204)
    async def remove(guide_id: GuideId) -> None:
        await uploads.remove(guide_id)

    @app.get("/api/guides/{number}/file")
    async def file(guide_id: GuideId) -> Response:
        guide = await uploads.filled(guide_id)
        return guide_response(guide.output, attachment(filled_name(guide.name)))

    @app.get("/api/guides/{number}/filled")
    async def filled_titles(guide_id: GuideId) -> Response:
        guide = await uploads.filled(guide_id)
        return guide_response(guide.filled_titles, {})

    @app.post("/api/fill")
    async def fill(request: Request) -> Response:
        guide_id = await receive(request)
        try:
            guide = await _while_connected(request, uploads.filled(guide_id))
            return guide_response(guide.output, attachment(filled_name(guide.name)))
        finally:  # the response has opened the file already
            await uploads.remove(guide_id)

    @app.get("/genres.xml")
    async def genres() -> Response:
        return Response(genres_xml(), media_type="application/xml", headers=attachment("genres.xml"))


async def _while_connected(request: Request, filling: Coroutine[Any, Any, Guide]) -> Guide:
    """Await a guide, but give up when its client disconnects, so that other clients need not wait for it."""
    disconnected, filled = asyncio.create_task(_disconnected(request)), asyncio.create_task(filling)
    try:
        await asyncio.wait([disconnected, filled], return_when=asyncio.FIRST_COMPLETED)
        if not filled.done():
            raise ClientDisconnect
        return filled.result()
    finally:
        disconnected.cancel()
        filled.cancel()


async def _disconnected(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _add_watched(app: FastAPI, service: Service) -> None:
    @app.head("/guides/{name}", include_in_schema=False)
    @app.get("/guides/{name}")
    async def watched_guide(request: Request, name: str) -> Response:
        watched = service.watched.get(name) or service.watched.get(name.removesuffix(".gz"))
        if watched is None:
            names = ", ".join(service.watched) or "none"
            raise Refused(404, f"the guide must be a watched one: {names}. Got {name[:100]}. Choose one of these.")
        return watched_guide_response(request, watched, is_gzip_file=name != watched.name)


def _add_status(app: FastAPI, service: Service) -> None:
    @app.head("/health", include_in_schema=False)
    @app.get("/health")
    async def health() -> dict[str, Any]:
        problems = service.problems()
        return {
            "status": "degraded" if problems else "ok",
            "version": __version__,
            "problems": problems,
            "watched": [watched.as_json() for watched in service.watched.values()],
        }

    @app.get("/metrics")
    async def metrics() -> Response:
        return Response(generate_latest(service.registry), media_type="text/plain; version=0.0.4")
