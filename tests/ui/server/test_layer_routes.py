"""What the page asks of layers: pieces that are the mix's own samples, and one sentence for anything else."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile as sf
from starlette.applications import Starlette
from starlette.testclient import TestClient

from studio.core.errors import OutOfResourcesError
from studio.core.request import parse_request
from studio.core.scene import parse_scene
from studio.core.settings import Settings
from studio.service.studio import Studio
from studio.ui.server.layer_routes import layer_routes
from tests.service.service_fakes import create_backend, render_ramp
from tests.waiting import until

OWN = {"x-longwave": "1"}
HUM = {"prompt": "hum", "duration_s": 1.0, "seed": 1, "bandwidth": "16k"}
SCENE: dict[str, Any] = {"layers": [{"request": HUM, "pan": 0.5}, {"request": {**HUM, "seed": 2}}]}


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    made = Studio(Settings(outputs=tmp_path_factory.mktemp("out")), create_backend, render_ramp)
    yield made
    made.close()


@pytest.fixture
def client(studio: Studio) -> Iterator[TestClient]:
    with TestClient(Starlette(routes=layer_routes(studio)), headers=OWN) as client:
        yield client


def ended(client: TestClient, errand: str) -> dict[str, Any]:
    address, running = f"/layers/errands/{errand}", ("waiting", "making")
    until(lambda: client.get(address).json()["phase"] not in running, 120)
    told: dict[str, Any] = client.get(address).json()
    return told


def test_what_is_missing_is_made_heard_in_pieces_and_mixed(studio: Studio, client: TestClient) -> None:
    assert client.post("/layers/plan", json=SCENE).json() == {"missing": [0, 1], "layers": []}
    made = ended(client, client.post("/layers/make", json=SCENE).json()["id"])
    assert (made["phase"], made["said"]) == ("done", "All takes are there.")
    scene = made["scene"]
    plan = client.post("/layers/plan", json=scene).json()
    assert (plan["rate"], plan["frames"]) == (16000, 16000)
    assert [layer["channels"] for layer in plan["layers"]] == [1, 1]
    piece = client.post("/layers/sound?from=3000&count=500", json=scene)
    sound = np.frombuffer(piece.content, "<f4")
    with studio.mixes.open(parse_scene(scene)) as mix:
        expected = [layer.read(3000, 500).ravel() for layer in mix.layers]
    np.testing.assert_array_equal(sound, np.concatenate(expected))

    asked = client.post("/layers/mix?format=.flac&bits=24&stems=1", json=scene).json()
    mixed = ended(client, asked["id"])
    assert mixed["phase"] == "done"
    assert sf.info(studio.library.get(mixed["take"]).path).subtype == "PCM_24"
    assert client.get(f"/{mixed['stems']}").headers["content-type"] == "application/zip"
    opened = client.get("/layers/scene", params={"take": mixed["take"]}).json()
    assert opened["layers"] == scene["layers"]
    first = scene["layers"][0]["take"]
    assert "is no mix" in client.get("/layers/scene", params={"take": first}).json()["message"]
    (stems,) = (studio.settings.outputs / "mixes").iterdir()
    stems.unlink()
    assert client.get(f"/{mixed['stems']}").status_code == 404


@pytest.mark.parametrize(
    ("path", "body", "sentence"),
    [
        ("plan", b"{", "not JSON"),
        ("plan", b'{"layers": []}', "add a take first"),
        ("plan", b'{"layers": [{"take": "../../etc/passwd"}]}', "Layer 1: its take"),
        ("plan", b'{"layers": [{"take": "a", "gain_db": NaN}]}', "Layer 1: its gain"),
        ("plan", b" " * 1_000_001, "larger than 1 MB"),
        ("mix?format=.exe", b"{}", "Choose one of"),
        ("mix?format=.mp3&bits=24", b"{}", "MP3 has no bit depth"),
        ("make", b"[]", "not an object"),
        ("errands/nobody/stop", b"{}", "not known any more"),
    ],
)
def test_what_is_wrong_is_one_sentence(client: TestClient, path: str, body: bytes, sentence: str) -> None:
    answer = client.post(f"/layers/{path}", content=body)
    assert answer.status_code == 400
    assert sentence in answer.json()["message"]


def test_pieces_outside_of_the_scene_and_other_sites_get_nothing(studio: Studio, client: TestClient) -> None:
    scene = studio.mixes.mix(parse_scene(SCENE)).scene.model_dump(mode="json")
    for query in (
        "from=16000&count=1",
        "from=-1&count=10",
        "from=0&count=999999",
        "from=0&count=0",
        "from=x",
    ):
        answer = client.post(f"/layers/sound?{query}", json=scene)
        assert answer.status_code == 400, query
    del client.headers["x-longwave"]
    assert client.post("/layers/mix?format=.wav", json=scene).status_code == 400
    assert client.get("/layers/picture/loop-duo").headers["content-type"] == "image/webp"
    assert client.get("/layers/picture/..%2Fkits%2Frain").status_code == 404


def test_a_bound_of_one_lets_a_mix_make_its_takes_and_nothing_beside(tmp_path: Path) -> None:
    """On a page with logins, as takes are bound."""
    settings = Settings(outputs=tmp_path, host="0.0.0.0", auth=(("ann", "x"),), jobs_per_client=1)
    begun, go_on = threading.Event(), threading.Event()

    def held(*given: Any) -> Iterator[Any]:
        begun.set()
        assert go_on.wait(60)
        yield from render_ramp(*given)

    studio = Studio(settings, create_backend, held)
    routes = layer_routes(studio)
    with TestClient(Starlette(routes=routes), headers=OWN) as client:
        mix = client.post("/layers/mix?format=.wav", json=SCENE).json()["id"]
        assert begun.wait(60)
        for path in ("/layers/mix?format=.wav", "/layers/make"):
            refused = client.post(path, json=SCENE)
            assert (refused.status_code, "of yours are" in refused.json()["message"]) == (507, True)
        with pytest.raises(OutOfResourcesError, match="of yours"):
            studio.submit(parse_request(**HUM), client="testclient")
        other = TestClient(Starlette(routes=routes), headers=OWN, client=("10.0.0.7", 1))
        assert "id" in other.post("/layers/make", json=SCENE).json()
        go_on.set()
        assert ended(client, mix)["phase"] == "done", "both of its takes were made"
        assert "id" in client.post("/layers/make", json=SCENE).json()
    studio.close()
