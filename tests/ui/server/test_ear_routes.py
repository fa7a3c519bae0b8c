"""Two takes that are compared by ear: told apart by their tokens alone, checked, refused in a sentence."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf
from starlette.applications import Starlette
from starlette.testclient import TestClient

from studio.service.looks import Looks
from studio.service.studio import Studio
from studio.ui.panels.live import LiveViews
from studio.ui.panels.offers import Offers
from studio.ui.server.ear_routes import ear_routes

RATE = 16000


@pytest.fixture
def offers() -> Offers:
    return Offers(LiveViews())


@pytest.fixture
def client(offers: Offers, studio: Studio) -> Iterator[TestClient]:
    with TestClient(Starlette(routes=ear_routes(offers, Looks(studio)))) as client:
        yield client


def write(path: Path, burst: bool) -> Path:
    sound = 0.05 * np.random.default_rng(0).standard_normal(3 * RATE)
    if burst:
        sound[RATE : 2 * RATE] += 0.3 * np.sin(2 * np.pi * 3000 / RATE * np.arange(RATE))
    sf.write(path, sound, RATE)
    return path


def test_a_difference_is_a_picture_its_scale_and_its_places(
    client: TestClient, offers: Offers, tmp_path: Path
) -> None:
    one, other = (offers.offer(write(tmp_path / f"{burst}.wav", burst)) for burst in (False, True))
    told = client.get(f"/take/{one}/difference?other={other}&width=100").json()
    for name, width in (("picture", 100), ("scale", 256)):
        png = base64.b64decode(told[name].removeprefix("data:image/png;base64,"))
        assert int.from_bytes(png[16:20]) == width
    assert (told["from_s"], told["lag_s"], told["cut"], told["top_hz"]) == (0, 0, False, 8000)
    assert told["length_s"] == pytest.approx(3, abs=0.02)
    assert told["louder_lu"] > 3
    (place, *_) = told["places"]
    assert place["db"] > 10
    assert place["hz"] == pytest.approx(3000, rel=0.1)
    same = client.get(f"/take/{one}/difference?other={one}").json()
    assert (same["places"], same["alike"], same["louder_lu"]) == ([], 1.0, 0.0)


def test_a_check_is_the_card_of_look_inside(client: TestClient, offers: Offers, tmp_path: Path) -> None:
    path = write(tmp_path / "take.wav", burst=False)
    card = client.get(f"/take/{offers.offer(path)}/look").json()["card"]
    assert 'class="lw-look" data-file="take.wav"' in card
    assert "No dropouts." in card


def test_who_has_no_token_is_told_nothing(client: TestClient, offers: Offers, tmp_path: Path) -> None:
    path = write(tmp_path / "take.wav", burst=False)
    token = offers.offer(path)
    for address in (f"{token}/difference", f"{token}/difference?other=guess", "guess/look"):
        answer = client.get(f"/take/{address}")
        assert answer.status_code == 404
        assert answer.text == "There is no finished take of that name any more."
    assert client.get(f"/take/{token}/difference?other={token}&width=wide").status_code == 400
    path.write_text("no sound any more")
    answer = client.get(f"/take/{token}/difference?other={token}")
    assert (answer.status_code, answer.text) == (404, "Can't read take.wav: choose another take.")
