"""The routes of the service: their responses, and the sentences of their refusals."""

import errno
import gzip
import json
import lzma
import os
import re
from pathlib import Path
from typing import Any
from unittest.mock import AsyncMock, Mock

import pytest

from tests.helpers.guides import GUIDES, guide, programme
from tests.helpers.service import connect, error_sentence, metric, serving, wait_for
from titleclf import Classifier, __version__
from titleclf.epg.decisions import Decider
from titleclf.epg.fill import Filler, When, fill
from titleclf.epg.genres import GenreTable
from titleclf.epg.kodi import genres_xml
from titleclf.epg.profiles import PROFILES
from titleclf.runtime.errors import InputError
from titleclf.runtime.files import CHECKOUT
from titleclf.serve import batcher, guides, security, service

TITLES = ["Match of the Day", "", "tagesshau", "Qwertz", "日本沈没", "<b>Heat</b>", "x" * 1000]
PROGRAMMES: list[dict[str, Any]] = [
    {"title": "Qwertz", "channel": "sport.one", "minutes": 100, "description": "All goals of the match"},
    {"title": "Qwertz", "channel": "Sky News", "minutes": "15", "description": "Headlines of the day", "year": 2024},
    {"title": "Top of the Pops"},
    {"title": "", "channel": "Sky News"},
]
PLAIN = guide(
    programme(),
    programme("<category>News</category>", title="<title>Tagesthemen</title>"),
    programme(title="<title>Qwertz zz</title>"),
)
LARGE = guide(*(programme(title=f"<title>Title {number} {number * 7}</title>") for number in range(20_000))).encode()
NOT_JSON = (b'{"titles": ["\xff"]}', b"[" * 100_000, b'{"titles": [], "top": %b}' % (b"9" * 5000))


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    with serving(tmp_path_factory.mktemp("service"), in_process=True) as client:
        yield client


@pytest.fixture(scope="module")
def kinds_client(tmp_path_factory, kinds_run):
    """Return a client for a service with a model that uses fields and has kinds."""
    with serving(tmp_path_factory.mktemp("kinds"), in_process=True, model=str(kinds_run), precision=0.5) as client:
        yield client


@pytest.fixture(scope="module")
def titles_client(tmp_path_factory, run):
    """Return a client for a service with a model of titles alone."""
    with serving(tmp_path_factory.mktemp("titles"), model=str(run), precision=0.5) as client:
        yield client


@pytest.fixture(scope="module")
def process_client(tmp_path_factory):
    """Return a client for a service that fills guides in processes, and has low limits."""
    with serving(tmp_path_factory.mktemp("processes"), unpacked_bytes=4 << 20, guides=1) as client:
        yield client


@pytest.fixture(scope="module")
def classifier():
    return Classifier.load()


@pytest.fixture(scope="module")
def kinds_classifier(kinds_run):
    return Classifier.load(kinds_run / "bundle")


def filler(classifier, *, profile=None, is_marked=False) -> Filler:
    decider = Decider([(classifier, classifier.thresholds.at(0.9))])
    return Filler(decider, PROFILES.get(profile), When.missing, is_marked, GenreTable.shipped())


def filled(content: str, tmp_path, classifier, **options) -> bytes:
    """Return a guide as `epg fill` fills it."""
    (tmp_path / "in.xml").write_text(content, encoding="utf-8")
    fill(str(tmp_path / "in.xml"), str(tmp_path / "out.xml"), filler(classifier, **options))
    return (tmp_path / "out.xml").read_bytes()


def predictions(client, **body) -> list[dict[str, Any]]:
    response = client.post("/api/predict", json=body)
    assert response.status_code == 200, response.text
    return response.json()["predictions"]


# Titles


def test_predictions_are_those_of_the_classifier_in_order(client, classifier):
    received = predictions(client, titles=TITLES, top=4)
    expected = classifier.predict(TITLES, 4, classifier.thresholds_at(0.9))
    assert [row["title"] for row in received] == TITLES
    assert [row["category"] for row in received] == [prediction.category for prediction in expected]
    assert [row["categories"] for row in received] == [list(prediction.named) for prediction in expected]
    for row, prediction in zip(received, expected, strict=True):
        assert [top["category"] for top in row["top"]] == [category for category, _ in prediction.candidates]
        assert row["probability"] == pytest.approx(prediction.probability, abs=1e-4)
        assert row["correction"] is None


def test_programmes_are_predicted_from_their_fields(kinds_client, kinds_classifier):
    received = predictions(kinds_client, programmes=PROGRAMMES, kinds=True)
    expected = kinds_classifier.predict(PROGRAMMES, 3, kinds_classifier.thresholds_at(0.5), kinds=True)
    assert [row["title"] for row in received] == [programme["title"] for programme in PROGRAMMES]
    for row, prediction in zip(received, expected, strict=True):
        assert row["categories"] == list(prediction.named)
        assert [top["category"] for top in row["top"]] == [category for category, _ in prediction.candidates]
        assert row["probability"] == pytest.approx(prediction.probability, abs=1e-4)
        if prediction.kind is None:
            assert (row["title"], row["kind"]) == ("", None)
        else:
            name, probability = prediction.kind
            assert row["kind"] == {"name": name, "probability": pytest.approx(probability, abs=1e-4)}
    leaders = [row["top"][0]["category"] for row in received[:2]]
    assert leaders == ["Sports", "News"]  # of one title


def test_a_programme_without_fields_is_a_title(kinds_client):
    known_by_title = predictions(kinds_client, titles=["Qwertz"])
    nothing = {"title": "Qwertz", "channel": None, "minutes": "", "description": " ", "sub_title": None, "year": None}
    assert predictions(kinds_client, programmes=[nothing, {"title": "Qwertz"}]) == known_by_title * 2
    assert "kind" not in known_by_title[0]


def test_explanations_say_what_each_field_adds(kinds_client):
    titled, complete = predictions(kinds_client, programmes=[{"title": "Qwertz"}, PROGRAMMES[1]], explain=True)
    added = {"description", "channel", "channel_kind", "minutes"}
    assert not added & titled["explanation"].keys()
    assert all(isinstance(complete["explanation"][name], float) for name in added)


def test_about_says_which_fields_and_kinds_a_model_has(kinds_client, titles_client):
    about = kinds_client.get("/api/about").json()
    assert about["fields"] == ["channel", "description", "minutes"]
    assert about["kinds"] == ["film", "episode", "other"]
    assert about["limits"]["description"] == 5000
    about = titles_client.get("/api/about").json()
    assert (about["fields"], about["kinds"]) == ([], [])


def test_a_model_without_kinds_refuses_to_name_them(titles_client):
    body = {"titles": ["Heat"], "kinds": True}
    sentence = error_sentence(titles_client.post("/api/predict", json=body), 422)
    assert sentence == "kinds must be false: the model has learned none. Got true. Leave it out."


def test_a_model_ignores_fields_that_it_does_not_use(titles_client):
    titled = predictions(titles_client, titles=["Heat"])
    assert predictions(titles_client, programmes=[{"title": "Heat", "channel": "Sky News", "minutes": 15}]) == titled


def test_the_documented_requests_are_answered(kinds_client):
    text = (CHECKOUT / "docs" / "service.md").read_text(encoding="utf-8")
    requests = re.findall(r"^```json\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    assert requests
    for request in requests:
        received = predictions(kinds_client, **json.loads(request))
        assert all({"kind", "explanation"} <= row.keys() for row in received)


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        (
            {"minutes": "1:30"},
            "programmes[0]: minutes must be minutes, 0 or more, or empty. Got '1:30'. Write a number.",
        ),
        ({"minutes": -5}, "programmes[0]: minutes must be minutes, 0 or more, or empty. Got -5.0. Write a number."),
        ({"minutes": True}, "programmes.0.minutes must be a valid number. Got True. See /openapi.json."),
        ({"minutes": [5]}, "programmes.0.minutes must be a valid number. Got [5]. See /openapi.json."),
        ({"year": -1}, "programmes[0]: year must be a year, 0 or more, or empty. Got -1. Write a number."),
        ({"channel": 5}, "programmes.0.channel must be a valid string. Got 5. See /openapi.json."),
        (
            {"description": "x" * 5001},
            f"programmes.0.description must have at most 5000 characters. Got {'x' * 60}…. See /openapi.json.",
        ),
        *(
            (
                {name: "x" * 1001},
                f"programmes.0.{name} must have at most 1000 characters. Got {'x' * 60}…. See /openapi.json.",
            )
            for name in ("title", "channel", "sub_title", "language")
        ),
    ],
)
def test_invalid_programmes_are_refused(kinds_client, more, expected):
    response = kinds_client.post("/api/predict", json={"programmes": [{"title": "Heat"} | more]})
    assert error_sentence(response, 422) == expected


def test_the_longest_texts_and_the_most_programmes_are_accepted(kinds_client):
    longest = dict.fromkeys(("title", "channel", "sub_title", "language"), "x" * 1000)
    assert len(predictions(kinds_client, programmes=[longest | {"description": "x" * 5000}])) == 1
    many = [{"title": f"Title {number}", "minutes": number} for number in range(1000)]
    assert [row["title"] for row in predictions(kinds_client, programmes=many)] == [row["title"] for row in many]
    sentence = error_sentence(kinds_client.post("/api/predict", json={"programmes": [*many, many[0]]}), 422)
    assert sentence.startswith("programmes must have at most 1000 items after validation")
    sentence = error_sentence(kinds_client.post("/api/predict", json={"programmes": many[:51], "explain": True}), 422)
    assert sentence == "programmes must have at most 50 items with explain. Got 51. Send fewer at once."


def test_an_own_list_of_channels_goes_before_the_shipped_one(tmp_path, kinds_run, kinds_client, monkeypatch):
    (tmp_path / "my.csv").write_text("name,categories\nQwertz Kanal,news\nSky News,\n")
    run_job = AsyncMock(side_effect=InputError("filled elsewhere"))
    monkeypatch.setattr(guides, "run_job", run_job)

    def known_kinds(client) -> list[bool]:
        programmes = [{"title": "Heat", "channel": channel} for channel in ("Qwertz Kanal", "Sky News")]
        received = predictions(client, programmes=programmes, explain=True)
        return ["channel_kind" in row["explanation"] for row in received]

    assert known_kinds(kinds_client) == [False, True]
    with serving(tmp_path, model=str(kinds_run), precision=0.5, channels=tmp_path / "my.csv") as client:
        assert known_kinds(client) == [True, False]
        content = (tmp_path / "my.csv").read_text()
        (tmp_path / "my.csv").unlink()  # it is read once, at the start
        assert error_sentence(client.post("/api/fill", content=PLAIN), 422) == "filled elsewhere"
        assert Path(run_job.call_args.args[0].channels).read_text() == content


def test_a_large_request_is_complete(client):
    titles = [f"Title {number}" for number in range(1000)]
    assert [row["title"] for row in predictions(client, titles=titles)] == titles


def test_an_empty_request_is_valid(client):
    assert client.post("/api/predict", json={"titles": []}).json() == {"predictions": []}


def test_explanations_spell_the_title(client):
    received = predictions(client, titles=["Match of the Day", ""], explain=True)
    characters = received[0]["explanation"]["characters"]
    assert "".join(character for character, _ in characters) == "Match of the Day"
    assert received[1]["explanation"] is None


def test_nonlinear_models_are_not_explained(tmp_path, monkeypatch):
    monkeypatch.setattr(batcher, "check_linear", Mock(side_effect=InputError("nonlinear")))
    with serving(tmp_path) as client:
        assert client.get("/api/about").json()["explains"] is False
        (row,) = predictions(client, titles=["Tagesschau"], explain=True)
        assert row["explanation"] is None


def test_a_multilabel_model_lists_all_categories(tmp_path, tags_run):
    with serving(tmp_path, model=str(tags_run), precision=0.5) as client:
        assert client.get("/api/about").json()["profiles"] == []  # they exist for the ten genres only
        (row,) = predictions(client, titles=["Match of the Day"])
        assert row["category"] == (row["categories"] or [None])[0]


@pytest.mark.parametrize(
    ("body", "status", "expected"),
    [
        (
            b"{",
            400,
            "the request body must be JSON. Got: Expecting property name enclosed in double quotes. Fix the body.",
        ),
        *((body, 400, security._SENTENCES[400]) for body in NOT_JSON),
        (b"{}", 422, "titles or programmes must be given. Got neither. Send one of them."),
        (
            b'{"titles": [], "programmes": []}',
            422,
            "titles or programmes must be given. Got both. Send one of them.",
        ),
        (b'{"programmes": [{}]}', 422, "programmes.0.title is required. Got none. See /openapi.json."),
        (b'{"titles": "Heat"}', 422, "titles must be a valid list. Got Heat. See /openapi.json."),
        (b'{"titles": ["a", 1]}', 422, "titles.1 must be a valid string. Got 1. See /openapi.json."),
        (b'{"titles": [], "top": 0}', 422, "top must be greater than or equal to 1. Got 0. See /openapi.json."),
        (b'{"titles": [], "top": 21}', 422, "top must be less than or equal to 20. Got 21. See /openapi.json."),
        (
            b'{"titles": ["' + b"x" * 1001 + b'"]}',
            422,
            f"titles.0 must have at most 1000 characters. Got {'x' * 60}…. See /openapi.json.",
        ),
        (
            b'{"explain": true, "titles": [' + b'"a",' * 50 + b'"a"]}',
            422,
            "titles must have at most 50 items with explain. Got 51. Send fewer at once.",
        ),
    ],
)
def test_invalid_bodies_are_refused(client, body, status, expected):
    response = client.post("/api/predict", content=body, headers={"Content-Type": "application/json"})
    assert error_sentence(response, status) == expected


def test_too_many_titles_and_lone_surrogates_are_refused(client):
    sentence = error_sentence(client.post("/api/predict", json={"titles": ["a"] * 1001}), 422)
    assert sentence.startswith("titles must have at most 1000 items after validation")
    body = rb'{"titles": ["\ud800"]}'
    response = client.post("/api/predict", content=body, headers={"Content-Type": "application/json"})
    assert error_sentence(response, 422).startswith("titles.0 must be a valid string, unable to parse raw data")


def test_only_the_start_of_a_bad_value_is_formatted():
    late = Mock(__repr__=Mock(side_effect=AssertionError))
    start = "['Heat', 'Heat', 'Heat', 'Heat', 'Heat', 'Heat', 'Heat', 'He…"
    assert security._shortened(["Heat"] * 60 + [late]) == start


@pytest.mark.parametrize("content_type", ["application/x-www-form-urlencoded", "text/plain"])
def test_other_content_types_are_refused(client, content_type):
    response = client.post("/api/predict", content=b'{"titles": []}', headers={"Content-Type": content_type})
    assert error_sentence(response, 415) == f"Content-Type must be application/json. Got {content_type}. Send JSON."


# Guides


@pytest.mark.parametrize("name", sorted(GUIDES))
def test_guides_are_filled_as_by_epg_fill(client, tmp_path, classifier, name):
    (tmp_path / "in.xml").write_bytes(GUIDES[name])
    fill(str(tmp_path / "in.xml"), str(tmp_path / "out.xml"), filler(classifier))
    response = client.post("/api/fill", params={"name": "g.xml"}, content=GUIDES[name])
    assert response.status_code == 200, response.text
    assert response.content == (tmp_path / "out.xml").read_bytes()


@pytest.mark.parametrize(
    ("name", "pack", "unpack", "content_type"),
    [
        ("guide.xml", bytes, bytes, "application/xml"),
        ("guide.xml.gz", gzip.compress, gzip.decompress, "application/gzip"),
        ("guide.XML.xz", lzma.compress, lzma.decompress, "application/x-xz"),
    ],
)
def test_the_filled_guide_is_packed_like_the_upload(client, tmp_path, classifier, name, pack, unpack, content_type):
    response = client.post("/api/fill", params={"name": name}, content=pack(PLAIN.encode()))
    assert unpack(response.content) == filled(PLAIN, tmp_path, classifier)
    assert response.headers["content-type"] == content_type
    expected = f"guide.filled{name.removeprefix('guide')}"
    assert f'filename="{expected}"' in response.headers["content-disposition"]


def test_profile_and_mark_are_options_of_a_request(process_client, tmp_path, classifier):
    response = process_client.post("/api/fill", params={"profile": "plex", "mark": "1"}, content=PLAIN)
    assert response.content == filled(PLAIN, tmp_path, classifier, profile="plex", is_marked=True)
    assert b"<keyword>titleclf: Sports</keyword>" in response.content


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({"profile": "vlc"}, r"profile must be one of nothing, tvheadend, .*\. Got vlc\. Choose one of these\."),
        ({"when": "never"}, r"when must be one of missing, .*\. Got never\. Choose one of these\."),
        ({"mark": "yes"}, r"mark must be one of 0, 1\. Got yes\. Choose one of these\."),
        ({"when": "untranslated"}, r"when=untranslated requires a profile\. Got none\. Add profile=NAME\."),
    ],
)
def test_invalid_options_are_refused(client, query, expected):
    assert re.fullmatch(expected, error_sentence(client.post("/api/fill", params=query, content=PLAIN), 422))


ENTITY = b'<!DOCTYPE tv [<!ENTITY a SYSTEM "file:///etc/passwd">]><tv>&a;</tv>'


@pytest.mark.parametrize("content", [b"", b"<html/>", PLAIN[:300].encode(), ENTITY])
def test_invalid_guides_are_refused_as_by_epg_fill_without_private_paths(client, tmp_path, classifier, content):
    (tmp_path / "my.xml").write_bytes(content)
    with pytest.raises(InputError) as caught:
        fill(str(tmp_path / "my.xml"), str(tmp_path / "out.xml"), filler(classifier))
    expected = str(caught.value).replace(str(tmp_path / "my.xml"), "my.xml")
    assert expected.startswith("my.xml")
    check_refusal_of_guide(client, content, expected)


def test_large_unpacked_guides_are_refused(process_client):
    bomb = gzip.compress(b"<tv>" + b"<!-- " + b" " * (6 << 20) + b"--></tv>")
    expected = "my.xml must unpack to at most 4 MB. Got more. Run titleclf epg fill instead."
    check_refusal_of_guide(process_client, bomb, expected)


def check_refusal_of_guide(client, content, expected):
    response = client.post("/api/fill", params={"name": "my.xml"}, content=content)
    assert error_sentence(response, 422) == expected
    guide_id = client.post("/api/guides", params={"name": "../../my.xml"}, content=content).json()["id"]
    state = wait_for(lambda: settled(client, guide_id))
    assert (state["state"], state["problem"], state["report"]) == ("broken", expected, None)
    assert error_sentence(client.get(f"/api/guides/{guide_id}/file"), 422) == expected
    client.delete(f"/api/guides/{guide_id}").raise_for_status()


def settled(client, guide_id) -> dict[str, Any] | None:
    state = client.get(f"/api/guides/{guide_id}").json()
    return None if state["state"] in ("waiting", "filling") else state


def test_filling_stops_when_its_client_disconnects(process_client):
    filled_before = metric(process_client, "titleclf_guides_filled_total")
    head = b"POST /api/fill HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % len(LARGE)
    for _ in range(3):
        with connect(process_client) as connection:
            connection.sendall(head + LARGE)
            wait_for(lambda: metric(process_client, "titleclf_uploaded_guides") == 1)
        wait_for(lambda: metric(process_client, "titleclf_uploaded_guides") == 0)
    assert metric(process_client, "titleclf_guides_filled_total") == filled_before


def test_an_uploaded_guide_has_a_report_and_a_file_until_it_is_removed(process_client, tmp_path, classifier):
    content = gzip.compress(PLAIN.encode())
    response = process_client.post("/api/guides", params={"name": "guide.xml.gz"}, content=content)
    assert response.status_code == 202
    guide_id = response.json()["id"]
    state = wait_for(lambda: settled(process_client, guide_id))
    assert (state["state"], state["name"], state["programmes"]) == ("filled", "guide.xml.gz", 3)
    whole, (channel,), (doubt,) = (state["report"][name] for name in ("whole", "channels", "doubts"))
    assert (whole["programmes"], whole["missing"], whole["filled"], whole["unsure"]) == (3, 2, 1, 1)
    assert (channel["name"], channel["unsure_minutes"]) == ("Channel One", 90.0)
    assert (doubt["title"], doubt["minutes"], doubt["showings"]) == ("Qwertz zz", 90.0, 1)
    file = process_client.get(f"/api/guides/{guide_id}/file")
    assert gzip.decompress(file.content) == filled(PLAIN, tmp_path, classifier)
    assert int(file.headers["content-length"]) == state["bytes"] == len(file.content)
    listed = process_client.get(f"/api/guides/{guide_id}/filled")
    assert listed.headers["content-type"] == "application/json"
    (title,) = listed.json()["titles"]
    assert (title["title"], title["channel"], title["category"]) == ("Match of the Day", "Channel One", "Sports")
    assert process_client.delete(f"/api/guides/{guide_id}").status_code == 204
    for url in (f"/api/guides/{guide_id}", f"/api/guides/{guide_id}/file", f"/api/guides/{guide_id}/filled"):
        sentence = error_sentence(process_client.get(url), 404)
        assert sentence == f"no guide has this id. Got {guide_id[:40]}. Upload the guide again."


def test_a_correction_changes_predictions_and_uploaded_guides_at_once(client):
    guide_id = client.post("/api/guides", content=PLAIN).json()["id"]
    wait_for(lambda: settled(client, guide_id))
    revision = client.get("/api/corrections").json()["revision"]
    corrected = {"title": "Qwertz zz", "category": "Leisure hobbies"}
    assert client.post("/api/corrections", json=corrected).json()["revision"] == revision + 1
    text = client.get(f"/api/guides/{guide_id}/file").text
    assert text.count("<category>Leisure hobbies</category>") == 1
    state = client.get(f"/api/guides/{guide_id}").json()
    assert (state["report"]["doubts"], state["report"]["whole"]["bases"]["override"]) == ([], 1)
    received = predictions(client, titles=["Qwertz zz", "NEW: Qwertz zz (R)", "Qwertzz zz", "Tagesschau"])
    assert [row["category"] for row in received] == [*["Leisure hobbies"] * 3, "News / Current affairs"]
    assert received[1]["correction"] == {"text": "Qwertz zz", "category": "Leisure hobbies"}
    assert received[1]["probability"] == 1

    client.post("/api/corrections", json={"title": "qwertz zz", "category": ""})
    (row,) = predictions(client, titles=["Qwertz zz"])
    assert (row["category"], row["categories"]) == (None, [])
    assert client.get(f"/api/guides/{guide_id}/file").text == PLAIN.replace(
        ">Match of the Day</title></programme>",
        ">Match of the Day</title><category>Sports</category></programme>",
    )
    client.delete("/api/corrections", params={"title": "Qwertz zz"}).raise_for_status()
    client.delete(f"/api/guides/{guide_id}").raise_for_status()


def test_the_number_of_guides_is_limited(process_client):
    guide_id = process_client.post("/api/guides", content=PLAIN).json()["id"]
    response = process_client.post("/api/guides", content=PLAIN)
    expected = "at most 1 guides may be kept. Got one more. Delete one or try again later."
    assert error_sentence(response, 503) == expected
    assert response.headers["retry-after"] == "60"
    process_client.delete(f"/api/guides/{guide_id}")
    response = process_client.post("/api/guides", content=PLAIN)
    assert response.status_code == 202
    process_client.delete(f"/api/guides/{response.json()['id']}").raise_for_status()


def test_idle_guides_are_deleted(tmp_path):
    with serving(tmp_path, in_process=True, idle_seconds=0.0) as client:
        guide_id = client.post("/api/guides", content=PLAIN).json()["id"]
        wait_for(lambda: metric(client, "titleclf_uploaded_guides") == 0)
        assert client.get(f"/api/guides/{guide_id}").status_code == 404


def test_a_guide_can_be_removed_while_it_is_filled(process_client):
    guide_id = process_client.post("/api/guides", content=LARGE).json()["id"]
    wait_for(lambda: process_client.get(f"/api/guides/{guide_id}").json()["programmes"])
    assert process_client.delete(f"/api/guides/{guide_id}").status_code == 204
    assert process_client.post("/api/fill", content=PLAIN).status_code == 200  # the queue is free again


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("../../etc/passwd", "passwd.filled"),
        ("..", "guide.filled.xml"),
        ('a"b\r\nSet-Cookie: x.xml', "a_b__Set-Cookie_ x.filled.xml"),
        ("C:\\guides\\ü.xml.gz", "_.filled.xml.gz"),
        ("x" * 300 + ".xml", "x" * 96 + ".filled.xml"),
    ],
)
def test_file_names_are_sanitized(client, name, expected):
    response = client.post("/api/fill", params={"name": name}, content=PLAIN)
    assert response.status_code == 200
    assert f'filename="{expected}"' in response.headers["content-disposition"]
    assert "set-cookie" not in response.headers


def test_genres_for_kodi(client):
    assert client.get("/genres.xml").text == genres_xml()


def test_a_full_disk_is_reported(client, monkeypatch):
    full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    with monkeypatch.context() as patch:
        patch.setattr(guides, "run_job", AsyncMock(side_effect=full))
        assert error_sentence(client.post("/api/fill", content=PLAIN), 422) == (
            "guide.xml could not be filled. Got: No space left on device. Free memory and disk space."
        )
    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", Mock(side_effect=full))
        assert error_sentence(client.post("/api/fill", content=PLAIN), 503) == (
            "guide.xml must fit on the disk. Got: No space left on device. Try again later."
        )
    assert client.post("/api/fill", content=PLAIN).status_code == 200


def test_a_missing_copy_is_reported(client, monkeypatch):
    monkeypatch.setattr(guides, "run_job", AsyncMock(return_value={"digest": "of nothing"}))
    sentence = error_sentence(client.post("/api/fill", content=PLAIN), 422)
    assert sentence == "guide.xml could not be filled. Got: No such file or directory. Free memory and disk space."


def test_limits_apply_to_filling(tmp_path, monkeypatch):
    run_job = AsyncMock(side_effect=InputError("too slow"))
    monkeypatch.setattr(guides, "run_job", run_job)
    with serving(tmp_path, fill_seconds=3.0, fill_niceness=7, unpacked_bytes=123) as client:
        assert error_sentence(client.post("/api/fill", content=PLAIN), 422) == "too slow"
    job, *limits, _ = run_job.call_args.args
    assert (job.max_bytes, *limits) == (123, 3.0, 7)


# Page, health and metrics

SCRIPTS = {f"/{path.name}": "text/javascript" for path in (Path(service.__file__).parent / "page").glob("*.js")}
CONTENT_TYPES = {"/": "text/html", "/page.css": "text/css"} | SCRIPTS


def test_the_page_is_complete_and_loads_nothing_from_elsewhere(client):
    assert len(SCRIPTS) == 8
    for url, content_type in CONTENT_TYPES.items():
        response = client.get(url)
        assert response.status_code == 200
        assert response.headers["content-type"].startswith(content_type)
        assert response.headers["content-security-policy"].startswith("default-src 'none'; script-src 'self'; ")
        assert response.headers["x-content-type-options"] == "nosniff"
        assert "access-control-allow-origin" not in response.headers
        assert (client.head(url).status_code, client.head(url).content) == (200, b"")
        assert not re.search(r"https?://|innerHTML|insertAdjacentHTML|document\.write|eval\(", response.text)
    assert client.get("/icon.svg").headers["content-type"] == "image/svg+xml"


@pytest.mark.parametrize(
    "url",
    [
        *("/page/", "/page/index.html", "/page.py", "/docs", "/redoc", "/overrides.csv", "/guides/", "/api/guides"),
        *("/guides/..%2f..%2f..%2fetc%2fpasswd", "/guides/%2e%2e", "/guides//etc/passwd", "/%2e%2e/pyproject.toml"),
        *("/api/guides/..", "/api/guides/../file", "/api/guides/%2e%2e%2fuploads/file", "/api/guides/./file"),
    ],
)
def test_no_route_reads_or_lists_other_files(client, url):
    request = client.build_request("GET", client.base_url)
    request.url = request.url.copy_with(raw_path=url.encode())
    assert error_sentence(client.send(request), 405 if url == "/api/guides" else 404)


def test_unknown_routes_are_refused(client):
    sentence = error_sentence(client.get("/no"), 404)
    assert sentence == "no such route. Got GET /no. See /openapi.json for the routes."
    sentence = error_sentence(client.put("/api/predict"), 405)
    assert sentence == (
        "the route does not support this method. Got PUT /api/predict. See /openapi.json for the routes."
    )
    assert "/api/predict" in client.get("/openapi.json").json()["paths"]
    sentence = error_sentence(client.get("/guides/other.xml"), 404)
    assert sentence == "the guide must be a watched one: none. Got other.xml. Choose one of these."


def test_health(client):
    assert client.head("/health").status_code == 200  # as monitoring tools request it
    assert client.get("/health").json() == {"status": "ok", "version": __version__, "problems": [], "watched": []}


def test_metrics_count_requests_and_titles(tmp_path):
    with serving(tmp_path) as client:
        predictions(client, titles=["a", "b"])
        client.get("/nowhere/1")
        client.request("PATCH", "/nowhere/2")
        response = client.get("/metrics")
        assert response.headers["content-type"].startswith("text/plain; version=0.0.4")
        for line in response.text.splitlines():
            assert re.fullmatch(r'# (HELP|TYPE) \w+ .+|\w+(\{(\w+="[^"\n]*",?)+\})? [\d.e+-]+', line)
        assert metric(client, "titleclf_titles_total") == 2
        requests = {"POST": ("/api/predict", "200"), "GET": ("other", "404"), "other": ("other", "404")}
        for method, (path, status) in requests.items():
            labels = {"method": method, "path": path, "status": status}
            assert metric(client, "titleclf_http_requests_total", **labels) == 1
        seconds = "titleclf_http_request_seconds"
        assert metric(client, f"{seconds}_bucket", path="/api/predict", le="+Inf") == 1
        assert metric(client, f"{seconds}_count", path="other") == 2
        assert 0 < metric(client, f"{seconds}_sum", path="/api/predict") < 60


def test_metrics_of_services_are_separate(client, tmp_path):
    predictions(client, titles=["a"])
    with serving(tmp_path) as second:
        assert metric(second, "titleclf_titles_total") == 0
        assert metric(client, "titleclf_titles_total") > 0


def test_metrics_show_the_state_of_the_service(client):
    assert metric(client, "titleclf_corrections") == 0
    assert metric(client, "titleclf_corrections_readable") == 1
    assert metric(client, "titleclf_uploaded_guides") == 0
    assert metric(client, "titleclf_guides_filled_total") >= 0
    assert metric(client, "titleclf_guides_failed_total") >= 0
    assert metric(client, "titleclf_start_time_seconds") > 1e9
    assert metric(client, "titleclf_resident_memory_bytes") > 1 << 20
