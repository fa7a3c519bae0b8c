"""A whole kit of the fake model: its files, what they say of themselves, and what is left where it fails."""

from __future__ import annotations

import json
import struct
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile as sf

from studio.backends.base import Conditioning
from studio.core.errors import CancelledError, InvalidRequestError, OutOfResourcesError
from studio.core.kit import parse_kit
from studio.core.request import GenerationRequest, ModelChoice, parse_request
from studio.pipeline.cancel import CancelToken
from studio.pipeline.renderer import Renderer
from studio.service.edits import open_sound
from studio.service.jobs.errands import Stage
from studio.service.kit.make import Kit, make_kit
from studio.service.takes import scratch
from studio.testing import FakeBackend

PROMPT = "heavy rain on a tin roof"
STEM = "heavy_rain_on_a_tin_roof"
QUICK = {"variations": 2, "tries": 1, "distance": 0.2}


def request(**values: Any) -> GenerationRequest:
    sampler = {"kind": "clip", "steps": 3}
    return parse_request(
        **{"mode": "sparse", "prompt": PROMPT, "duration_s": 2.56, "seed": 4, "sampler": sampler, **values}
    )


def made(folder: Path, plan: dict[str, Any] | None = None, **values: Any) -> Kit:
    backend = FakeBackend()
    own = {key: values.pop(key) for key in ("cancel", "tell", "lease", "render") if key in values}
    options: dict[str, Any] = {
        "lease": lambda choice: nullcontext(backend), "render": Renderer(),
        "turn": lambda choice, cancel: nullcontext(), "cancel": CancelToken(), **own,
    }  # fmt: skip
    return make_kit(request(**values), parse_kit(**{**QUICK, **(plan or {})}), folder / "kit.zip", **options)


@pytest.fixture(scope="module")
def kit(tmp_path_factory: pytest.TempPathFactory) -> Kit:
    return made(tmp_path_factory.mktemp("kit"), seed=0)


@pytest.fixture(scope="module")
def folder(kit: Kit, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What is in the ZIP."""
    unpacked = tmp_path_factory.mktemp("unpacked")
    with zipfile.ZipFile(kit.path) as archive:
        archive.extractall(unpacked)
    return unpacked / STEM


def files(kit: Kit, kind: str = "") -> list[dict[str, Any]]:
    return [one for one in kit.manifest["files"] if not kind or one["kind"] == kind]


def test_the_zip_holds_what_the_manifest_says_and_no_more(kit: Kit, folder: Path) -> None:
    there = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    named = {one["file"] for one in files(kit)}
    assert there == named | {"manifest.json", kit.manifest["licences"], kit.manifest["spectrograms"]}
    assert json.loads((folder / "manifest.json").read_text(encoding="utf-8")) == kit.manifest
    assert [one["kind"] for one in files(kit)][:5] == ["bed", "variation", "variation", "state", "state"]
    assert "Apache-2.0" in (folder / "LICENCES.txt").read_text(encoding="utf-8")
    assert (folder / "spectrograms.png").read_bytes().startswith(b"\x89PNG")


def test_a_loop_is_24_bits_and_says_where_it_goes_round(kit: Kit, folder: Path) -> None:
    for one in files(kit):
        if one["loop"] is None:
            continue
        path = folder / one["file"]
        about = sf.info(path)
        assert (about.subtype, about.samplerate, about.frames) == ("PCM_24", 16000, 40960)
        assert one["loop"] == [0, 40960]
        data = path.read_bytes()
        smpl = data.index(b"smpl") + 8
        first, last = struct.unpack_from("<2I", data, smpl + 36 + 8)
        assert (first, last) == (0, 40959)  # `smpl` has the last that is played


def test_light_and_heavy_share_their_length_and_their_noise(kit: Kit, folder: Path) -> None:
    light, heavy = files(kit, "state")
    assert light["prompt"] == "light rain on a tin roof"
    assert heavy["prompt"] == PROMPT
    assert light["seed"] == heavy["seed"] == 0
    assert light["samples"] == heavy["samples"]
    assert heavy["same_as"] == f"{STEM}_bed"  # it is the bed's own prompt: not made twice
    bed, _ = sf.read(folder / files(kit, "bed")[0]["file"])
    assert np.array_equal(sf.read(folder / heavy["file"])[0], bed)
    other, _ = sf.read(folder / files(kit, "variation")[0]["file"])
    mild, _ = sf.read(folder / light["file"])
    alike = [float(np.corrcoef(bed, one)[0, 1]) for one in (mild, other)]
    assert alike[0] > abs(alike[1]) + 0.2  # the same noise, and another


def test_the_studio_opens_each_file_again(kit: Kit, folder: Path) -> None:
    for one in files(kit):
        take = open_sound(folder / one["file"])
        assert take.request.seed == one["seed"]
        assert take.request.prompt == one["prompt"]
        assert take.samples == one["samples"]
        assert take.loop == (tuple(one["loop"]) if one["loop"] else None)


def test_the_variations_are_as_far_apart_as_is_said(kit: Kit) -> None:
    told = kit.manifest["variations"]
    assert told["asked"] == 0.2
    assert told["reached"] >= 0.2
    assert len(told["distances"]) == 3
    assert len({one["seed"] for one in files(kit, "variation")}) == 2


class Deaf(FakeBackend):
    """A model to which all words are one."""

    def encode_text(self, prompts: Sequence[str]) -> Conditioning:
        return super().encode_text(["x"] * len(prompts))


def test_where_a_model_makes_the_same_of_both_words_heavy_is_made_in_layers(tmp_path: Path) -> None:
    deaf = Deaf()
    plan = {"variations": 1, "tries": 0, "shots": 0}
    kit = made(tmp_path, plan, lease=lambda choice: nullcontext(deaf), prompt="rain")
    assert any("on top of each other" in note for note in kit.notes)
    light, heavy = files(kit, "state")
    assert heavy["layers"] == [4, 5, 6, 7]
    assert heavy["lufs"] - light["lufs"] == pytest.approx(6, abs=1.5)
    with zipfile.ZipFile(kit.path) as archive:
        bed, soft, loud = (
            sf.read(archive.open(f"rain/{one['file']}"))[0] for one in (files(kit)[0], light, heavy)
        )
    assert np.corrcoef(soft, loud)[0, 1] > 0.4  # what is heard in light is heard in heavy too
    assert np.corrcoef(bed, loud)[0, 1] > 0.4
    worded = made(
        tmp_path, {**plan, "states": "words"}, lease=lambda choice: nullcontext(deaf), prompt="rain"
    )
    assert "layers" not in files(worded, "state")[1]
    assert any("take layers" in note for note in worded.notes)


def test_where_they_can_not_be_it_says_so(tmp_path: Path) -> None:
    poor = made(tmp_path, {"distance": 1.0, "states": "none", "shots": 0})
    assert poor.manifest["variations"]["loops_made"] == 4
    assert len(files(poor, "variation")) == 2
    assert "apart and not 1" in poor.notes[0]


def test_the_same_request_makes_the_same_sounds(kit: Kit, folder: Path, tmp_path: Path) -> None:
    again = made(tmp_path, {"variations": 0, "shots": 0}, seed=0)
    with zipfile.ZipFile(again.path) as archive, archive.open(f"{STEM}/loops/{STEM}_bed.wav") as file:
        twice, _ = sf.read(file)
    assert np.array_equal(twice, sf.read(folder / files(kit, "bed")[0]["file"])[0])


def test_a_kit_of_twins_at_48_khz_has_two_channels_at_that_rate(tmp_path: Path) -> None:
    twin = made(tmp_path, {"variations": 0, "states": "none", "shots": 0}, stereo="twin", bandwidth="48k")
    with zipfile.ZipFile(twin.path) as archive, archive.open(f"{STEM}/loops/{STEM}_bed.wav") as file:
        samples, rate = sf.read(file)
    assert (samples.shape[1], rate) == (2, 48_000)
    assert len(samples) == files(twin, "bed")[0]["samples"]


def test_a_wide_kit_at_another_rate_and_loudness(tmp_path: Path) -> None:
    plan = {"variations": 0, "shots": 0, "rate": 48000, "lufs": -30}
    wide = made(tmp_path, plan, stereo="wide")
    with zipfile.ZipFile(wide.path) as archive, archive.open(f"{STEM}/loops/{STEM}_bed.wav") as file:
        sound, rate = sf.read(file)
    assert (sound.shape, rate) == ((122880, 2), 48000)
    assert not np.array_equal(sound[:, 0], sound[:, 1])
    assert files(wide, "bed")[0]["lufs"] == pytest.approx(-30, abs=0.1)
    steps = np.abs(np.diff(sound, axis=0, append=sound[:1]))
    assert steps[-1].max() <= 1.01 * steps[:-1].max()  # the end leads to the beginning


class Hits(FakeBackend):
    """A model whose sound is silent but for two hits, the second of which goes round."""

    def decode(self, latents: Any) -> np.ndarray:
        sound = np.zeros(latents.shape[2] * self.geometry.hop_samples, np.float32)
        draws = np.random.default_rng(7)
        for at in (0.9, 2.46):
            for turn in (at - 2.56, at, at + 2.56):
                start = round(16000 * (turn + 32 * 0.04))
                hit = 0.2 * draws.standard_normal(4000) * np.exp(-np.arange(4000) / 500)
                if start >= 0:
                    sound[start : start + 4000] += hit[: max(0, len(sound) - start)]
            draws = np.random.default_rng(7)
        return sound + 1e-4 * np.sin(np.arange(len(sound))).astype(np.float32)


def test_one_shots_are_cut_where_there_are_events(tmp_path: Path) -> None:
    backend = Hits()
    plan = {"variations": 0, "states": "none", "shots": 5}
    kit = made(tmp_path, plan, lease=lambda choice: nullcontext(backend))
    shots = files(kit, "one-shot")
    assert len(shots) == 2
    assert shots[1]["cut_from"]["end"] > 40960  # which goes round
    with zipfile.ZipFile(kit.path) as archive:
        for one in shots:
            with archive.open(f"{STEM}/{one['file']}") as file:
                sound, _ = sf.read(file)
            assert len(sound) == one["samples"] == one["cut_from"]["end"] - one["cut_from"]["start"]
            assert sound[0] == sound[-1] == 0
            assert 0.1 < np.abs(sound).max() < 0.9
            assert np.abs(sound[one["onset"] :][:200]).max() > 0.05
            assert one["loop"] is None


def test_no_events_are_told_of(kit: Kit) -> None:
    assert not files(kit, "one-shot")
    assert any("No one-shots" in note for note in kit.notes)


@pytest.mark.parametrize(
    "when", ["Making the bed", "Making variation 1", "Making the light state", "Drawing the spectrograms"]
)
def test_stopped_at_any_moment_it_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    work, out = tmp_path / "work", tmp_path / "out"
    work.mkdir()
    out.mkdir()
    monkeypatch.setattr(scratch.tempfile, "gettempdir", lambda: str(work))
    cancel, shares = CancelToken(), []

    def tell(stage: Stage) -> None:
        shares.append(stage.share)
        if stage.said == when:
            cancel.set("Stopped.")

    with pytest.raises(CancelledError):
        made(out, cancel=cancel, tell=tell)
    assert shares == sorted(shares)
    assert list(out.iterdir()) == list(work.iterdir()) == []


def test_an_older_kit_stays_where_a_new_one_fails(tmp_path: Path) -> None:
    (tmp_path / "kit.zip").write_bytes(b"old")

    @contextmanager
    def broken(choice: ModelChoice) -> Iterator[Any]:
        raise OutOfResourcesError("There is no memory left: choose a smaller model.")
        yield

    with pytest.raises(OutOfResourcesError):
        made(tmp_path, lease=broken)
    assert (tmp_path / "kit.zip").read_bytes() == b"old"
    assert [path.name for path in tmp_path.iterdir()] == ["kit.zip"]


def test_a_full_disk_is_one_sentence(small_disk: Path) -> None:
    (small_disk / "ballast").write_bytes(bytes(1_900_000))
    with pytest.raises(OutOfResourcesError, match="is full"):
        made(small_disk, {"variations": 0, "shots": 0})
    assert [path.name for path in small_disk.iterdir()] == ["ballast"]


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"duration_s": 1.0}, "2.5 to 120 s"),
        ({"duration_s": 121.0}, "2.5 to 120 s"),
        ({"sampler": {"kind": "clip", "method": "ddpm"}}, "by DDIM"),
    ],
)
def test_what_no_kit_can_be_made_of(tmp_path: Path, values: dict[str, Any], sentence: str) -> None:
    with pytest.raises(InvalidRequestError, match=sentence):
        made(tmp_path, **values)
    assert list(tmp_path.iterdir()) == []
