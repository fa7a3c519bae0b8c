"""Finished takes by their tokens: what is told of one, and its star, its way to the trash and back."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from studio.core.request import parse_request
from studio.service.studio import Studio
from studio.ui.panels import offers as module
from studio.ui.panels.live import LiveViews
from studio.ui.panels.offers import Offers
from studio.ui.server.take_routes import take_routes

OWN = {"X-Longwave": "1"}


@pytest.fixture
def offers() -> Offers:
    return Offers(LiveViews())


@pytest.fixture
def take(studio: Studio) -> Path:
    request = parse_request(prompt="gulls", seed=2**60, duration_s=1.0, model={"id": "tone"})
    *_, outcome = studio.events(studio.submit(request).id)
    return outcome.path


def client_of(offers: Offers, studio: Studio, scratch: Path, *, trusted: bool) -> TestClient:
    routes = take_routes(offers, scratch, studio.library if trusted else None)
    return TestClient(Starlette(routes=routes))


@pytest.fixture
def client(offers: Offers, studio: Studio, tmp_path: Path) -> Iterator[TestClient]:
    with client_of(offers, studio, tmp_path / "scratch", trusted=True) as client:
        yield client


def test_what_is_told_of_a_take(client: TestClient, offers: Offers, take: Path, studio: Studio) -> None:
    told = client.get(f"/take/{offers.offer(take)}/about").json()
    assert (told["file"], told["prompt"], told["seed"]) == (take.name, "gulls", str(2**60)), (
        "to the last digit"
    )
    assert told["library"] == next(studio.library.takes()).id
    assert told["favourite"] is False
    assert -20 < told["lufs"] < 0
    assert told["true_peak_dbtp"] == pytest.approx(-6.0, abs=0.3), "a tone at half of full scale"


def test_a_picture_has_the_width_that_is_asked_for(client: TestClient, offers: Offers, take: Path) -> None:
    token = offers.offer(take)
    small, large = (client.get(f"/take/{token}/picture?width={width}").content for width in (50, 300))
    assert small[:4] == large[:4] == b"\x89PNG"
    assert [int.from_bytes(png[16:20]) for png in (small, large)] == [50, 300]
    assert client.get(f"/take/{token}/picture?width=wide").status_code == 400


def test_a_star_is_given_and_taken(client: TestClient, offers: Offers, take: Path, studio: Studio) -> None:
    token = offers.offer(take)
    for what, starred in (("star", True), ("unstar", False)):
        assert client.post(f"/take/{token}/{what}", headers=OWN).status_code == 200
        assert client.get(f"/take/{token}/about").json()["favourite"] is starred
        assert bool(list(studio.library.takes(favourites=True))) is starred


def test_what_is_rejected_is_in_the_trash_and_comes_back(
    client: TestClient, offers: Offers, take: Path, studio: Studio
) -> None:
    token = offers.offer(take)
    assert client.post(f"/take/{token}/reject", headers=OWN).status_code == 200
    assert not list(studio.library.takes())
    assert client.get(f"/take/{token}/about").status_code == 404
    assert client.post(f"/take/{token}/restore", headers=OWN).status_code == 200
    assert client.get(f"/take/{token}/about").json()["file"] == take.name


@pytest.mark.parametrize("what", ["star", "reject", "restore", "nonesuch"])
def test_only_the_page_s_own_hand_does_it(
    client: TestClient, offers: Offers, take: Path, what: str, studio: Studio
) -> None:
    assert client.post(f"/take/{offers.offer(take)}/{what}").status_code == 403
    assert client.post(f"/take/unknown/{what}", headers=OWN).status_code == 404
    assert len(list(studio.library.takes())) == 1


def test_strangers_hear_their_takes_and_keep_no_order(
    offers: Offers, studio: Studio, take: Path, tmp_path: Path
) -> None:
    with client_of(offers, studio, tmp_path / "scratch", trusted=False) as client:
        token = offers.offer(take)
        assert client.get(f"/take/{token}").content[:4] == b"fLaC"
        assert client.get(f"/take/{token}/about").json()["library"] == ""
        answer = client.post(f"/take/{token}/reject", headers=OWN)
        assert (answer.status_code, answer.text) == (404, "Only the studio's owner keeps its takes in order.")
    assert take.is_file()


def test_old_tokens_are_forgotten(
    offers: Offers, take: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(module, "MAX_OFFERED", 2)
    first, *others = (offers.offer(take) for _ in range(3))
    assert offers.path(first) is None
    assert [offers.path(token) for token in others] == [take, take]
    take.rename(tmp_path / "elsewhere.flac")
    assert offers.path(others[0]) is None, "it is not there any more"
