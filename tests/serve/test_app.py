"""What the routes of the service answer, and the sentences with which they refuse."""

import errno
import gzip
import lzma
import os
import re
import socket
from pathlib import Path
from unittest.mock import AsyncMock, Mock

import pytest

from tests.helpers.guides import GUIDES, guide, programme
from tests.helpers.service import sentence, serving, wait_for
from titleclf import Classifier, __version__
from titleclf.epg.fill import Decider, Filler, When, fill
from titleclf.epg.kodi import genres_xml
from titleclf.epg.profiles import PROFILES
from titleclf.serve import guides, service
from titleclf.serve import security as refusals

TITLES = ["Match of the Day", "", "tagesshau", "Qwertz", "日本沈没", "<b>Heat</b>", "x" * 1000]
PLAIN = guide(programme(), programme("<category>News</category>"), programme(title="<title>Qwertz zz</title>"))
SHOWS_HOW = "/openapi.json shows how."
COMMON = "neither nested deeply nor with endless numbers."
UNREADABLE = (b'{"titles": ["\xff"]}', b"[" * 100_000, b'{"titles": [], "top": %b}' % (b"9" * 5000))


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    with serving(tmp_path_factory.mktemp("service")) as client:
        yield client


@pytest.fixture(scope="module")
def strict(tmp_path_factory):
    with serving(tmp_path_factory.mktemp("strict"), unpacked_bytes=2 << 20) as client:
        yield client


@pytest.fixture(scope="module")
def classifier():
    return Classifier.load()


def filled(content: str, tmp_path, classifier, **how) -> bytes:
    """Return what `epg fill` makes of a guide."""
    (tmp_path / "in.xml").write_text(content, encoding="utf-8")
    profile = PROFILES.get(how.get("profile", ""))
    filler = Filler(
        Decider([(classifier, classifier.thresholds.at(0.9))]), profile, When.missing, how.get("mark", False)
    )
    fill(str(tmp_path / "in.xml"), str(tmp_path / "out.xml"), filler)
    return (tmp_path / "out.xml").read_bytes()


# Titles


def test_titles_get_the_answers_of_the_classifier_in_their_order(client, classifier):
    found = client.post("/api/predict", json={"titles": TITLES, "top": 4}).json()["predictions"]
    expected = classifier.predict(TITLES, 4, classifier.thresholds.at(0.9))
    assert [one["title"] for one in found] == TITLES
    assert [one["category"] for one in found] == [one.category for one in expected]
    assert [one["categories"] for one in found] == [list(one.named) for one in expected]
    for one, prediction in zip(found, expected, strict=True):
        assert [top["category"] for top in one["top"]] == [name for name, _ in prediction.candidates]
        assert one["probability"] == pytest.approx(prediction.probability, abs=1e-4)
        assert one["correction"] is None


def test_channels_and_durations_are_as_many_as_titles(client):
    body = {"titles": ["Match of the Day", "Heat"], "channels": ["one", None], "durations": [100, 5.5]}
    assert len(client.post("/api/predict", json=body).json()["predictions"]) == 2
    said = sentence(client.post("/api/predict", json=body | {"channels": ["one"]}), 422)
    assert said == "channels must be as many as titles. Got 1 for 2. Pass None where one is not known."
    said = sentence(client.post("/api/predict", json=body | {"durations": [-5, 5]}), 422)
    assert said == "durations must be minutes, 0 or more. Got -5.0. Pass None where one is not known."


def test_a_large_batch_is_answered_whole(client):
    titles = [f"Title {number}" for number in range(1000)]
    found = client.post("/api/predict", json={"titles": titles}).json()["predictions"]
    assert [one["title"] for one in found] == titles


def test_no_title_is_no_mistake(client):
    assert client.post("/api/predict", json={"titles": []}).json() == {"predictions": []}


def test_an_explanation_has_the_title_s_characters(client):
    found = client.post("/api/predict", json={"titles": ["Match of the Day", ""], "explain": True}).json()[
        "predictions"
    ]
    characters = found[0]["explanation"]["characters"]
    assert "".join(mark for mark, _ in characters) == "Match of the Day"
    assert found[1]["explanation"] is None


def test_models_that_are_no_sum_are_not_explained(tmp_path, small):
    from titleclf.train import train

    model = train(small("model=conv", "data.test_fraction=0.1", "training.epochs=1"))
    with serving(tmp_path, model=str(model), precision=0.5) as client:
        assert client.get("/api/about").json()["explains"] is False
        assert client.get("/api/about").json()["profiles"] == []
        found = client.post("/api/predict", json={"titles": ["Tagesschau"], "explain": True}).json()["predictions"]
        assert found[0]["explanation"] is None


def test_a_model_of_several_tags_names_them_all(tmp_path, tags_run):
    with serving(tmp_path, model=str(tags_run), precision=0.5) as client:
        (found,) = client.post("/api/predict", json={"titles": ["Match of the Day"]}).json()["predictions"]
        assert found["category"] == (found["categories"] or [None])[0]


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        (b"{", 400, "a body must be JSON. Got: Expecting property name enclosed in double quotes. Mend it."),
        *((body, 400, f"a body must be JSON in UTF-8, {COMMON} Got another. Mend it.") for body in UNREADABLE),
        (b"{}", 422, f"titles must be given. Got none. {SHOWS_HOW}"),
        (b'{"titles": "Heat"}', 422, f"titles must be a valid list. Got Heat. {SHOWS_HOW}"),
        (b'{"titles": ["a", 1]}', 422, f"titles.1 must be a valid string. Got 1. {SHOWS_HOW}"),
        (b'{"titles": [], "top": 0}', 422, f"top must be greater than or equal to 1. Got 0. {SHOWS_HOW}"),
        (b'{"titles": [], "top": 21}', 422, f"top must be less than or equal to 20. Got 21. {SHOWS_HOW}"),
        (
            b'{"titles": ["' + b"x" * 1001 + b'"]}',
            422,
            f"titles.0 must have at most 1000 characters. Got {'x' * 60}…. {SHOWS_HOW}",
        ),
        (
            b'{"explain": true, "titles": [' + b'"a",' * 50 + b'"a"]}',
            422,
            "titles must be at most 50 with explain. Got 51. Send fewer at once.",
        ),
    ],
)
def test_other_titles_are_refused(client, body, status, said):
    answer = client.post("/api/predict", content=body, headers={"Content-Type": "application/json"})
    assert sentence(answer, status) == said


def test_too_many_titles_and_half_characters_are_refused(client):
    said = sentence(client.post("/api/predict", json={"titles": ["a"] * 1001}), 422)
    assert said.startswith("titles must have at most 1000 items after validation")
    body = rb'{"titles": ["\ud800"]}'
    said = sentence(client.post("/api/predict", content=body, headers={"Content-Type": "application/json"}), 422)
    assert said.startswith("titles.0 must be a valid string, unable to parse raw data as a unicode string.")


def test_of_what_is_refused_only_the_beginning_is_looked_at():
    late = Mock(__repr__=Mock(side_effect=AssertionError))  # nobody waits for a million items to be written down
    assert refusals._shown(["Heat"] * 60 + [late]) == "['Heat', 'Heat', 'Heat', 'Heat', 'Heat', 'Heat', 'Heat', 'He…"


def test_what_is_not_json_is_refused(client):
    for kind in ("application/x-www-form-urlencoded", "text/plain"):
        answer = client.post("/api/predict", content=b'{"titles": []}', headers={"Content-Type": kind})
        assert sentence(answer, 415) == f"Content-Type must be application/json. Got {kind}. Send JSON."


# Guides


@pytest.mark.parametrize("name", sorted(GUIDES))
def test_a_guide_is_filled_as_by_epg_fill(client, tmp_path, classifier, name):
    (tmp_path / "in.xml").write_bytes(GUIDES[name])
    filler = Filler(Decider([(classifier, classifier.thresholds.at(0.9))]), None, When.missing, with_keywords=False)
    fill(str(tmp_path / "in.xml"), str(tmp_path / "out.xml"), filler)
    answer = client.post("/api/fill", params={"name": "g.xml"}, content=GUIDES[name])
    assert answer.status_code == 200, answer.text
    assert answer.content == (tmp_path / "out.xml").read_bytes()


@pytest.mark.parametrize(
    ("name", "pack", "unpack", "kind"),
    [
        ("guide.xml", bytes, bytes, "application/xml"),
        ("guide.xml.gz", gzip.compress, gzip.decompress, "application/gzip"),
        ("guide.XML.xz", lzma.compress, lzma.decompress, "application/x-xz"),
    ],
)
def test_it_comes_back_packed_as_it_was(client, tmp_path, classifier, name, pack, unpack, kind):
    answer = client.post("/api/fill", params={"name": name}, content=pack(PLAIN.encode()))
    assert unpack(answer.content) == filled(PLAIN, tmp_path, classifier)
    assert answer.headers["content-type"] == kind
    expected = f"guide.filled{name.removeprefix('guide')}"
    assert f'filename="{expected}"' in answer.headers["content-disposition"]


def test_it_is_filled_for_a_reader_and_with_marks(client, tmp_path, classifier):
    answer = client.post("/api/fill", params={"profile": "plex", "mark": "1"}, content=PLAIN)
    assert answer.content == filled(PLAIN, tmp_path, classifier, profile="plex", mark=True)
    assert b"<keyword>titleclf: Sports</keyword>" in answer.content


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ({"profile": "vlc"}, r"profile must be one of nothing, tvheadend, .*\. Got vlc\. Take one of these\."),
        ({"when": "never"}, r"when must be one of missing, .*\. Got never\. Take one of these\."),
        ({"mark": "yes"}, r"mark must be one of 0, 1\. Got yes\. Take one of these\."),
        (
            {"when": "unknown-to-profile"},
            r"when=unknown-to-profile must have a profile\. Got none\. Name the reader of the guide\.",
        ),
    ],
)
def test_other_options_are_refused(client, query, said):
    assert re.fullmatch(said, sentence(client.post("/api/fill", params=query, content=PLAIN), 422))


BOMB = gzip.compress(b"<tv>" + b"<!-- " + b" " * (3 << 20) + b"--></tv>")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "my.xml:1: must be whole, well-formed XML. Got: no element found. Fetch it again."),
        (b"<html/>", "my.xml must be an XMLTV guide. Got <html> in place of <tv>. Name a guide."),
        (PLAIN[:300].encode(), "my.xml:5: must be whole, well-formed XML. Got: unclosed token. Fetch it again."),
        (
            b'<!DOCTYPE tv [<!ENTITY a SYSTEM "file:///etc/passwd">]><tv>&a;</tv>',
            "my.xml:1: must not declare entities. Got a, which may be an attack. Fetch the guide elsewhere.",
        ),
        (BOMB, "my.xml must unpack to at most 2 MB. Got more. Fill it with titleclf epg fill."),
    ],
)
def test_guides_that_are_none_are_refused_and_nothing_of_the_service_is_told(strict, content, said):
    assert sentence(strict.post("/api/fill", params={"name": "my.xml"}, content=content), 422) == said
    state = strict.post("/api/guides", params={"name": "../../my.xml"}, content=content).json()
    state = wait_for(lambda: _unless_filling(strict, state["id"]))
    assert (state["state"], state["problem"], state["report"]) == ("broken", said, None)
    assert sentence(strict.get(f"/api/guides/{state['id']}/file"), 422) == said


def test_a_guide_that_nobody_waits_for_any_more_keeps_nobody_waiting(client):
    many = guide(*(programme(title=f"<title>Title {number} {number * 7}</title>") for number in range(20_000))).encode()
    before = guides_filled(client)
    head = b"POST /api/fill HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % len(many)
    for _ in range(3):
        with socket.create_connection((client.base_url.host, client.base_url.port)) as connection:
            connection.sendall(head + many)
            wait_for(lambda: "titleclf_uploaded_guides 1\n" in client.get("/metrics").text)
        wait_for(lambda: "titleclf_uploaded_guides 0\n" in client.get("/metrics").text)
    assert guides_filled(client) == before


def test_a_guide_that_takes_too_long_is_given_up(tmp_path):
    with serving(tmp_path, filling_seconds=0.01) as client:
        said = sentence(client.post("/api/fill", content=PLAIN), 422)
    assert said == "guide.xml must be filled within 0.01 seconds. Got no end. Fill it with titleclf epg fill."


def test_an_uploaded_guide_is_told_of_and_can_be_fetched_and_removed(client, tmp_path, classifier):
    answer = client.post("/api/guides", params={"name": "guide.xml.gz"}, content=gzip.compress(PLAIN.encode()))
    assert answer.status_code == 202
    number = answer.json()["id"]
    state = wait_for(lambda: _unless_filling(client, number))
    assert (state["state"], state["name"], state["programmes"]) == ("filled", "guide.xml.gz", 3)
    whole, (channel,), (doubt,) = (state["report"][name] for name in ("whole", "channels", "doubts"))
    assert (whole["programmes"], whole["missing"], whole["filled"], whole["unsure"]) == (3, 2, 1, 1)
    assert (channel["name"], channel["unsure_minutes"]) == ("Channel One", 90.0)
    assert (doubt["title"], doubt["minutes"], doubt["showings"]) == ("Qwertz zz", 90.0, 1)
    file = client.get(f"/api/guides/{number}/file")
    assert gzip.decompress(file.content) == filled(PLAIN, tmp_path, classifier)
    assert int(file.headers["content-length"]) == state["bytes"] == len(file.content)
    assert client.delete(f"/api/guides/{number}").status_code == 204
    for url in (f"/api/guides/{number}", f"/api/guides/{number}/file"):
        said = sentence(client.get(url), 404)
        assert said == f"a guide must be known by its id. Got {number[:40]}. Upload it again."


def test_a_correction_acts_on_titles_their_copies_and_uploaded_guides_at_once(tmp_path):
    with serving(tmp_path) as client:
        number = client.post("/api/guides", content=PLAIN).json()["id"]
        wait_for(lambda: _unless_filling(client, number))
        corrected = {"title": "Qwertz zz", "category": "Leisure hobbies"}
        assert client.post("/api/corrections", json=corrected).json()["revision"] == 1
        text = client.get(f"/api/guides/{number}/file").text
        assert text.count("<category>Leisure hobbies</category>") == 1
        state = client.get(f"/api/guides/{number}").json()
        assert (state["report"]["doubts"], state["report"]["whole"]["overridden"]) == ([], 1)
        titles = ["Qwertz zz", "NEW: Qwertz zz (R)", "Qwertzz zz", "Tagesschau"]
        found = client.post("/api/predict", json={"titles": titles}).json()["predictions"]
        assert [one["category"] for one in found] == [*["Leisure hobbies"] * 3, "News / Current affairs"]
        assert found[1]["correction"] == {"text": "Qwertz zz", "category": "Leisure hobbies"}
        assert found[1]["probability"] == 1
        client.post("/api/corrections", json={"title": "qwertz zz", "category": ""})
        (found,) = client.post("/api/predict", json={"titles": ["Qwertz zz"]}).json()["predictions"]
        assert (found["category"], found["categories"]) == (None, [])
        assert client.get(f"/api/guides/{number}/file").text == PLAIN.replace(
            ">Match of the Day</title></programme>",
            ">Match of the Day</title><category>Sports</category></programme>",
        )


def test_no_more_guides_are_kept_than_there_is_room_for(tmp_path):
    with serving(tmp_path, guides=1) as client:
        number = client.post("/api/guides", content=PLAIN).json()["id"]
        refused = client.post("/api/guides", content=PLAIN)
        said = "at most 1 guides must be kept. Got one more. Delete one, or try again later."
        assert sentence(refused, 503) == said
        assert refused.headers["retry-after"] == "60"
        client.delete(f"/api/guides/{number}")
        assert client.post("/api/guides", content=PLAIN).status_code == 202


def test_guides_that_nobody_asks_for_are_forgotten(tmp_path):
    with serving(tmp_path, kept_seconds=0.0) as client:
        number = client.post("/api/guides", content=PLAIN).json()["id"]
        wait_for(lambda: client.get("/metrics").text.find("titleclf_uploaded_guides 0\n") > 0)
        assert client.get(f"/api/guides/{number}").status_code == 404


def test_a_guide_can_be_removed_while_it_is_filled(tmp_path):
    many = guide(*(programme(title=f"<title>Title {number} {number * 7}</title>") for number in range(20_000)))
    with serving(tmp_path) as client:
        number = client.post("/api/guides", content=many).json()["id"]
        wait_for(lambda: client.get(f"/api/guides/{number}").json()["programmes"])
        assert client.delete(f"/api/guides/{number}").status_code == 204
        assert client.post("/api/fill", content=PLAIN).status_code == 200  # the next one has its turn


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("../../etc/passwd", "passwd.filled"),
        ("..", "guide.filled.xml"),
        ('a"b\r\nSet-Cookie: x.xml', "a_b__Set-Cookie_ x.filled.xml"),
        ("C:\\guides\\ü.xml.gz", "_.filled.xml.gz"),
        ("x" * 300 + ".xml", "x" * 96 + ".filled.xml"),
    ],
)
def test_names_of_uploads_lead_nowhere(client, name, told):
    answer = client.post("/api/fill", params={"name": name}, content=PLAIN)
    assert answer.status_code == 200
    assert f'filename="{told}"' in answer.headers["content-disposition"]
    assert "set-cookie" not in answer.headers


def test_kodi_s_genres_can_be_had(client):
    assert client.get("/genres.xml").text == genres_xml()


def test_a_disk_without_room_is_told_of(tmp_path, monkeypatch):
    full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    with serving(tmp_path) as client:
        with monkeypatch.context() as patch:
            patch.setattr(guides, "fill", AsyncMock(side_effect=full))
            assert sentence(client.post("/api/fill", content=PLAIN), 422) == (
                "guide.xml must be filled in a process and a file of its own. Got: No space left on device. "
                "Make room for them."
            )
            patch.setattr(Path, "open", Mock(side_effect=full))
            assert sentence(client.post("/api/fill", content=PLAIN), 503) == (
                "guide.xml must have room on the disk. Got: No space left on device. Try again later."
            )
        assert client.post("/api/fill", content=PLAIN).status_code == 200


# The rest

SCRIPTS = {f"/{path.name}": "text/javascript" for path in (Path(service.__file__).parent / "page").glob("*.js")}
KINDS = {"/": "text/html", "/page.css": "text/css"} | SCRIPTS


def test_the_page_is_served_whole_and_may_load_nothing_else(client):
    for url, kind in KINDS.items():
        answer = client.get(url)
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith(kind)
        assert answer.headers["content-security-policy"].startswith("default-src 'none'; script-src 'self'; ")
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert "access-control-allow-origin" not in answer.headers
        assert (client.head(url).status_code, client.head(url).content) == (200, b"")
        assert not re.search(r"https?://|innerHTML|insertAdjacentHTML|document\.write|eval\(", answer.text)
    assert client.get("/icon.svg").headers["content-type"] == "image/svg+xml"


@pytest.mark.parametrize(
    "url",
    [
        *("/page/", "/page/index.html", "/page.py", "/docs", "/redoc", "/overrides.csv", "/guides/", "/api/guides"),
        *("/guides/..%2f..%2f..%2fetc%2fpasswd", "/guides/%2e%2e", "/guides//etc/passwd", "/%2e%2e/pyproject.toml"),
        *("/api/guides/..", "/api/guides/../file", "/api/guides/%2e%2e%2fuploads/file", "/api/guides/./file"),
    ],
)
def test_no_route_reads_or_lists_what_was_not_given(client, url):
    request = client.build_request("GET", client.base_url)
    request.url = request.url.copy_with(raw_path=url.encode())
    answer = client.send(request)
    assert sentence(answer, 405 if url == "/api/guides" else 404)


def test_routes_that_are_none_are_refused(client):
    assert (
        sentence(client.get("/no"), 404) == "a route must be one that there is. Got another. /openapi.json lists them."
    )
    said = "a route must be asked with one of its methods. Got another. /openapi.json lists them."
    assert sentence(client.put("/api/predict"), 405) == said
    assert "/api/predict" in client.get("/openapi.json").json()["paths"]
    said = sentence(client.get("/guides/other.xml"), 404)
    assert said == "a guide must be one that is watched: none. Got other.xml. Name one of these."


def test_health_and_metrics_tell_how_it_is(tmp_path):
    with serving(tmp_path) as client:
        assert client.head("/health").status_code == 200  # what watches over services asks so
        assert client.get("/health").json() == {
            "status": "ok",
            "version": __version__,
            "problems": [],
            "watched": [],
        }
        client.post("/api/predict", json={"titles": ["a", "b"]})
        client.get("/nowhere/1")
        client.request("PATCH", "/nowhere/2")
        answer = client.get("/metrics")
        assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
        assert "titleclf_titles_total 2\n" in answer.text
        for line in (
            'requests_total{method="POST",path="/api/predict",status="200"} 1',
            'requests_total{method="GET",path="other",status="404"} 1',
            'requests_total{method="other",path="other",status="404"} 1',
            'request_seconds_bucket{path="/api/predict",le="+Inf"} 1',
        ):
            assert f"titleclf_http_{line}\n" in answer.text
        for line in answer.text.splitlines():
            assert re.fullmatch(r'# (HELP|TYPE) \w+ .+|\w+(\{(\w+="[^"\n]*",?)+\})? [\d.e+-]+', line)


def _unless_filling(client, number):
    state = client.get(f"/api/guides/{number}").json()
    return None if state["state"] in ("waiting", "filling") else state


def guides_filled(client) -> str:
    return re.search(r"^titleclf_guides_filled_total (\d+)$", client.get("/metrics").text, re.MULTILINE)[1]
