"""Training a DC-LDM from a manifest: what it sees, how it resumes, how it spreads over processes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import soundfile as sf
import torch
from safetensors.torch import load_file

from studio.backends.latent import SoundNetworks
from studio.backends.systems import dcldm, ldm_ag
from studio.core.errors import InvalidRequestError, OutOfResourcesError, WeightsError
from studio.dsp.mel import CENTRED, SEAMLESS, log_mel
from studio.modules.acoustic_context import AcousticContext
from studio.pipeline.drafts import AcousticModelPool, Drafts
from studio.samplers.schedule import NoiseSchedule
from studio.service.batch.claims import ATTEMPTS, Claims
from studio.training import dcldm as recipe
from studio.training import encoded
from studio.training.audio import Preparation, as_tango, read_sound
from studio.training.encoded import EncodedClips, encode_clips, require_all
from studio.training.log import TrainingLog
from studio.training.manifest import read_manifest
from studio.training.noising import snr_weight
from studio.training.options import DcLdmOptions
from studio.training.run import _encode, _open, acoustic_of, run
from tests.backends.conftest import make_tango
from tests.pipeline.drafting_fakes import FakeDrafter
from tests.waiting import until

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
KEPT = Preparation("kept", 0.64)
WORDS = ("heavy rain", "light wind", "near birds", "slow drums", "a bell")


@pytest.fixture(scope="module")
def tango(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tango(tmp_path_factory.mktemp("dcldm") / "tango")


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sounds")
    rng, lines = np.random.default_rng(0), []
    for number, words in enumerate(WORDS):
        rate = (16000, 44100)[number % 2]
        sf.write(folder / f"{number}.wav", 0.1 * rng.normal(size=(rate, 1 + number % 2)), rate)
        lines.append(json.dumps({"audio": f"{number}.wav", "caption": words}))
    (folder / "train.jsonl").write_text("\n".join(lines) + "\n\n")
    return folder / "train.jsonl"


def options(folder: Path, **values: Any) -> DcLdmOptions:
    start = {"batch": 2, "learning_rate": 1e-3, "save_every": 2, "log_every": 1}
    return DcLdmOptions(**{"run_dir": folder / "run", "steps": 4, **start, **values})


def train(
    manifest: Path,
    tango: Path,
    folder: Path,
    encoding: str = "AG",
    seconds: float | None = 0.64,
    preparation: str | None = None,
    placement: str = "down1+up1",
    **values: Any,
) -> Path:
    wanted = options(folder, **values)
    run(
        read_manifest(manifest),
        tango,
        lambda: FakeDrafter("fake"),
        folder / "out",
        wanted,
        seconds=seconds,
        encoding=encoding,
        preparation=preparation,
        placement=placement,
    )
    return folder / "out"


def weights(folder: Path, hearing: str = "acoustic_branch") -> dict[str, torch.Tensor]:
    names = ("unet", hearing)
    parts = (load_file(folder / name / "diffusion_pytorch_model.safetensors") for name in names)
    return {
        f"{name}.{key}": value for name, part in zip(names, parts, strict=True) for key, value in part.items()
    }


@pytest.mark.parametrize("encoding", ["AG", "AG_VAE"])
def test_a_run_resumes_to_the_exact_step_and_its_folder_opens(
    manifest: Path, tango: Path, tmp_path: Path, encoding: str
) -> None:
    whole = weights(train(manifest, tango, tmp_path / "a", encoding, accumulate=2))
    for _ in range(5):
        resumed = train(manifest, tango, tmp_path / "b", encoding, accumulate=2, max_minutes=0)
    for name, value in weights(resumed).items():
        torch.testing.assert_close(value, whole[name], msg=name)
    log = [json.loads(line) for line in (tmp_path / "b" / "run" / "log.jsonl").read_text().splitlines()]
    assert [line["step"] for line in log] == [1, 2, 3, 4]
    assert log[0]["learning_rate"] > log[-1]["learning_rate"] > 0
    began = load_file(tango / "unet" / "diffusion_pytorch_model.safetensors")
    assert any((whole[f"unet.{name}"] != value).any() for name, value in began.items())
    backend = dcldm.load(resumed, "cpu", "float32")
    assert backend.encoding == encoding
    assert backend.encode_text(["rain"]).text[0].states.shape[-1] == 24
    backend.unload()


@pytest.mark.parametrize("encoding", ["AG", "AG_VAE"])
def test_the_draft_in_the_texts_place_trains_resumes_and_opens(
    manifest: Path, tango: Path, tmp_path: Path, encoding: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The paper's LDM w/ AG and w/ AG+VAE: U-Net and projection learn, and no text is read."""
    monkeypatch.setattr("studio.training.run.text_reader", lambda *_: pytest.fail("reads no text"))
    how: dict[str, Any] = {"placement": "context", "encoding": encoding, "sample_every": 2, "steps": 2}
    whole = weights(train(manifest, tango, tmp_path / "a", **how), "acoustic_context")
    for _ in range(2):
        resumed = train(manifest, tango, tmp_path / "b", max_minutes=0, **how)
    for name, value in weights(resumed, "acoustic_context").items():
        torch.testing.assert_close(value, whole[name], msg=name)
    torch.manual_seed(0)
    fresh = AcousticContext(24).state_dict()
    assert all((whole[f"acoustic_context.{name}"] != value).any() for name, value in fresh.items())
    began = load_file(tango / "unet" / "diffusion_pytorch_model.safetensors")
    assert any((whole[f"unet.{name}"] != value).any() for name, value in began.items())
    assert {path.name for path in resumed.iterdir()} == {
        "unet", "acoustic_context", "vae", "vocoder", "scheduler", "model_index.json", "training.json",
    }  # fmt: skip
    assert len(list((tmp_path / "a" / "run" / "samples").rglob("*.wav"))) == 2
    backend = ldm_ag.load(resumed, "cpu", "float32")
    assert backend.encoding == encoding
    backend.unload()
    monkeypatch.undo()
    with pytest.raises(InvalidRequestError, match="begun with other placement"):
        train(manifest, tango, tmp_path / "b", encoding=encoding)


def test_a_killed_run_goes_on_from_what_it_saved(
    manifest: Path, tango: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It dies after a step that is in its log, and not in its file: this comes again, and is told once."""
    whole = weights(train(manifest, tango, tmp_path / "a"))
    step, draw, drawn = recipe._Run._one_step, recipe.step_generator, []

    def die(self: Any, rate: float) -> float:
        if self.step == 3:
            raise KeyboardInterrupt
        return step(self, rate)

    def note(seed: int, place: int) -> torch.Generator:
        drawn.append(place)
        return draw(seed, place)

    monkeypatch.setattr(recipe._Run, "_one_step", die)
    with pytest.raises(KeyboardInterrupt):
        train(manifest, tango, tmp_path / "b")
    log = tmp_path / "b" / "run" / "log.jsonl"
    assert [json.loads(line)["step"] for line in log.read_text().splitlines()] == [1, 2, 3]
    with open(log, "a") as file:
        file.write('{"step": 4, "los')
    monkeypatch.setattr(recipe._Run, "_one_step", step)
    monkeypatch.setattr(recipe, "step_generator", note)
    resumed = weights(train(manifest, tango, tmp_path / "b"))
    assert drawn == [2, 3]
    assert [json.loads(line)["step"] for line in log.read_text().splitlines()] == [1, 2, 3, 4]
    for name, value in resumed.items():
        torch.testing.assert_close(value, whole[name], msg=name)


def test_tensorboard_forgets_the_steps_that_come_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[tuple[str, int]] = []
    module = ModuleType("torch.utils.tensorboard")
    module.SummaryWriter = lambda folder, purge_step: made.append((folder, purge_step))  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, module.__name__, module)
    TrainingLog(tmp_path, 200)
    assert made == [(str(tmp_path / "tensorboard"), 201)]


def test_the_empty_text_is_the_one_that_ships_with_the_drafter(
    manifest: Path, tango: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Takes hear it too, round and round."""
    drafter, heard = FakeDrafter(unconditional=np.arange(40, dtype=np.int16).reshape(4, 10)), []
    monkeypatch.setattr("studio.training.run.train_dcldm", lambda *given, **_: heard.append(given[3]))
    with pytest.raises(TypeError):  # what trains is away, and gave no networks
        run(read_manifest(manifest), tango, lambda: drafter, tmp_path, options(tmp_path), seconds=0.64)
    expected = Drafts(AcousticModelPool(lambda *_: drafter, lambda *_: None), tmp_path).unconditional(
        "fake", 0.64, "cpu"
    )
    assert torch.equal(heard[0], expected.latents[0])
    assert len(heard[0]) == 32
    assert [prompt for prompt, *_ in drafter.asked] == list(WORDS)


@pytest.mark.parametrize("encoding", ["AG", "AG_VAE"])
def test_captions_are_drafted_many_at_once(
    manifest: Path, tango: Path, monkeypatch: pytest.MonkeyPatch, encoding: str
) -> None:
    drafter, asked = FakeDrafter(), []
    many, parts = drafter.draft_many, _open(tango, "cpu")
    sound = SoundNetworks(parts["vae"], parts["vocoder"])

    def note(prompts: Sequence[str], *given: Any, **named: Any) -> np.ndarray:
        asked.append(len(prompts))
        return many(prompts, *given, **named)

    monkeypatch.setattr(drafter, "draft_many", note)
    entries = read_manifest(manifest) * 4
    latents, acoustic = _encode(entries, sound, drafter, encoding, KEPT)
    assert asked == [16, 4]
    assert len(latents) == len(acoustic) == 20
    alone = acoustic_of(sound, drafter.draft(entries[17].caption, 0.64, seed=0), encoding, KEPT.mel_padding)
    torch.testing.assert_close(acoustic[17:18], alone)


def trained_as(folder: Path) -> dict[str, Any]:
    """What a folder's files tell of how its clips were prepared."""
    told = json.loads((folder / "training.json").read_text())
    padding = json.loads((folder / "model_index.json").read_text())["_mel_padding"]
    return {"preparation": told["preparation"], "seconds": told["seconds"], "padding": padding}


def clips_in(folder: Path) -> list[dict[str, Any]]:
    """What a run's encoded clips were made of."""
    return [json.loads(file.read_text()) for file in sorted((folder / "run" / "clips").glob("*/about.json"))]


def test_a_clip_is_prepared_as_tango_does(tmp_path: Path, tango: Path) -> None:
    """The mean off what there is of it, the peak at a half, silence behind it: 10.24 s, 256 latents."""
    rng = np.random.default_rng(0)
    loud = (0.2 + 0.05 * rng.normal(size=32000)).astype(np.float32)
    sf.write(tmp_path / "a.wav", loud, 16000, subtype="FLOAT")
    (tmp_path / "m.jsonl").write_text('{"audio": "a.wav", "caption": "rain"}')
    prepared = Preparation.named("tango", None, CENTRED)
    parts = _open(tango, "cpu")
    sound = SoundNetworks(parts["vae"], parts["vocoder"])
    latents, _ = _encode(read_manifest(tmp_path / "m.jsonl"), sound, FakeDrafter(), "AG", prepared)
    assert latents.shape[2] == 256
    wanted = np.zeros(163_840)
    wanted[:32000] = loud.astype(np.float64) - loud.mean(dtype=np.float64)
    wanted *= 0.5 / np.abs(wanted).max()
    made = prepared.read(tmp_path / "a.wav", 163_840, 16000)
    np.testing.assert_allclose(made, wanted, atol=1e-7)
    mel = log_mel(torch.from_numpy(wanted.astype(np.float32)), CENTRED)[None]
    torch.testing.assert_close(latents, sound.encode_mel(mel).cpu(), atol=1e-4, rtol=1e-4)
    kept = Preparation.named("kept", None, CENTRED)
    assert (kept.seconds, kept.mel_padding) == (10.0, SEAMLESS)
    np.testing.assert_array_equal(kept.read(tmp_path / "a.wav", 32000, 16000), loud)


def test_what_is_silent_stays_silent() -> None:
    for silent in (np.zeros(100), np.full(100, 0.1), np.zeros(0)):
        assert not as_tango(silent.astype(np.float32)).any()


def test_a_new_run_is_prepared_as_tango_and_says_so(manifest: Path, tango: Path, tmp_path: Path) -> None:
    out = train(manifest, tango, tmp_path, steps=1)
    assert trained_as(out) == {"preparation": "tango", "seconds": 0.64, "padding": CENTRED}
    [about] = clips_in(tmp_path)
    assert (about["preparation"], about["mel_padding"]) == ("tango", CENTRED)
    train(manifest, tango, tmp_path, steps=2)
    assert len(clips_in(tmp_path)) == 1, "it goes on with the same clips"
    kept = train(manifest, tango, tmp_path / "kept", steps=1, preparation="kept")
    assert trained_as(kept) == {"preparation": "kept", "seconds": 0.64, "padding": SEAMLESS}
    with pytest.raises(InvalidRequestError, match="no preparation 'loud': choose tango or kept"):
        train(manifest, tango, tmp_path / "loud", preparation="loud")


@pytest.mark.parametrize("left", ["its folder", "its clips"])
def test_a_run_of_before_goes_on_as_it_was(manifest: Path, tango: Path, tmp_path: Path, left: str) -> None:
    """Its training.json knows no preparation, or it was killed before there was one."""
    out = train(manifest, tango, tmp_path, steps=2, preparation="kept", max_minutes=0)
    [about] = clips_in(tmp_path)
    assert list(about) == ["init", "audiogen", "encoding", "seconds", "files", "captions"], "as ever"
    if left == "its folder":
        told = json.loads((out / "training.json").read_text())
        del told["preparation"], told["seconds"]
        (out / "training.json").write_text(json.dumps(told))
    else:
        (out / "training.json").unlink()
    out = train(manifest, tango, tmp_path, steps=2)
    assert trained_as(out)["preparation"] == "kept"
    assert clips_in(tmp_path) == [about]
    assert torch.load(tmp_path / "run" / "last.pt", weights_only=True)["step"] == 2


def test_the_branch_alone_leaves_the_unet(manifest: Path, tango: Path, tmp_path: Path) -> None:
    trained = weights(train(manifest, tango, tmp_path, train_unet=False))
    for name, value in load_file(tango / "unet" / "diffusion_pytorch_model.safetensors").items():
        torch.testing.assert_close(trained[f"unet.{name}"], value, rtol=0, atol=0)
    projections = [
        value for name, value in trained.items() if ".proj_out.weight" in name and "branch" in name
    ]
    assert projections
    assert all(value.abs().max() > 0 for value in projections)


def test_ramps_checkpointing_samples_and_crops(manifest: Path, tango: Path, tmp_path: Path) -> None:
    train(
        manifest, tango, tmp_path, seconds=2.56,
        ramp_every=2, checkpointing=True, sample_every=3, frames=48, steps=3,
    )  # fmt: skip
    made = sorted(path.name for path in (tmp_path / "run" / "samples" / "0000003").iterdir())
    assert made == ["0.wav", "1.wav"]
    assert sf.info(tmp_path / "run" / "samples" / "0000003" / "0.wav").frames == 64 * 640


def in_two_processes(manifest: Path, tango: Path, folder: Path, before: str = "", **values: Any) -> Path:
    """As `train`, in `folder / "two"`, after some lines of Python that know their `rank`."""
    script = folder / "two.py"
    script.write_text(
        "import os\n"
        "from pathlib import Path\n"
        "from studio.training import dcldm, run as dcldm_run\n"
        "from tests.training.test_dcldm_recipe import train\n"
        f"rank = int(os.environ['RANK'])\n{before}\n"
        f"train(Path({str(manifest)!r}), Path({str(tango)!r}), Path({str(folder / 'two')!r}), **{values!r})\n"
    )
    subprocess.run(
        [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2", str(script)],
        check=True, timeout=300, cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1", "ACCELERATE_USE_CPU": "true", "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    return folder / "two" / "out"


@pytest.mark.slow
def test_machines_whose_clocks_and_copies_differ_go_together(
    manifest: Path, tango: Path, tmp_path: Path
) -> None:
    in_two_processes(
        manifest,
        tango,
        tmp_path,
        "dcldm_run._stamp = lambda file: [rank, file.name]\n"
        "clock = dcldm.time.monotonic\n"
        "class time: monotonic = staticmethod(lambda: clock() * (1 + rank * 1e6))\n"
        "dcldm.time = time\n",
        max_minutes=60,
    )
    assert torch.load(tmp_path / "two" / "run" / "last.pt", weights_only=True)["step"] == 1
    assert len(list((tmp_path / "two" / "run" / "clips").iterdir())) == 1


@pytest.mark.slow
def test_two_processes_do_what_one_does_in_two_micro_steps(
    manifest: Path, tango: Path, tmp_path: Path
) -> None:
    one = weights(train(manifest, tango, tmp_path / "one", accumulate=2))
    two = weights(in_two_processes(manifest, tango, tmp_path))
    # AdamW makes much of rounding where gradients are tiny; of other clips the mean would be near 1e-3.
    far = torch.cat([(two[name] - value).abs().flatten() for name, value in one.items()])
    assert float(far.mean()) < 5e-5


def test_conditions_are_dropped_as_guidance_needs_them(tmp_path: Path) -> None:
    """Text alone, acoustics alone, both: a twentieth of the clips each."""
    latents, acoustic = torch.zeros(1, 8, 16, 16), torch.ones(1, 4, 128)
    clips = encode_clips(tmp_path / "c", [["rain"]], {}, lambda _: (latents, acoustic))
    draws = recipe._Run.__new__(recipe._Run)
    draws.options = replace(options(tmp_path), batch=4000)
    draws.clips, draws.unconditional = clips, torch.zeros(4, 128)
    _, heard, texts = draws._draw(torch.Generator().manual_seed(0))
    seen = [(text, bool(each.any())) for text, each in zip(texts, heard, strict=True)]
    shares = {kind: seen.count(kind) / 4000 for kind in set(seen)}
    assert shares[("rain", True)] == pytest.approx(0.85, abs=0.02)
    for kind in (("", True), ("rain", False), ("", False)):
        assert shares[kind] == pytest.approx(0.05, abs=0.012)
    draws.options = replace(draws.options, with_text=False)
    _, alone, silent = draws._draw(torch.Generator().manual_seed(0))
    assert set(silent) == {""}
    assert torch.equal(alone, heard), "the drafts are dropped as they were"


def test_snr_weights() -> None:
    schedule = NoiseSchedule.from_config({"beta_start": 0.001, "beta_end": 0.02})
    level = schedule.alpha_bar(torch.arange(0, 1000, 50))
    snr = level / (1 - level)
    torch.testing.assert_close(snr_weight(level, False), torch.minimum(snr, torch.tensor(5.0)) / snr)
    assert (snr_weight(level, True) <= 1).all()


def test_what_is_encoded_is_encoded_once(tmp_path: Path) -> None:
    asked: list[list[int]] = []

    def encode(which: Any) -> tuple[torch.Tensor, torch.Tensor]:
        asked.append(list(which))
        if len(asked) == 2:
            raise KeyboardInterrupt
        return torch.full((len(which), 8, 8, 16), float(which[0])), torch.zeros(len(which), 4, 128)

    captions = [[str(i)] for i in range(200)]
    with pytest.raises(KeyboardInterrupt):
        encode_clips(tmp_path / "c", captions, {"by": "one"}, encode)
    clips = encode_clips(tmp_path / "c", captions, {"by": "one"}, encode)
    assert [rows[0] for rows in asked] == [0, 64, 64, 128, 192]
    assert len(clips) == 200
    assert float(clips.latents(199)[0, 0, 0]) == 192
    assert isinstance(clips, EncodedClips)
    encode_clips(tmp_path / "c", captions, {"by": "another"}, encode)
    assert len(asked) == 9
    again = encode_clips(tmp_path / "c", captions, {"by": "one"}, encode)
    assert len(asked) == 9, "nothing was lost to the other"
    assert again.fingerprint == clips.fingerprint


def test_processes_share_the_encoding(tmp_path: Path) -> None:
    captions = [[str(i)] for i in range(200)]

    def encode(which: Any) -> tuple[torch.Tensor, torch.Tensor]:
        return torch.zeros(len(which), 8, 8, 16), torch.zeros(len(which), 4, 128)

    clips = encode_clips(tmp_path, captions, {}, encode, rank=1, world=2)
    with pytest.raises(InvalidRequestError, match="storage that all of them share"):
        require_all(clips)
    require_all(encode_clips(tmp_path, captions, {}, encode, rank=0, world=2))


def test_processes_that_come_and_go_claim_what_they_encode(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that died over a shard is followed by another; of three the second encodes what the first left."""
    monkeypatch.setattr(encoded, "PAUSE_S", 0.01)
    captions, asked, first_began = [[str(i)] for i in range(200)], list[tuple[str, int]](), threading.Event()

    def encode(who: str, which: Sequence[int]) -> tuple[torch.Tensor, torch.Tensor]:
        asked.append((who, which[0]))
        if who == "dies":
            raise KeyboardInterrupt
        if who == "first" and not first_began.is_set():
            first_began.set()
            until(lambda: len({place for one, place in asked if one == "second"}) == 3)  # all the others
        return torch.full((len(which), 8, 8, 16), float(which[0])), torch.zeros(len(which), 4, 128)

    def run_as(who: str) -> EncodedClips:
        return encode_clips(tmp_path, captions, {}, partial(encode, who), claims=Claims)

    with pytest.raises(KeyboardInterrupt):
        run_as("dies")
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(run_as, "first")
        until(first_began.is_set)
        second = pool.submit(run_as, "second")
        clips = first.result(60), second.result(60)
    assert sorted(asked) == [("dies", 0), ("first", 0), ("second", 64), ("second", 128), ("second", 192)]
    for each in clips:
        require_all(each)
        assert float(each.latents(199)[0, 0, 0]) == 192
    assert not list((clips[0].folder / ".claims").iterdir())


def test_a_shard_that_everybody_died_over_is_given_up(tmp_path: Path) -> None:
    class Died(Claims):
        def take(self, unit_id: str) -> Any:
            held = super().take(unit_id)
            assert held is not None
            held.attempt = ATTEMPTS + 1
            return held

    with pytest.raises(OutOfResourcesError, match="from number 1 on"):
        encode_clips(tmp_path, [["rain"]], {}, lambda _: pytest.fail("is not tried"), claims=Died)


def test_two_processes_train_on_what_workers_encoded(manifest: Path, tango: Path, tmp_path: Path) -> None:
    in_two = tmp_path / "two"
    run(
        read_manifest(manifest), tango, lambda: FakeDrafter("fake"), in_two / "out", options(in_two),
        seconds=0.64, claims=Claims,
    )  # fmt: skip
    assert not (in_two / "out").exists(), "encoded alone"
    in_two_processes(manifest, tango, tmp_path, "dcldm_run._encode = None", steps=1)
    assert (in_two / "out" / "model_index.json").is_file()


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"batch": 3}, "batch"),
        ({"seed": 1, "accumulate": 2}, "accumulate, seed"),
        ({"train_unet": False}, "trained parts"),
        ({"seconds": 1.28}, "clips"),
    ],
)
def test_a_run_is_resumed_by_its_own_settings_alone(
    manifest: Path, tango: Path, tmp_path: Path, changed: dict[str, Any], named: str
) -> None:
    train(manifest, tango, tmp_path, steps=1)
    with pytest.raises(InvalidRequestError, match=f"begun with other {named}: give the same"):
        train(manifest, tango, tmp_path, **{"steps": 2, **changed})
    train(manifest, tango, tmp_path, steps=2)


def test_half_precision_and_checkpointing_go_together(manifest: Path, tango: Path, tmp_path: Path) -> None:
    values = {"mixed_precision": "bf16", "steps": 2}
    plain = weights(train(manifest, tango, tmp_path / "a", **values))
    again = weights(train(manifest, tango, tmp_path / "b", checkpointing=True, **values))
    for name, value in plain.items():
        torch.testing.assert_close(again[name], value, msg=name, atol=5e-3, rtol=0.1)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no entries"),
        ('{"audio": "0.wav", "caption": "rain"}\n{oops}', "line 2: this is no JSON"),
        ('\n{"caption": "rain"}', 'line 2: there is no "audio"'),
        ('{"audio": "0.wav"}', 'line 1: there is no "caption"'),
        ('{"audio": "0.wav", "caption": "  "}', 'line 1: there is no "caption"'),
        ('["0.wav", "rain"]', "line 1: there is no"),
        ('{"audio": "gone.wav", "caption": "rain"}', "line 1: there is no file gone.wav"),
        ('{"audio": "none.wav", "caption": "rain"}', "line 1: none.wav is no sound"),
        ('\n{"audio": "empty.wav", "caption": "rain"}', "line 2: empty.wav is empty"),
    ],
)
def test_a_wrong_manifest_names_the_line(tmp_path: Path, text: str, said: str) -> None:
    sf.write(tmp_path / "0.wav", np.ones(100), 16000)
    (tmp_path / "none.wav").write_bytes(b"")
    sf.write(tmp_path / "empty.wav", np.ones(0), 16000)
    (tmp_path / "m.jsonl").write_text(text)
    with pytest.raises(InvalidRequestError, match=said):
        read_manifest(tmp_path / "m.jsonl")
    with pytest.raises(InvalidRequestError, match="Can't read the manifest"):
        read_manifest(tmp_path / "none.jsonl")


def test_a_manifest_ends_its_lines_with_newlines_alone(tmp_path: Path) -> None:
    sf.write(tmp_path / "0.wav", np.ones(100), 16000)
    words = "rain\u2028and\x85wind"
    line = json.dumps({"audio": "0.wav", "caption": words}, ensure_ascii=False)
    (tmp_path / "m.jsonl").write_bytes(f"{line}\r\n{line}\n".encode("utf-8-sig"))
    assert [entry.caption for entry in read_manifest(tmp_path / "m.jsonl")] == [words, words]


def test_sounds_that_are_none(tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_text("no sound")
    with pytest.raises(InvalidRequestError, match=r"Can't read a\.wav"):
        read_sound(tmp_path / "a.wav", 100, 16000)
    sf.write(tmp_path / "b.wav", np.full(100, np.nan, np.float32), 16000, subtype="FLOAT")
    with pytest.raises(InvalidRequestError, match="no sound"):
        read_sound(tmp_path / "b.wav", 100, 16000)
    sf.write(tmp_path / "c.wav", np.ones((50, 2)), 8000)
    assert read_sound(tmp_path / "c.wav", 200, 16000).shape == (200,)


def test_what_does_not_fit(manifest: Path, tango: Path, tmp_path: Path) -> None:
    with pytest.raises(InvalidRequestError, match="no encoding 'AB'"):
        train(manifest, tango, tmp_path, "AB")
    with pytest.raises(WeightsError):
        train(manifest, tmp_path, tmp_path)
    drafter = FakeDrafter()
    entries = read_manifest(manifest)
    with pytest.raises(InvalidRequestError, match="reads no text in down4"):
        run(entries, tango, lambda: drafter, tmp_path, options(tmp_path), seconds=0.64, placement="down4")
