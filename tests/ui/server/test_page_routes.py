from __future__ import annotations

import errno
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf
from starlette.applications import Starlette
from starlette.testclient import TestClient

from studio.core.events import Finished
from studio.core.request import parse_request
from studio.core.settings import Settings, data_dir
from studio.dsp.loudness import LoudnessMeter
from studio.pipeline.cancel import CancelToken
from studio.service.jobs.job import Job
from studio.service.live.codecs import encoder
from studio.service.live.pcm_stream import PcmStream
from studio.ui.panels.live import LiveView, LiveViews
from studio.ui.panels.offers import Offers
from studio.ui.server.routes import live_routes, preloads
from studio.ui.server.security import HEADERS, Hosts, guards
from studio.ui.server.take_routes import take_routes
from studio.ui.words import words

SOUND = np.arange(-8000, 8000).astype("<i2")


@pytest.fixture
def views() -> LiveViews:
    return LiveViews()


@pytest.fixture
def client(views: LiveViews, tmp_path: Path) -> Iterator[TestClient]:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    offers = Offers(views)
    routes = [*live_routes(views, data_dir("assets") / "page"), *take_routes(offers, scratch, None)]
    app = Starlette(routes=routes, middleware=guards(Hosts(Settings())))
    with TestClient(app, base_url="http://127.0.0.1:7860") as client:
        yield client


@pytest.fixture
def view(views: LiveViews) -> LiveView:
    return views.open(Job(parse_request(prompt="rain"), PcmStream(8.0)))


def test_the_sound_arrives_whole_and_once(client: TestClient, view: LiveView) -> None:
    for start in range(0, len(SOUND), 999):
        view.stream.write(SOUND[start : start + 999], CancelToken())
    view.stream.close()
    answer = client.get(f"/pcm/{view.stream.token}")
    np.testing.assert_array_equal(np.frombuffer(answer.content, "<i2"), SOUND)
    assert answer.headers["cache-control"] == "no-store"


def test_the_sound_comes_in_the_codec_that_is_asked_for(client: TestClient, view: LiveView) -> None:
    view.stream.write(SOUND, CancelToken())
    view.stream.close()
    encode = encoder("flac", view.stream.sample_rate)
    assert client.get(f"/pcm/{view.stream.token}?codec=flac").content == encode.push(SOUND) + encode.flush()


def test_an_unknown_codec_is_refused_and_takes_nobodys_place(client: TestClient, view: LiveView) -> None:
    answer = client.get(f"/pcm/{view.stream.token}?codec=mp3")
    assert (answer.status_code, answer.text) == (400, words.sound.codec_unknown)
    assert not view.stream.reading


def test_a_stream_has_one_reader(client: TestClient, view: LiveView) -> None:
    assert view.stream.attach()
    assert client.get(f"/pcm/{view.stream.token}").status_code == 404


def test_a_beat_acknowledges_what_was_heard(client: TestClient, view: LiveView) -> None:
    view.stream.write(SOUND, CancelToken())
    assert view.stream.read() is not None
    answer = client.post(f"/live/{view.stream.token}?position=0.75&columns=0")
    assert answer.json()["phase"] == "queued"
    assert view.stream.buffered_s == pytest.approx(0.25)


@pytest.mark.parametrize("query", ["position=nan", "position=inf", "position=x", "position=1&columns=1.5"])
def test_a_beat_takes_numbers_only(client: TestClient, view: LiveView, query: str) -> None:
    assert client.post(f"/live/{view.stream.token}?{query}").status_code == 400


@pytest.mark.parametrize("method", [("GET", "/pcm/x"), ("POST", "/live/x"), ("GET", "/take/x")], ids=str)
def test_unknown_tokens_are_not_found(client: TestClient, method: tuple[str, str]) -> None:
    assert client.request(*method).status_code == 404


def test_a_finished_take_is_served_in_every_format(
    client: TestClient, view: LiveView, tmp_path: Path
) -> None:
    path = tmp_path / "take.flac"
    sf.write(path, SOUND, 16000)
    url = f"/take/{view.stream.token}"
    assert client.get(url).status_code == 404
    view.job.end(Finished(path, 1.0))
    part = client.get(url, headers={"Range": "bytes=0-3"})
    assert (part.status_code, part.content) == (206, b"fLaC")
    for suffix in (".wav", ".mp3", ".ogg", ".flac"):
        answer = client.get(url, params={"format": suffix})
        assert f'filename="take{suffix}"' in answer.headers["content-disposition"]
        (tmp_path / f"got{suffix}").write_bytes(answer.content)
        assert sf.info(tmp_path / f"got{suffix}").duration == pytest.approx(1.0, abs=0.1)
    assert client.get(url, params={"format": "../x"}).status_code == 400


@pytest.mark.parametrize("suffix", [".wav", ".flac", ".mp3", ".ogg"])
def test_a_span_at_a_loudness(client: TestClient, view: LiveView, tmp_path: Path, suffix: str) -> None:
    path = tmp_path / "take.flac"
    sf.write(path, np.tile(SOUND, 3), 16000)
    view.job.end(Finished(path, 3.0))
    wanted = {"format": suffix, "start": "0.5", "end": "2.5", "lufs": "-26"}
    answer = client.get(f"/take/{view.stream.token}", params=wanted)
    named = re.search(rf'"take__0\.5-2\.5s__(-[0-9.]+)LUFS\{suffix}"', answer.headers["content-disposition"])
    assert named is not None
    (tmp_path / f"got{suffix}").write_bytes(answer.content)
    samples, rate = sf.read(tmp_path / f"got{suffix}")
    assert len(samples) / rate == pytest.approx(2.0, abs=0.1)
    meter = LoudnessMeter(rate)
    meter.push(samples)
    assert meter.integrated() == pytest.approx(-26, abs=0.2)
    assert float(named[1]) == pytest.approx(meter.integrated(), abs=0.06)


@pytest.mark.parametrize(
    "wanted",
    [
        {"start": "x"},
        {"end": "nan"},
        {"start": "2"},
        {"start": "0.5", "end": "0.5"},
        {"start": "-1"},
        {"lufs": "9"},
    ],
    ids=str,
)
def test_a_span_that_is_none_is_told(
    client: TestClient, view: LiveView, tmp_path: Path, wanted: dict[str, str]
) -> None:
    path = tmp_path / "take.flac"
    sf.write(path, SOUND, 16000)
    view.job.end(Finished(path, 1.0))
    answer = client.get(f"/take/{view.stream.token}", params=wanted)
    assert answer.status_code == 400
    assert answer.text.endswith(".")


@pytest.mark.parametrize(
    ("wanted", "field"),
    [
        ({"start": "0:00.6", "end": "0:00.4"}, "end"),
        ({"start": "0.5", "end": "0.5"}, "end"),
        ({"end": "0:02"}, "end"),
        ({"start": "1:75"}, "start"),
        ({"lufs": "loud"}, "lufs"),
        ({"lufs": "-14", "ceiling": "3"}, "ceiling"),
        ({"format": ".exe"}, "format"),
    ],
    ids=str,
)
def test_what_can_t_be_exported_is_told_before_anything_is_fetched(
    client: TestClient, view: LiveView, tmp_path: Path, wanted: dict[str, str], field: str
) -> None:
    path = tmp_path / "take.flac"
    sf.write(path, SOUND, 16000)
    view.job.end(Finished(path, 1.0))
    answer = client.get(f"/take/{view.stream.token}/prepare", params={"format": ".wav", **wanted})
    assert answer.status_code == 400
    assert answer.json()["field"] == field
    assert answer.json()["message"].endswith(".")
    path.unlink()
    answer = client.get(f"/take/{view.stream.token}/prepare", params={"format": ".wav"})
    assert answer.json()["message"] == "There is no finished take of that name any more."


def test_what_an_export_came_to_is_told_with_its_name(
    client: TestClient, view: LiveView, tmp_path: Path
) -> None:
    path = tmp_path / "take.flac"
    sf.write(path, np.random.default_rng(0).normal(0, 0.05, 32000), 16000)
    view.job.end(Finished(path, 2.0))
    wanted = {"format": ".wav", "lufs": "-20", "ceiling": "-2"}
    answer = client.get(f"/take/{view.stream.token}/prepare", params=wanted).json()
    assert answer["name"] == "take__-20.0LUFS.wav"
    assert (answer["level"]["lufs"], answer["level"]["ceiling_dbtp"]) == (-20.0, -2.0)
    assert "−20.0 LUFS" in answer["said"]
    fetched = client.get(f"/take/{view.stream.token}", params=wanted)
    assert f'filename="{answer["name"]}"' in fetched.headers["content-disposition"]
    plain = client.get(f"/take/{view.stream.token}/prepare", params={"format": ".wav"}).json()
    assert plain == {"name": "take.wav", "said": "", "level": None}


def test_an_export_that_fails_on_the_disk_is_a_sentence(
    client: TestClient, view: LiveView, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "take.flac"
    sf.write(path, SOUND, 16000)
    view.job.end(Finished(path, 1.0))

    def full(*args: object, **options: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("studio.service.takes.export.os.replace", full)
    answer = client.get(f"/take/{view.stream.token}/prepare", params={"format": ".wav"})
    assert answer.status_code == 507
    assert "is full" in answer.json()["message"]
    path.write_bytes(b"no sound any more")
    answer = client.get(f"/take/{view.stream.token}/prepare", params={"format": ".wav"})
    assert answer.status_code == 400
    assert "Can't convert" in answer.json()["message"]


def test_other_hosts_are_refused_and_every_answer_is_guarded(client: TestClient) -> None:
    assert client.get("/page/page.js", headers={"Host": "evil.example"}).status_code == 400
    answer = client.get("/page/page.js")
    assert answer.status_code == 200
    assert {name: answer.headers[name] for name in HEADERS} == HEADERS
    assert client.get("/page/../shell.py").status_code == 404


def test_all_scripts_are_fetched_ahead(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    # What a system's own table may say.
    monkeypatch.setattr("starlette.responses.guess_type", lambda *_, **__: ("text/plain", None))
    addresses = re.findall(r'href="([^"]+)"', preloads(data_dir("assets") / "page"))
    assert {"page/page.js", "page/words.js"} < set(addresses)
    answers = [client.get(f"/{address}") for address in addresses]
    assert {(answer.status_code, answer.headers["content-type"].split(";")[0]) for answer in answers} == {
        (200, "text/javascript")
    }
