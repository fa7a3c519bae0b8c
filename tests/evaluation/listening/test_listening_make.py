"""A made test: what is in the folder, what is not, at which loudness, and what is refused."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile as sf

from studio.core.errors import InvalidRequestError
from studio.evaluation.listening import make
from studio.evaluation.listening.answers import read_key
from studio.evaluation.listening.design import Order
from studio.evaluation.listening.make import make_test
from studio.evaluation.listening.sounds import CEILING_DBTP, measure
from tests.listening import RATE, TEXTS, small_test, write_systems


def page_test(folder: Path) -> dict[str, Any]:
    text = (folder / "test.js").read_text()
    return json.loads(text.removeprefix("window.longwaveTest = ").rstrip(";\n"))


def test_the_folder_is_whole_and_the_key_lies_beside_it(tmp_path: Path) -> None:
    made, key = small_test(tmp_path, "ovl-rel", "one", "two", "three", raters=6)
    out = tmp_path / "test"
    assert made.page == out / "index.html"
    assert made.key == tmp_path / "test-key.json"
    assert not list(out.rglob("*key*"))
    assert not [path for path in tmp_path.iterdir() if path.name.endswith(".part")]
    page = made.page.read_text()
    for name in re.findall(r'(?:src|href)="([^":]+)"', page):
        assert (out / name).is_file(), name
    told = page_test(out)
    assert told["test"] == made.test == key.test
    assert {name for name, *_ in told["sounds"]} == {path.stem for path in (out / "sound").iterdir()}
    assert set(key.sounds) == {name for name, *_ in told["sounds"]}
    assert (made.trials, len(key.orders)) == (4 * 3 + 5, 6)
    named = [[[told["sounds"][sound][0] for sound in trial] for trial in order] for order in told["orders"]]
    assert named == [[list(trial.sounds) for trial in order] for order in key.orders]
    for name, text, _ in told["sounds"]:
        assert told["texts"][text] == key.items[key.sounds[name].item].text


def test_nothing_in_the_folder_tells_which_file_is_which(tmp_path: Path) -> None:
    folders = write_systems(tmp_path, "audioldm", "infinite")
    for folder in folders:
        with sf.SoundFile(folder / "clip0.flac", "w", RATE, 1, format="FLAC") as tagged:
            tagged.comment, tagged.title = folder.name, folder.name
            tagged.write(np.random.default_rng(0).normal(0, 0.1, RATE))
        (folder / "clip0.wav").unlink()
    make_test(Order(tuple(folders), "ovl-rel", tmp_path / "test", captions=tmp_path / "captions.csv"))
    for path in (tmp_path / "test").rglob("*"):
        content = path.read_bytes() if path.is_file() else b""
        assert not re.search(rb"audioldm|infinite|clip\d|repeat\W*:|tolerance", content), path
    assert all(
        re.fullmatch(r"[0-9a-f]{12}\.flac", path.name) for path in (tmp_path / "test" / "sound").iterdir()
    )
    for path in (tmp_path / "test" / "sound").iterdir():
        with sf.SoundFile(path) as sound:
            assert not any(sound.copy_metadata().values())


def test_names_and_orders_follow_from_the_seed_and_a_drawn_seed_is_in_the_key(tmp_path: Path) -> None:
    folders = tuple(write_systems(tmp_path, "one", "two"))
    keys = []
    for name, seed in (("a", 3), ("b", 3), ("c", None), ("d", None)):
        made = make_test(Order(folders, "abx", tmp_path / name, seed=seed, raters=3))
        keys.append(read_key(made.key))
    assert keys[0].sounds == keys[1].sounds
    assert keys[0].orders == keys[1].orders
    assert keys[0].test == keys[1].test
    assert len({key.test for key in keys}) == 3
    assert keys[2].seed != keys[3].seed


def test_all_versions_of_a_sound_come_to_one_loudness(tmp_path: Path) -> None:
    folders = write_systems(tmp_path, "one", "two", items=2)
    spiky = np.random.default_rng(0).normal(0, 0.001, RATE)
    spiky[500] = 0.9
    sf.write(folders[1] / "clip1.wav", spiky, RATE)
    made = make_test(Order(tuple(folders), "abx", tmp_path / "test", raters=1))
    key = read_key(made.key)
    for name, sound in key.sounds.items():
        measured = measure(tmp_path / "test" / "sound" / f"{name}.flac")
        assert measured.lufs == pytest.approx(key.items[sound.item].lufs, abs=0.05)
        assert measured.true_peak_dbtp <= CEILING_DBTP + 0.05
    assert key.items[0].lufs == -23
    assert key.items[1].lufs is not None
    assert key.items[1].lufs < -25
    assert any("1 of 2 sounds have peaks" in note for note in made.notes)


def test_sounds_stay_as_they_are_where_that_is_asked_for_or_there_is_nothing_to_level(tmp_path: Path) -> None:
    folders = write_systems(tmp_path, "one", "two", items=2)
    sf.write(folders[0] / "clip0.wav", np.zeros(RATE), RATE)
    order = Order(tuple(folders), "abx", tmp_path / "test", lufs=None, raters=1)
    key = read_key(make_test(order).key)
    for name, sound in key.sounds.items():
        copied, _ = sf.read(tmp_path / "test" / "sound" / f"{name}.flac")
        original, _ = sf.read(folders[sound.system] / f"{key.items[sound.item].name}.wav")
        np.testing.assert_allclose(copied, original, atol=2 / 32768)
    levelled = make_test(Order(tuple(folders), "abx", tmp_path / "levelled", raters=1))
    assert any("1 sounds are silent" in note and "clip0.wav" in note for note in levelled.notes)


def test_files_of_one_name_are_one_item_whatever_their_kind_and_others_are_left_out(tmp_path: Path) -> None:
    one, two = write_systems(tmp_path, "one", "two")
    sf.write(two / "clip0.flac", np.full((RATE, 2), 0.1), 2 * RATE)
    (two / "clip0.wav").unlink()
    (two / "clip3.wav").unlink()
    (one / "notes.txt").write_text("no sound")
    made = make_test(Order((one, two), "ovl-rel", tmp_path / "test", captions=tmp_path / "captions.csv"))
    assert [item.name for item in read_key(made.key).items] == ["clip0", "clip1", "clip2"]
    assert "1 sounds are not in every folder and are left out, clip3 for one." in made.notes


def test_a_reference_is_hidden_among_the_others_and_known_to_the_key(tmp_path: Path) -> None:
    (real,) = write_systems(tmp_path, "real")
    folders = write_systems(tmp_path, "one", "two")
    order = Order(
        tuple(folders), "ovl-rel", tmp_path / "test", captions=tmp_path / "captions.csv", reference=real
    )
    key = read_key(make_test(order).key)
    assert (key.systems, key.reference) == (("one", "two", "real"), 2)
    heard = Counter(key.place(trial.sounds[0])[1] for trial in key.orders[0] if not trial.repeat)
    assert heard == {0: 4, 1: 4, 2: 4}


def test_in_abx_all_are_held_to_the_reference_and_x_has_a_file_of_its_own(tmp_path: Path) -> None:
    (real,) = write_systems(tmp_path, "real")
    folders = write_systems(tmp_path, "one", "two")
    made = make_test(Order(tuple(folders), "abx", tmp_path / "test", reference=real, raters=4))
    key = read_key(made.key)
    for order in key.orders:
        trials = [trial for trial in order if not trial.catch]
        assert len(trials) == 4 * 2
        assert len(order) == len(trials) + 5
        for trial in order:
            assert len(set(trial.sounds)) == 3
            a, b, x = (key.place(sound) for sound in trial.sounds)
            assert x == (b if trial.x_is_b else a) != (a if trial.x_is_b else b)
            assert trial.catch or 2 in (a[1], b[1])


def test_a_single_folder_and_ten_are_enough_and_not_too_many(tmp_path: Path) -> None:
    made, key = small_test(tmp_path / "a", "ogl-rel-aq", "alone", items=8, raters=2)
    assert made.trials == 8 + 4
    _, key = small_test(tmp_path / "b", "ogl-rel-aq", *map(str, range(10)), items=1, raters=2)
    assert len(key.systems) == 10


def test_prompts_of_takes_are_read_where_no_captions_are_given(tmp_path: Path) -> None:
    one, two = write_systems(tmp_path, "one", "two", items=1)
    (two / "clip0.json").write_text(json.dumps({"name": "a take", "settings": {"prompt": "rain"}}))
    key = read_key(make_test(Order((one, two), "ovl-rel", tmp_path / "test")).key)
    assert key.items[0].text == "rain"


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv", "file,text\nclip0.wav,\"rain, tin\"\nclip0.wav,other\nclip1,a dog\n"),
        ("a.jsonl", '{"file": "clip0.wav", "caption": "rain, tin"}\n\n{"id": "clip1", "prompt": "a dog"}'),
        ("a.csv", "\ufeffaudiocap_id,start_time,caption\nclip0,1,\"rain, tin\"\nclip1,2,a dog\n"),
    ],
)  # fmt: skip
def test_captions_are_read_from_tables_and_lines(tmp_path: Path, name: str, content: str) -> None:
    folders = write_systems(tmp_path, "one", items=2)
    (tmp_path / name).write_text(content, encoding="utf-8")
    made = make_test(Order(tuple(folders), "ovl-rel", tmp_path / "test", captions=tmp_path / name))
    assert [item.text for item in read_key(made.key).items] == ["rain, tin", "a dog"]


def refused(tmp_path: Path, folders: list[Path], kind: str = "ovl-rel", **more: Any) -> str:
    more.setdefault("captions", tmp_path / "captions.csv")
    before = set(tmp_path.rglob("*"))
    with pytest.raises(InvalidRequestError) as caught:
        make_test(Order(tuple(folders), kind, more.pop("out", tmp_path / "test"), **more))  # type: ignore[arg-type]
    assert set(tmp_path.rglob("*")) == before
    return str(caught.value)


def test_what_can_not_be_made_is_refused_in_a_sentence_and_leaves_nothing(tmp_path: Path) -> None:
    one, two = write_systems(tmp_path, "one", "two")
    empty = tmp_path / "empty"
    empty.mkdir()
    assert "no folder" in refused(tmp_path, [one, tmp_path / "none"])
    assert "holds no sound files" in refused(tmp_path, [one, empty])
    assert "given twice" in refused(tmp_path, [one, one])
    assert "ABX compares two" in refused(tmp_path, [one], "abx")
    assert "--raters" in refused(tmp_path, [one, two], raters=0)
    assert "lies in" in refused(tmp_path, [one, two], out=one / "test")
    assert "there already" in refused(tmp_path, [one], out=two)
    assert "Give 1 to 10 folders" in refused(tmp_path, [one] * 11)
    (tmp_path / "more.csv").write_text("name,caption\nclip0,rain\n")
    assert "“clip1” has none" in refused(tmp_path, [one, two], captions=tmp_path / "more.csv")
    (tmp_path / "more.csv").write_text("title,words\nclip0,rain\n")
    assert "more.csv holds no captions" in refused(tmp_path, [one, two], captions=tmp_path / "more.csv")
    (tmp_path / "more.jsonl").write_text("[" * 100_000)
    assert "more.jsonl can't be read as captions" in refused(
        tmp_path, [one, two], captions=tmp_path / "more.jsonl"
    )
    (one / "clip1.wav").write_bytes(b"RIFF no sound at all")
    assert "Can't read" in refused(tmp_path, [one, two])
    sf.write(one / "clip1.wav", np.zeros((RATE, 4)), RATE)
    assert "4 channels" in refused(tmp_path, [one, two])
    sf.write(one / "clip1.wav", np.full(RATE, np.nan), RATE, subtype="FLOAT")
    assert "numbers that are no sound" in refused(tmp_path, [one, two])
    sf.write(one / "clip1.wav", np.zeros(0), RATE)
    assert "holds no sound" in refused(tmp_path, [one, two])
    sf.write(one / "clip1.flac", np.zeros(RATE), RATE)
    assert "more than one “clip1”" in refused(tmp_path, [one, two])
    for path in two.iterdir():
        path.rename(path.with_name(f"other-{path.name}"))
    (one / "clip1.flac").unlink()
    assert "No sound is in all" in refused(tmp_path, [one, two])


def test_sounds_that_are_too_long_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folders = write_systems(tmp_path, "one", items=1)
    monkeypatch.setattr("studio.evaluation.listening.sounds.MAX_SOUND_S", 0.5)
    assert "longer than" in refused(tmp_path, folders)


def test_a_key_is_never_overwritten(tmp_path: Path) -> None:
    folders = write_systems(tmp_path, "one")
    (tmp_path / "test-key.json").write_text("of an earlier test")
    assert "the key of an earlier test" in refused(tmp_path, folders)


def test_a_disk_that_fails_leaves_neither_folder_nor_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*paths: object) -> None:
        raise OSError(28, "No space left on device")

    folders = write_systems(tmp_path, "one")
    before = set(tmp_path.rglob("*"))
    monkeypatch.setattr(make.os, "rename", fail)
    from studio.core.errors import OutOfResourcesError

    with pytest.raises(OutOfResourcesError):
        make_test(Order(tuple(folders), "ovl-rel", tmp_path / "test", captions=tmp_path / "captions.csv"))
    assert set(tmp_path.rglob("*")) == before


def test_items_can_be_drawn(tmp_path: Path) -> None:
    _, key = small_test(tmp_path, items=8, count=3)
    assert len(key.items) == 3
    assert {item.text for item in key.items} < set(TEXTS)
