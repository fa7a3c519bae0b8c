"""/v1 over plain HTTP: one sound a call, takes by their ids, and what is said where something is wrong."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile as sf
from starlette.applications import Starlette
from starlette.testclient import TestClient

from studio.app import build_maker, build_studio
from studio.core.settings import Settings
from studio.pipeline.cancel import CancelToken
from studio.service.studio import Studio
from studio.ui.server.v1 import bodies, sound
from studio.ui.server.v1.routes import v1_routes
from studio.ui.server.v1.takes import ApiTakes
from tests.waiting import until

SOUND = "/v1/sound-generation"


def client_of(studio: Studio, scratch: Path) -> TestClient:
    return TestClient(Starlette(routes=v1_routes(studio, ApiTakes(studio), scratch)))


@pytest.fixture
def client(studio: Studio, tmp_path: Path) -> TestClient:
    return client_of(studio, tmp_path / "scratch")


@pytest.fixture
def strangers(tmp_path: Path) -> Iterator[Studio]:
    settings = Settings(outputs=tmp_path, model_id="tone", device="cpu", host="0.0.0.0")
    studio = build_studio(replace(settings, unattended_limit_s=100.0))
    yield studio
    studio.close()


def told(answer: Any) -> tuple[int, str, str]:
    detail = answer.json()["detail"]
    return answer.status_code, detail["status"], detail["message"]


def ended(client: TestClient, take: dict[str, Any]) -> dict[str, Any]:
    address = f"/v1/takes/{take['id']}"
    until(lambda: client.get(address).json()["status"] not in ("queued", "running"))
    return dict(client.get(address).json())


def test_one_call_is_one_sound(client: TestClient, studio: Studio) -> None:
    asked = {"text": "rain", "duration_seconds": 1.5, "model_id": "eleven_text_to_sound_v2", "more": 1}
    answer = client.post(SOUND, json=asked)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "audio/mpeg")
    heard, rate = sf.read(io.BytesIO(answer.content))
    assert (rate, len(heard) / rate) == (44100, pytest.approx(1.5, abs=0.15))
    (job,) = studio.jobs()
    assert (job.request.prompt, job.request.duration_s, job.request.model.id) == ("rain", 1.5, "tone")


@pytest.mark.parametrize("place", ["query", "body"])
def test_a_loop_comes_in_the_format_that_is_asked_for(client: TestClient, studio: Studio, place: str) -> None:
    asked = {"text": "rain", "duration_seconds": 2, "loop": True}
    named = {"output_format": "pcm_16000"}
    there = {"params": named} if place == "query" else {}
    answer = client.post(SOUND, json=asked | (named if place == "body" else {}), **there)
    (job,) = studio.jobs()
    assert job.ring
    assert job.outcome is not None
    own, _ = sf.read(job.outcome.path, dtype="int16")
    np.testing.assert_array_equal(np.frombuffer(answer.content, "<i2"), own)


def test_the_influence_of_the_text_is_guidance(studio: Studio) -> None:
    def scale(influence: float | None) -> float:
        body = bodies.SoundBody(text="rain", prompt_influence=influence)
        return sound.asked_for(body, studio).guidance_scale

    assert scale(0.0) == 1.0, "the plain text"
    assert scale(0.3) == scale(None), "as the model begins"
    assert scale(1.0) > scale(0.5) > scale(0.3)


@pytest.mark.parametrize(
    ("asked", "status", "said"),
    [
        (b"{}", 422, "text is missing"),
        (b'{"text": ""}', 422, "text must be text of 1 to 2,000 characters"),
        (b'{"text": "' + b"x" * 2001 + b'"}', 422, "2,000 characters"),
        (b'{"text": "x", "duration_seconds": 601}', 422, "duration_seconds must be a number from 0.5 to 600"),
        (b'{"text": "x", "duration_seconds": NaN}', 422, "duration_seconds"),
        (b'{"text": "x", "prompt_influence": 1.5}', 422, "prompt_influence must be a number from 0 to 1"),
        (b'{"text": "x", "loop": true, "duration_seconds": 0.5}', 422, "A loop lasts"),
        (b'{"text": "x", "output_format": "wma_1"}', 400, "'wma_1' is no output format"),
        (b"rain", 422, "Send a JSON object"),
        (b"[" * 100_000, 422, "Send a JSON object"),
        (b" " * (bodies.MAX_BYTES + 1), 413, "1 MB at most"),
    ],
)
def test_what_is_wrong_is_told_in_a_sentence(
    client: TestClient, studio: Studio, asked: bytes, status: int, said: str
) -> None:
    got, _, message = told(client.post(SOUND, content=asked))
    assert got == status
    assert said in message
    assert not studio.jobs()


def test_a_take_is_begun_asked_after_and_fetched(client: TestClient) -> None:
    begun = client.post("/v1/takes", json={"prompt": "rain", "seconds": 1.5, "seed": "7"})
    assert begun.status_code == 201
    take = begun.json()
    assert begun.headers["location"] == take["status_url"] == f"http://testserver/v1/takes/{take['id']}"
    assert "stream_url" not in take
    done = ended(client, take)
    assert (done["status"], done["seed"], done["seconds"]) == ("finished", "7", 1.5)
    as_mp3 = client.get(f"{done['file_url']}?format=mp3")
    assert as_mp3.headers["content-type"] == "audio/mpeg"
    assert sf.info(io.BytesIO(client.get(done["file_url"]).content)).duration == 1.5
    assert client.get(f"/v1/takes/{done['take']}").json()["prompt"] == "rain", "by its id in the library too"
    assert client.get(f"/v1/takes/{done['take']}/file?format=wav").status_code == 200
    assert told(client.get(f"{done['file_url']}?format=aac"))[0] == 422
    streamed = client.get(f"/v1/takes/{take['id']}/stream?format=ogg", follow_redirects=False)
    assert streamed.headers["location"] == "file?format=ogg", "what has ended is a file"


def test_a_live_take_waits_for_its_listener_and_is_stopped(client: TestClient, studio: Studio) -> None:
    take = client.post("/v1/takes", json={"prompt": "rain"}).json()
    (job,) = studio.jobs()
    assert take["length"] is None
    assert job.stream is not None
    assert job.stream.patience_s == 60.0
    until(lambda: job.stream.buffered_s >= job.stream.lead_s)
    head = client.head(take["stream_url"])
    assert (head.status_code, head.headers["content-type"]) == (200, "audio/mpeg")
    assert told(client.get(f"{take['stream_url']}?format=aac"))[0] == 422
    assert told(client.get(take["file_url"]))[:2] == (409, "conflict")
    assert client.delete(take["status_url"]).status_code == 200
    assert ended(client, take)["status"] == "stopped"
    assert client.delete(take["status_url"]).json()["status"] == "stopped", "once more does no harm"


def test_what_is_not_live_has_no_stream(client: TestClient, studio: Studio) -> None:
    take = client.post("/v1/takes", json={"prompt": "rain", "seconds": 3600}).json()
    status, _, message = told(client.get(f"/v1/takes/{take['id']}/stream"))
    assert (status, "not made live" in message) == (409, True)
    studio.stop(take["id"])


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"mode": "other"}, "mode must be one of infinite, sparse, dual"),
        ({"prompt": "rain", "secnods": 3}, "'secnods' is no setting"),
        ({"prompt": "rain", "seconds": "long"}, "seconds must be a number"),
        ({"prompt": ""}, "Prompt is empty"),
        ({"prompt": "rain", "seconds": 86400}, "take fewer seconds"),
        ({"prompt": "rain", "lane": "nonsense"}, "'mm:ss"),
        ({"prompt": "rain", "preset": "none"}, "There is no preset"),
        ({"prompt": "rain", "loop": True}, "choose that mode"),
        ({"mode": ["infinite"]}, "mode must be one of"),
    ],
)
def test_a_take_that_can_t_be_is_refused(
    client: TestClient, studio: Studio, asked: dict[str, Any], said: str
) -> None:
    status, _, message = told(client.post("/v1/takes", json=asked))
    assert status == 422
    assert said in message
    assert not studio.jobs()


def test_what_there_is_not_is_told_as_json(client: TestClient) -> None:
    for address in (
        "/v1/takes/none",
        "/v1/takes/..%2F..%2Fetc%2Fpasswd",
        "/v1/takes/none/file",
        "/v1/voices",
    ):
        assert told(client.get(address))[:2] == (404, "not_found"), address
    assert told(client.put("/v1/takes"))[0] == 404


def test_strangers_have_two_takes_each_and_their_own_alone(strangers: Studio, tmp_path: Path) -> None:
    client = client_of(strangers, tmp_path / "scratch")
    ids = [client.post("/v1/takes", json={"prompt": "rain"}).json()["id"] for _ in range(2)]
    refused = told(client.post(SOUND, json={"text": "rain", "duration_seconds": 1}))
    assert refused[:2] == (429, "too_many_concurrent_requests")
    assert told(client.post("/v1/takes", json={"prompt": "rain", "seconds": 101}))[0] == 422
    assert told(client.post("/v1/takes", json={"prompt": "x", "model": "/etc"}))[0] == 422
    first = strangers.job(ids[0])
    until(lambda: first.latest is not None and first.latest.audio_s > 0)
    for take_id in ids:
        client.delete(f"/v1/takes/{take_id}")
    done = [ended(client, {"id": take_id}) for take_id in ids]
    kept = [one["take"] for one in done if "take" in one]
    assert kept
    assert told(client.get(f"/v1/takes/{kept[0]}"))[0] == 404, "the library is not theirs"


def test_a_sound_comes_from_the_queue_where_there_is_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import threading

    from studio.service.batch.queue import work_queue
    from studio.ui.server import queued_calls

    monkeypatch.setattr(queued_calls, "POLL_S", 0.02)
    settings = Settings(outputs=tmp_path, queue=tmp_path / "sets", model_id="tone", device="cpu")
    studio, cancel = build_studio(settings), CancelToken()
    monkeypatch.setattr(studio, "submit", lambda *_, **__: pytest.fail("made here"))
    arguments = (settings.queue, build_maker(settings))
    worker = threading.Thread(target=work_queue, args=arguments, kwargs={"cancel": cancel, "look_s": 0.02})
    worker.start()
    try:
        answer = client_of(studio, tmp_path / "scratch").post(
            SOUND, json={"text": "rain", "duration_seconds": 1}, params={"output_format": "wav_16000"}
        )
    finally:
        cancel.set()
        worker.join(30)
        studio.close()
    assert sf.info(io.BytesIO(answer.content)).duration == 1.0


def test_the_description_names_what_is_there(client: TestClient) -> None:
    described = client.get("/v1/openapi.json").json()
    assert described["servers"] == [{"url": "http://testserver"}]
    assert {"/v1/sound-generation", "/v1/takes", "/v1/takes/{id}/stream"} <= described["paths"].keys()
    schemas = described["components"]["schemas"]
    assert "lane" in schemas["InfiniteTake"]["properties"]
    assert schemas["SparseTake"]["properties"]["mode"]["const"] == "sparse"
    assert "recording" not in schemas["InfiniteTake"]["properties"]
