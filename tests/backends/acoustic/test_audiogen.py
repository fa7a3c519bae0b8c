"""AudioGen through audiocraft's own loader, from a tiny checkpoint with a T5 folder inside."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import T5Config, T5EncoderModel

from studio.backends.acoustic import audiogen, codec
from studio.backends.acoustic.audiocraft_shim import MISSING, is_installed
from studio.backends.acoustic.base import UNCONDITIONAL_FILE, Sampling, read_unconditional
from studio.backends.checkpoint import AUDIOGEN_FILES
from studio.core.errors import InvalidRequestError, ModelNotFoundError, WeightsError
from studio.recipes.data.clips import build_corpus
from studio.recipes.networks import audiogen as recipe
from studio.recipes.networks.encodec import CONFIG, build_encodec, save_audiocraft, transformers_config
from studio.training.loop import LoopOptions
from tests.backends.conftest import make_t5_tokenizer

pytestmark = pytest.mark.slow

needs_audiocraft = pytest.mark.skipif(not is_installed(), reason=MISSING)
SMALL = {**recipe.CONFIG["transformer_lm"], "dim": 32, "num_heads": 2, "num_layers": 2}
LM_CONFIG = {**recipe.CONFIG, "transformer_lm": SMALL, "dataset": {"segment_duration": 3}}


def make_t5(folder: Path) -> Path:
    torch.manual_seed(0)
    config = T5Config(vocab_size=64, d_model=24, d_kv=8, d_ff=32, num_layers=2, num_heads=2)
    T5EncoderModel(config).save_pretrained(folder / "t5")
    make_t5_tokenizer().save_pretrained(folder / "t5")
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = make_t5(tmp_path_factory.mktemp("audiogen") / "tiny")
    torch.manual_seed(0)
    codec = build_encodec().train()
    codec(0.1 * torch.randn(2, 1, 64000, generator=torch.Generator().manual_seed(0)))
    save_audiocraft(codec.eval(), CONFIG, folder / "compression_state_dict.bin")
    model = recipe.build_language_model(folder, LM_CONFIG)
    save_audiocraft(model, LM_CONFIG, folder / "state_dict.bin")
    return folder


@pytest.fixture(scope="module")
def model(folder: Path) -> audiogen.AudioGen:
    return audiogen.load(folder, "cpu")


def audiocrafts(folder: Path, prompt: str, seed: int, **params: Any) -> tuple[torch.Tensor, torch.Tensor]:
    """The same by audiocraft alone: its loader, its `generate`."""
    from audiocraft.models import AudioGen

    with audiogen.texts_read_from(folder):
        theirs = AudioGen.get_pretrained(str(folder), device="cpu")
    theirs.set_generation_params(**params)
    with torch.random.fork_rng([]):
        torch.manual_seed(seed)
        return theirs.generate([prompt], return_tokens=True)


@needs_audiocraft
def test_a_draft_is_audiocrafts_own(folder: Path, model: audiogen.AudioGen) -> None:
    state = torch.get_rng_state()
    draft = model.draft(
        "heavy rain", 1.0, seed=3, sampling=Sampling(temperature=0.9, top_k=250, guidance_scale=2.0)
    )
    assert torch.equal(torch.get_rng_state(), state), "the global generator is left alone"
    sound, tokens = audiocrafts(
        folder, "heavy rain", 3, duration=1.0, top_k=250, temperature=0.9, cfg_coef=2.0, extend_stride=1
    )
    np.testing.assert_array_equal(draft.tokens, tokens[0].numpy())
    np.testing.assert_allclose(draft.samples, sound[0, 0].numpy(), atol=1e-6)
    assert draft.tokens.shape == (4, 50)
    assert draft.latents.shape == (1, 50, 128)
    assert draft.samples.shape == (16000,)
    codec = model._model.compression_model
    expected = codec.decode_latent(torch.from_numpy(draft.tokens.astype(np.int64))[None]).transpose(1, 2)
    torch.testing.assert_close(draft.latents, expected)


@needs_audiocraft
def test_seed_and_prompt_decide(model: audiogen.AudioGen) -> None:
    first = model.draft("rain", 0.5, seed=1).tokens
    np.testing.assert_array_equal(first, model.draft("rain", 0.5, seed=1).tokens)
    assert (first != model.draft("rain", 0.5, seed=2).tokens).any()
    assert model.draft("", 0.5, seed=0, sampling=Sampling(top_k=100_000)).tokens.shape == (4, 25), (
        "the empty text too"
    )


@needs_audiocraft
def test_longer_than_it_was_trained_it_goes_on_by_strides(model: audiogen.AudioGen) -> None:
    draft = model.draft("rain", 4.5, seed=1)
    assert draft.tokens.shape == (4, 225)
    assert draft.samples.shape == (72000,)


def test_progress_counts_against_the_whole_draft() -> None:
    """audiocraft tells of pieces: so many of all so far, against this piece's."""
    told: list[tuple[int, int]] = []
    tell = audiogen._up_to(60, lambda *so_far: told.append(so_far))
    for made, of_piece in ((10, 20), (20, 20), (30, 20), (61, 20)):
        tell(made, of_piece)
    assert told == [(10, 60), (20, 60), (30, 60), (60, 60)]


@needs_audiocraft
def test_progress_is_told_and_may_end_it(model: audiogen.AudioGen) -> None:
    told: list[tuple[int, int]] = []
    model.draft("rain", 0.5, seed=1, on_progress=lambda done, total: told.append((done, total)))
    assert len(told) > 10

    def stop(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        model.draft("rain", 0.5, seed=1, on_progress=stop)
    assert model.draft("rain", 0.1, seed=1).samples.shape == (1600,)


@needs_audiocraft
def test_a_recording_is_a_draft_too(model: audiogen.AudioGen) -> None:
    made = model.encode(0.1 * np.random.default_rng(0).normal(size=16000).astype(np.float32))
    assert made.tokens.shape == (4, 50)
    np.testing.assert_array_equal(model.decode(made.tokens).samples, made.samples)


@needs_audiocraft
@pytest.mark.parametrize("duration_s", [0.0, -1.0, float("nan"), 1e9])
def test_lengths_that_there_are_none_of(model: audiogen.AudioGen, duration_s: float) -> None:
    with pytest.raises(InvalidRequestError, match="up to 600 s"):
        model.draft("rain", duration_s, seed=0)


@needs_audiocraft
def test_folders_that_are_none(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"state_dict\.bin"):
        audiogen.load(tmp_path, "cpu")
    for name in AUDIOGEN_FILES:
        (tmp_path / name).write_bytes(b"nothing")
    with pytest.raises(WeightsError, match=r"state_dict\.bin is truncated"):
        audiogen.load(tmp_path, "cpu")


@needs_audiocraft
def test_a_checkpoint_that_does_not_fit_names_its_first_tensor(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    package = torch.load(tmp_path / "state_dict.bin", weights_only=True)
    name = next(name for name in package["best_state"] if name.startswith("emb."))
    package["best_state"][name] = package["best_state"][name][:, :-1]
    torch.save(package, tmp_path / "state_dict.bin")
    with pytest.raises(WeightsError, match=rf"size mismatch for {name}"):
        audiogen.load(tmp_path, "cpu")


@needs_audiocraft
@pytest.mark.parametrize("gone", ["t5/model.safetensors", "t5/config.json"])
def test_a_text_encoder_that_is_not_there_is_named(folder: Path, tmp_path: Path, gone: str) -> None:
    shutil.copytree(folder, tmp_path / "a")
    (tmp_path / "a" / gone).unlink()
    with pytest.raises(ModelNotFoundError, match="text encoder 't5' is neither whole in a nor"):
        audiogen.load(tmp_path / "a", "cpu")


@needs_audiocraft
def test_the_recipe_learns_and_its_file_opens(folder: Path, tmp_path: Path) -> None:
    corpus = build_corpus(tmp_path / "corpus", 8, workers=1)
    codec = audiogen.load(folder, "cpu")._model.compression_model
    tokens = recipe.encode_corpus(codec, corpus, tmp_path / "tokens.npy")
    assert tokens.shape == (8, 4, 500)
    model = recipe.build_language_model(make_t5(tmp_path), LM_CONFIG)
    trained = recipe.train_audiogen(
        model, tokens, corpus.captions, LoopOptions(tmp_path / "run", steps=3, log_every=1)
    )
    save_audiocraft(trained, LM_CONFIG, tmp_path / "state_dict.bin")
    save_audiocraft(codec, CONFIG, tmp_path / "compression_state_dict.bin")
    opened = audiogen.load(tmp_path, "cpu")
    assert opened.draft("rain", 0.2, seed=0).tokens.shape == (4, 10)


def test_without_audiocraft_one_is_told_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in AUDIOGEN_FILES:
        (tmp_path / name).write_bytes(b"nothing")
    monkeypatch.setattr("studio.backends.acoustic.audiocraft_shim.is_installed", lambda: False)
    monkeypatch.delitem(__import__("sys").modules, "audiocraft.models.audiogen", raising=False)
    with pytest.raises(ModelNotFoundError, match="--group audiocraft"):
        audiogen.load(tmp_path, "cpu")


@needs_audiocraft
def test_the_codec_alone_hears_what_audiogen_hears(folder: Path, model: audiogen.AudioGen) -> None:
    """By transformers: the same tokens, latents and sound, so a draft needs no audiocraft."""
    transformers_config().save_pretrained(folder / codec.FOLDER)
    np.save(folder / UNCONDITIONAL_FILE, np.zeros((4, 25), np.int16))
    alone = codec.load(folder, "cpu")
    assert (alone.sample_rate, alone.frame_rate) == (model.sample_rate, model.frame_rate)
    samples = 0.1 * np.random.default_rng(0).normal(size=16000).astype(np.float32)
    ours, audiogens = alone.encode(samples), model.encode(samples)
    np.testing.assert_array_equal(ours.tokens, audiogens.tokens)
    torch.testing.assert_close(ours.latents, audiogens.latents, atol=1e-5, rtol=1e-5)
    np.testing.assert_allclose(ours.samples, audiogens.samples, atol=1e-5)
    assert alone.unconditional is not None
    assert alone.unconditional.shape == (4, 25)
    (folder / UNCONDITIONAL_FILE).write_bytes(b"damaged")
    with pytest.raises(WeightsError, match="damaged"):
        codec.load(folder, "cpu")
    (folder / UNCONDITIONAL_FILE).unlink()


@needs_audiocraft
def test_a_draft_goes_on_from_its_past_and_many_are_made_at_once(model: audiogen.AudioGen) -> None:
    begun = model.draft("rain", 0.5, seed=1).tokens
    more = model.draft("rain", 1.0, seed=2, past=begun)
    np.testing.assert_array_equal(more.tokens[:, :25], begun)
    assert more.tokens.shape == (4, 50)
    with pytest.raises(InvalidRequestError, match="ask for more seconds"):
        model.draft("rain", 0.5, seed=2, past=begun)
    many = model.draft_many(["rain", "wind", ""], 0.5, seed=1)
    assert many.shape == (3, 4, 25)
    assert model.latents(many).shape == (3, 25, 128)


class _Marker:
    """Leaves a file where it is unpickled by what runs code."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (self.path,))


@needs_audiocraft
@pytest.mark.parametrize("name", AUDIOGEN_FILES)
def test_no_pickle_runs_even_where_torch_is_told_to_trust_them(
    folder: Path, tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", "1")
    bad = shutil.copytree(folder, tmp_path / "bad")
    package = torch.load(bad / name, weights_only=True)
    torch.save({**package, "more": _Marker(tmp_path / "marker")}, bad / name)
    with pytest.raises(WeightsError):
        audiogen.load(bad, "cpu")
    assert not (tmp_path / "marker").exists()
    torch.load(bad / name)  # as audiocraft itself would
    assert (tmp_path / "marker").exists(), "the marker works"


@needs_audiocraft
@pytest.mark.parametrize("name", AUDIOGEN_FILES)
@pytest.mark.parametrize(
    "change",
    [
        {"pretrained": "evil/repo"},
        {"pretrained": "//pretrained/facebook/encodec_32khz"},
        {"xp.cfg": "a: !!python/object/apply:os.system ['true']"},
        {"xp.cfg": "a: &a [1]\nb: [*a, *a]"},
        {"xp.cfg": "a: ${oc.env:HOME}"},
        {"xp.cfg": "[" * 5000},
        {"xp.cfg": "\0"},
        {"xp.cfg": "just words"},
        {"xp.cfg": 5},
        {"xp.cfg": "{}"},
        {"best_state": 5},
        {"best_state": {}},
    ],
)
def test_what_is_no_plain_package_is_refused_and_nobody_is_asked(
    folder: Path, tmp_path: Path, name: str, change: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    from audiocraft.models import loaders

    def ask(*_: Any, **__: Any) -> str:
        raise AssertionError("the Hub is asked")

    monkeypatch.setattr(loaders, "hf_hub_download", ask)
    before = loaders._get_state_dict
    bad = shutil.copytree(folder, tmp_path / "bad")
    torch.save({**torch.load(bad / name, weights_only=True), **change}, bad / name)
    with pytest.raises(WeightsError) as caught:
        audiogen.load(bad, "cpu")
    assert str(caught.value).isprintable()
    assert "is asked" not in str(caught.value.__cause__)
    assert loaders._get_state_dict is before


@needs_audiocraft
@pytest.mark.parametrize(
    ("name", "key", "value"),
    [
        ("state_dict.bin", "transformer_lm.dim", 10**7),
        ("state_dict.bin", "transformer_lm.num_layers", 10**6),
        ("state_dict.bin", "transformer_lm.card", -1),
        ("state_dict.bin", "transformer_lm.num_heads", 0),
        ("compression_state_dict.bin", "seanet.dimension", 10**7),
        ("compression_state_dict.bin", "seanet.ratios", "wrong"),
    ],
)
def test_sizes_that_no_weights_fill_are_refused(
    folder: Path, tmp_path: Path, name: str, key: str, value: Any
) -> None:
    from omegaconf import OmegaConf

    bad = shutil.copytree(folder, tmp_path / "bad")
    package = torch.load(bad / name, weights_only=True)
    config = OmegaConf.create(package["xp.cfg"])
    OmegaConf.update(config, key, value)
    torch.save({**package, "xp.cfg": OmegaConf.to_yaml(config)}, bad / name)
    with pytest.raises(WeightsError) as caught:
        audiogen.load(bad, "cpu")
    assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x93NUMPY\x01\x00\x46\x00{'descr': '<i2', 'fortran_order': False, 'shape': (4, 10**0)}".ljust(80),
        b"\x93NUMPY\x01\x00\x46\x00" + b"(" * 70,
        b"PK\x03\x04",
    ],
)
def test_tokens_of_nothing_that_are_none(tmp_path: Path, content: bytes) -> None:
    (tmp_path / UNCONDITIONAL_FILE).write_bytes(content)
    with pytest.raises(WeightsError):
        read_unconditional(tmp_path)
    for array in (np.zeros((2, 2)), np.zeros(4, np.int16), np.full((4, 4), -1), np.array([["a"]])):
        np.save(tmp_path / UNCONDITIONAL_FILE, array)
        with pytest.raises(WeightsError):
            read_unconditional(tmp_path)
