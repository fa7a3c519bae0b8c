"""`longwave mix`, and the same in Python: a file, its stems, one sentence for a mistake."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import soundfile as sf

import studio
from studio.testing import FakeBackend
from tests.test_cli import longwave, one_sentence

HUM = {"prompt": "hum", "duration_s": 0.5, "seed": 1, "model": {"id": "tone", "device": "cpu"}}


def scene(folder: Path, **more: object) -> Path:
    path = folder / "scene.json"
    values = {
        "kind": "scene",
        "name": "Hums",
        "layers": [{"request": HUM, "loop": True}],
        "length_s": 2,
        **more,
    }
    path.write_text(json.dumps(values))
    return path


def test_a_mix_and_its_stems_and_the_same_again_of_the_mix(tmp_path: Path) -> None:
    out = tmp_path / "mix.wav"
    words = ("--out", out, "--stems", tmp_path / "stems.zip", "--lufs", -16, "--bits", 24, "--rate", 48)
    result = longwave("mix", scene(tmp_path), *words, "--outputs", tmp_path / "out", "--json")
    assert result.exit_code == 0, result.output
    told = json.loads(result.stdout)
    assert (told["file"], told["seconds"], told["stems"]) == (str(out), 2.0, str(tmp_path / "stems.zip"))
    assert told["lufs"] == pytest.approx(-16, abs=0.3)
    about = sf.info(out)
    assert (about.samplerate, about.subtype, about.channels) == (48000, "PCM_24", 2)
    again = longwave("mix", out, "--out", tmp_path / "again.flac", "--outputs", tmp_path / "out")
    assert again.stdout.strip() == str(tmp_path / "again.flac")
    takes = list((tmp_path / "out").rglob("*.flac"))
    assert len(takes) == 1, "the take that it is of was there already"


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("nobody",), "There is no scene 'nobody': choose one of"),
        (("missing.json",), "Can't read the scene missing.json"),
        (("scene.json", "--lufs", 3), "--lufs: must be a number from -60 to 0"),
        (("scene.json", "--bits", 12), "--bits:"),
        (("scene.json", "--out", "mix.aac"), "end the name in"),
        (("scene.json", "--stems", "stems.wav"), "Stems come as a ZIP"),
        (("gone.json",), "Layer 1: its take 'a/b' is not in the Library any more"),
    ],
)
def test_what_is_wrong_is_one_sentence(
    words: tuple[object, ...], sentence: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    scene(tmp_path)
    (tmp_path / "gone.json").write_text(json.dumps({"layers": [{"take": "a/b"}]}))
    assert sentence in one_sentence(longwave("mix", *words))


def test_in_python(tmp_path: Path) -> None:
    with studio.Session(create_backend=lambda choice: FakeBackend()) as session:
        rain = session.generate("rain", duration_s=1.0, seed=1, bandwidth="16k").save(tmp_path / "rain.wav")
        layers = [
            {"take": str(rain), "pan": -0.5},
            {"request": {**HUM, "duration_s": 1.0, "bandwidth": "16k"}, "offset_s": 0.5},
        ]
        made = session.mix({"layers": layers}, tmp_path / "mix.flac", stems=tmp_path / "stems.zip", lufs=-20)
        assert made.duration_s == 1.5
        assert made.scene.layers[1].take == str(tmp_path / "mix_layer_1.wav")
        assert studio.load_scene(tmp_path / "mix.flac") == made.scene
        with pytest.raises(studio.InvalidRequestError, match="Layer 1: its gain"):
            session.mix({"layers": [{"take": str(rain), "gain_db": 99}]}, tmp_path / "a.wav")
