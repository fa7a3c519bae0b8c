"""The Library's addresses: sounds, pictures and exports of its takes, and nothing else of the disk."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf
from starlette.applications import Starlette
from starlette.testclient import TestClient

from studio.core.request import parse_request
from studio.core.settings import Settings
from studio.service.takes.library import Library
from studio.service.takes.writer import TakeWriter
from studio.ui.server.library_routes import first_bytes, library_routes
from studio.ui.server.security import Hosts, guards
from studio.ui.widgets import take_url
from tests.service.takes.test_library_folders import DAY, put, record

OWN = {"X-Longwave": "1"}
SOUND = np.arange(-8000, 8000).astype("<i2")


@pytest.fixture
def shelves(tmp_path: Path) -> Iterator[tuple[Path, TestClient]]:
    """A folder of takes, and what answers for its library."""
    outputs = tmp_path / "outputs"
    outputs.mkdir()
    app = Starlette(
        routes=library_routes(Library(outputs), tmp_path / "scratch"), middleware=guards(Hosts(Settings()))
    )
    with TestClient(app, base_url="http://127.0.0.1:7860") as client:
        yield outputs, client


@pytest.mark.parametrize("linked", ["", "day", "file"])
def test_a_take_is_served_by_its_id_wherever_it_lies(
    shelves: tuple[Path, TestClient], tmp_path: Path, linked: str
) -> None:
    outputs, client = shelves
    put(tmp_path if linked == "day" else outputs, "sea & rain")
    if linked == "day":
        (outputs / DAY).symlink_to(tmp_path / DAY)
    if linked == "file":
        sound = outputs / DAY / "sea & rain.flac"
        sound.rename(tmp_path / "elsewhere.flac")
        sound.symlink_to(tmp_path / "elsewhere.flac")
    (take,) = Library(outputs).takes()
    answer = client.get("/" + take_url(take.id))
    assert (answer.status_code, answer.content) == (200, b"fLaC")
    assert answer.headers["content-type"] == "audio/flac"
    assert answer.headers["content-disposition"].startswith("inline")
    part = client.get("/" + take_url(take.id), headers={"Range": "bytes=1-2"})
    assert (part.status_code, part.content) == (206, b"La")
    answer = client.get(f"/{take_url(take.id)}&download=1")
    assert answer.headers["content-disposition"].startswith("attachment")


def test_a_growing_take_is_served_as_far_as_it_is(tmp_path: Path) -> None:
    writer = TakeWriter.begin(parse_request(prompt="rain"), 16000, tmp_path)
    writer.write(np.full(100_000, 0.1, np.float32))
    library = Library(tmp_path, lambda: {writer.path})
    (take,) = library.takes()
    so_far = writer.path.read_bytes()
    with TestClient(Starlette(routes=library_routes(library, tmp_path / "scratch"))) as client:
        answer = client.get("/" + take_url(take.id))
        refused = client.get("/library/export", params={"take": take.id, "format": ".flac"})
        archive = client.post("/library/archive", json={"takes": [take.id]}, headers=OWN)
    assert (answer.content, answer.headers["content-length"]) == (so_far, str(len(so_far)))
    assert (refused.status_code, "stop it first" in refused.text) == (409, True)
    assert (archive.status_code, "stop it first" in archive.json()["message"]) == (400, True)
    parts = first_bytes(writer.path, len(so_far))
    served = next(parts)
    writer.write(np.full(500_000, 0.2, np.float32))
    assert len(served + b"".join(parts)) == len(so_far)
    writer.finish("stopped", {})


def test_nothing_but_the_library_s_takes_is_served(shelves: tuple[Path, TestClient], tmp_path: Path) -> None:
    outputs, client = shelves
    put(outputs, "sea")
    put(tmp_path, "outside")
    (tmp_path / "secret.txt").write_text("private")
    (outputs / DAY / "notes.txt").write_text("private")
    (outputs / DAY / "lone.flac").write_bytes(b"fLaC")
    for stem, file in (("up", "../../secret.txt"), ("far", str(tmp_path / "secret.txt")), ("n", "notes.txt")):
        put(outputs, stem).write_text(json.dumps(record(file)))
        (outputs / DAY / f"{stem}.flac").unlink()
    for take_id in (
        "", f"{DAY}/up", f"{DAY}/far", f"{DAY}/n", f"{DAY}/lone", f"{DAY}/notes", f"{DAY}/sea.flac",
        f"../{DAY}/outside", f"{DAY}/../{DAY}/sea", f"/{DAY}/sea", "../secret", "a\0b", "x" * 9000,
        str(outputs / DAY / "sea"),
    ):  # fmt: skip
        answer = client.get("/library/sound", params={"take": take_id})
        assert answer.status_code == 404, take_id
        assert "private" not in answer.text
    assert client.get("/library/sound", params={"take": f"{DAY}/sea"}).status_code == 200


def test_a_download_has_a_name_that_any_system_takes(shelves: tuple[Path, TestClient]) -> None:
    outputs, client = shelves
    put(outputs, "CON")
    answer = client.get(f"/{take_url(f'{DAY}/CON')}&download=1")
    assert 'filename="CON_.flac"' in answer.headers["content-disposition"]


def put_sound(outputs: Path, stem: str, day: str = DAY) -> str:
    """A take of a second that plays; its id."""
    put(outputs, stem, day=day)
    sf.write(outputs / day / f"{stem}.flac", SOUND, 16000)
    return f"{day}/{stem}"


def test_any_take_is_exported_in_a_format_a_span_and_a_loudness(
    shelves: tuple[Path, TestClient], tmp_path: Path
) -> None:
    outputs, client = shelves
    asked = {"take": put_sound(outputs, "sea"), "format": ".wav", "start": "0.25", "end": "0.75"}
    told = client.get("/library/export/prepare", params=asked).json()
    assert told == {"name": "sea__0.25-0.75s.wav", "said": "", "level": None}
    answer = client.get("/library/export", params=asked)
    assert answer.headers["content-disposition"] == 'attachment; filename="sea__0.25-0.75s.wav"'
    (tmp_path / "got.wav").write_bytes(answer.content)
    samples, _ = sf.read(tmp_path / "got.wav", dtype="int16")
    np.testing.assert_array_equal(samples, SOUND[4000:12000])
    loud = client.get("/library/export/prepare", params={**asked, "lufs": "-34"}).json()
    assert loud["level"]["lufs"] == pytest.approx(-34.0, abs=0.2)


def test_an_export_that_can_t_be_is_told_for_its_field(shelves: tuple[Path, TestClient]) -> None:
    outputs, client = shelves
    take = put_sound(outputs, "sea")
    for asked, status, field in (
        ({"take": take, "start": "0.7", "end": "0.2"}, 400, "end"),
        ({"take": take, "format": ".exe"}, 400, "format"),
        ({"take": f"{DAY}/none"}, 404, ""),
        ({"take": "../secret"}, 404, ""),
    ):
        answer = client.get("/library/export/prepare", params=asked)
        assert (answer.status_code, answer.json()["field"]) == (status, field)
        assert answer.json()["message"].endswith(".")
        fetched = client.get("/library/export", params=asked)
        assert (fetched.status_code, fetched.text) == (status, answer.json()["message"])


def test_a_picture_is_fetched_by_the_take_s_id(shelves: tuple[Path, TestClient]) -> None:
    outputs, client = shelves
    take = put_sound(outputs, "sea")
    for asked, width in (({}, 240), ({"width": "600"}, 600), ({"width": "999999"}, 2400)):
        answer = client.get("/library/picture", params={"take": take, **asked})
        assert answer.headers["content-type"] == "image/png"
        assert int.from_bytes(answer.content[16:20], "big") == width
    assert client.get("/library/picture", params={"take": take, "width": "x"}).status_code == 400
    assert client.get("/library/picture", params={"take": f"{DAY}/none"}).status_code == 404
    put(outputs, "silent")
    answer = client.get("/library/picture", params={"take": f"{DAY}/silent"})
    assert (answer.status_code, answer.text.endswith(".")) == (404, True)


def test_several_takes_come_as_one_archive(shelves: tuple[Path, TestClient], tmp_path: Path) -> None:
    outputs, client = shelves
    takes = [put_sound(outputs, "sea"), put_sound(outputs, "sea", day="2026-11-21")]
    made = client.post("/library/archive", json={"takes": takes, "format": ".wav"}, headers=OWN).json()
    answer = client.get(f"/{made['url']}")
    assert f'filename="{made["name"]}"' in answer.headers["content-disposition"]
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        assert archive.namelist() == ["sea.wav", "sea_2.wav"]
        (tmp_path / "got.wav").write_bytes(archive.read("sea.wav"))
    np.testing.assert_array_equal(sf.read(tmp_path / "got.wav", dtype="int16")[0], SOUND)
    plain = client.post("/library/archive", json={"takes": takes[:1]}, headers=OWN).json()
    with zipfile.ZipFile(io.BytesIO(client.get(f"/{plain['url']}").content)) as archive:
        assert archive.read("sea.flac") == (outputs / DAY / "sea.flac").read_bytes()


def test_an_archive_has_the_depth_rate_and_names_that_are_asked_for(
    shelves: tuple[Path, TestClient], tmp_path: Path
) -> None:
    outputs, client = shelves
    takes = [put_sound(outputs, "sea"), put_sound(outputs, "sea", day="2026-11-21")]
    how = {"format": ".wav", "rate": "48", "bits": "24", "name": "{name}_{format}"}
    made = client.post("/library/archive", json={"takes": takes, **how}, headers=OWN).json()
    with zipfile.ZipFile(io.BytesIO(client.get(f"/{made['url']}").content)) as archive:
        assert archive.namelist() == ["sea_48kHz_24bit.wav", "sea_48kHz_24bit_2.wav"]
        about = sf.info(io.BytesIO(archive.read(archive.namelist()[0])))
    assert (about.samplerate, about.subtype) == (48000, "PCM_24")
    lossy = {"takes": takes[:1], "format": ".ogg", "bits": "24"}  # which has none
    assert client.post("/library/archive", json=lossy, headers=OWN).status_code == 200
    for wrong in ({"rate": "11"}, {"name": "{nobody}"}, {"format": ".flac", "bits": "32"}):
        answer = client.post("/library/archive", json={"takes": takes, **wrong}, headers=OWN)
        assert answer.status_code == 400, wrong
        assert answer.json()["message"].endswith(".")


def test_no_more_archives_are_kept_than_are_fetched(shelves: tuple[Path, TestClient], tmp_path: Path) -> None:
    outputs, client = shelves
    take = put_sound(outputs, "sea")
    asked = [client.post("/library/archive", json={"takes": [take]}, headers=OWN).json() for _ in range(3)]
    assert [client.get(f"/{made['url']}").status_code for made in asked] == [404, 200, 200]
    assert len(list((tmp_path / "scratch").glob("archive-*"))) == 2


def test_an_archive_of_what_is_none_is_refused(shelves: tuple[Path, TestClient]) -> None:
    outputs, client = shelves
    take = put_sound(outputs, "sea")
    for asked in ({}, {"takes": []}, {"takes": [f"{DAY}/none"]}, {"takes": [take], "format": ".exe"}, [1]):
        answer = client.post("/library/archive", json=asked, headers=OWN)
        assert (answer.status_code, answer.json()["message"][-1]) == (400, ".")
    assert client.post("/library/archive", content="{", headers=OWN).status_code == 400
    assert client.post("/library/archive", json={"takes": [take]}).status_code == 403
    assert client.get("/library/archive/x").status_code == 404
