"""`gradio_client` against a served page."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile as sf
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError

from studio.backends.systems.tone import tone
from studio.service.takes.shelf import id_of

pytestmark = pytest.mark.slow

CLIP = {"name": "x", "settings": {"sampler": {"kind": "clip"}}}
PRESET = {"name": "Mine", "settings": {"prompt": "wind", "guidance_scale": 2.5}}


@pytest.fixture(scope="module")
def client(tone_site: Any, tmp_path_factory: pytest.TempPathFactory) -> Client:
    return Client(tone_site.url, verbose=False, download_files=str(tmp_path_factory.mktemp("downloads")))


def test_the_call_gives_the_file_and_its_figures(client: Client) -> None:
    file, figures = client.predict("rain", "", 2.0, 7, api_name="/infinite")
    samples, rate = sf.read(file, dtype="float32")
    assert rate == 16000
    np.testing.assert_allclose(samples, tone(0, 32000, 16000), atol=2 / 32768)
    assert figures["seed"] == "7"
    assert figures["audio_s"] == 2.0
    assert figures["rtf"] > 0


def test_a_lane_is_heard_in_the_sidecar(client: Client, tone_site: Any) -> None:
    _, figures = client.predict("", "", 1.0, 8, "tone", "0:00 | sea\n0:00.5 | wind", api_name="/infinite")
    assert figures["seed"] == "8"
    sidecars = [json.loads(path.read_text()) for path in tone_site.settings.outputs.rglob("*__s8.json")]
    assert [cue["prompt"] for cue in sidecars[0]["take"]["cues"]] == ["sea", "wind"]


def test_a_preset_holds_where_nothing_else_is_said(client: Client, tone_site: Any) -> None:
    client.predict("", "", 1.0, 31, "", "", "storm-passes", api_name="/infinite")
    client.predict("sea", "", 1.0, 32, "", "", json.dumps(PRESET), api_name="/infinite")
    settings = {
        seed: json.loads(next(tone_site.settings.outputs.rglob(f"*__s{seed}.json")).read_text())["settings"]
        for seed in (31, 32)
    }
    assert [point["prompt"] for point in settings[31]["lane"]][-1] == "birds singing"
    assert settings[31]["prompt"] == "light rain"
    assert settings[31]["model"]["id"] == "tone", "a preset without a model takes the studio's"
    assert (settings[32]["prompt"], settings[32]["guidance_scale"]) == ("sea", 2.5)


def test_a_take_goes_on_from_a_recording(client: Client, tmp_path: Path) -> None:
    sf.write(tmp_path / "field.wav", np.full(48000, 0.25), 16000)
    field = handle_file(tmp_path / "field.wav")
    file, _ = client.predict("rain", "", 4.0, 9, "", "", "", field, api_name="/infinite")
    samples, _ = sf.read(file)
    assert len(samples) == 64000
    np.testing.assert_allclose(samples[:40000], 0.25, atol=1e-4)
    with pytest.raises(AppError, match="more seconds"):
        client.predict("rain", "", 2.0, 9, "", "", "", field, api_name="/infinite")


def test_the_tabs_have_the_only_public_functions(client: Client) -> None:
    assert list(client.view_api(return_format="dict")["named_endpoints"]) == [
        "/infinite", "/sparse", "/dual", "/edit", "/export", "/check", "/kit",
    ]  # fmt: skip


def test_a_take_of_the_library_is_checked(client: Client, tone_site: Any) -> None:
    client.predict("rain", "", 3.0, 21, api_name="/infinite")
    (take,) = tone_site.settings.outputs.rglob("*__s21.flac")
    figures = client.predict(id_of(take), api_name="/check")
    assert (figures["file"], figures["duration_s"]) == (take.name, 3.0)
    assert figures["seams"] == figures["dropouts"] == []
    with pytest.raises(AppError, match="not in the library"):
        client.predict("nonesuch", api_name="/check")


@pytest.mark.parametrize(
    ("values", "word"),
    [
        (("", "", 2.0, 0), "prompt"),
        (("rain", "", -2.0, 0), "length (seconds)"),
        (("rain", "", 1e9, 0), "length (seconds)"),
        (("rain", "", None, 0), "length (seconds)"),
        (("rain", "", 2.0, -5), "seed"),
        (("x" * 10_000, "", 2.0, 0), "prompt"),
        (("rain", "x" * 10_000, 2.0, 0), "negative prompt"),
        (("rain", "", 2.0, 0, "nonesuch"), "no model"),
        (("rain", "", 2.0, 0, "/etc"), "model"),
        (("rain", "", 2.0, 0, "tone", "wind"), "prompt lane"),
        (("rain", "", 2.0, 0, "tone", "", "../../etc/passwd"), "no preset"),
        (("rain", "", 2.0, 0, "tone", "", '{"name": "x", "settings": {}, "more": 1}'), "more"),
        (("rain", "", 2.0, 0, "tone", "", '{"name": "x", "schema_version": 9}'), "newer"),
        (("rain", "", 2.0, 0, "tone", "", '{"name": "x", "settings": {"mode": "dual"}}'), "dual"),
        (
            ("rain", "", 9e4, 0, "tone", "", json.dumps(CLIP)),
            "endless",
        ),
        (("rain", "", 2.0, 0, "tone", "", '{"a":' * 100_000), "json"),
    ],
)
def test_bad_values_get_one_sentence(client: Client, values: tuple, word: str) -> None:
    with pytest.raises(AppError) as caught:
        client.predict(*values, api_name="/infinite")
    message = str(caught.value)
    assert word in message.lower() or "checkpoint" in message.lower()
    assert "\n" not in message
    assert "Traceback" not in message


def test_two_clients_get_a_take_each(tone_site: Any, client: Client) -> None:
    def call(seed: int) -> tuple[str, dict[str, Any]]:
        return client.predict("rain", "", 1.0, seed, api_name="/infinite")

    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(call, [1, 2])
    assert [first[1]["seed"], second[1]["seed"]] == ["1", "2"]
    assert Path(first[0]).read_bytes() != Path(second[0]).read_bytes()  # their tags tell the seeds


def test_no_file_is_served_by_its_path(client: Client, tone_site: Any) -> None:
    import httpx

    client.predict("rain", "", 0.5, 13, api_name="/infinite")
    (own,) = tone_site.settings.outputs.rglob("*__s13.flac")
    for path in ("/etc/hostname", Path(__file__).resolve(), own, own.with_suffix(".json"), own.parent):
        assert httpx.get(f"{tone_site.url}gradio_api/file={path}").status_code in {403, 404}
    assert httpx.get(tone_site.url, headers={"Host": "evil.example"}).status_code == 400
    assert "default-src 'self'" in httpx.get(tone_site.url).headers["content-security-policy"]


def test_a_clip_in_one_piece(client: Client, tone_site: Any) -> None:
    file, figures = client.predict("rain", "", 3.0, 11, "", "dense", "", 4, api_name="/sparse")
    samples, _ = sf.read(file, dtype="float32")
    np.testing.assert_allclose(samples, tone(0, 48000, 16000), atol=2 / 32768)
    assert figures["steps"] == 4.0
    record = json.loads(next(tone_site.settings.outputs.rglob("*__s11.json")).read_text())
    assert record["settings"]["mode"] == "sparse"
    again, _ = client.predict("", "", 3.0, -1, "", "", "", 0, json.dumps(record), api_name="/sparse")
    assert sf.info(again).frames == 48000


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (("rain", "", 3.0, 1, "", "thin"), "thin"),
        (("rain", "", 3.0, 1, "", "lite_focus", "7"), "a share of the tokens"),
        (("rain", "", 3.0, 1), "no attention to make sparse"),
        (("rain", "", -3.0, 1), r"length \(seconds\)"),
        (("", "", 3.0, 1), "prompt is empty"),
        (("rain", "", 3.0, 1, "", "", "", 0, "night-crickets"), "infinite takes"),
    ],
)
def test_a_wrong_clip_is_one_sentence(client: Client, values: tuple[Any, ...], said: str) -> None:
    with pytest.raises(AppError, match=f"(?i){said}"):
        client.predict(*values, api_name="/sparse")
