"""VoiceLDM: as its authors put its parts together, with and without a band, and in damaged folders."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import UNet2DConditionModel
from safetensors.torch import load_file
from transformers import ClapModel, SpeechT5Config
from transformers.models.speecht5.modeling_speecht5 import SpeechT5EncoderWithTextPrenet

from studio.backends import catalog, checkpoint
from studio.backends.base import Backend, Conditioning, Tokens, speaks
from studio.backends.hub import plan
from studio.backends.registry import REGISTRY
from studio.backends.shapes import VOICELDM_WIDTHS, count_parameters, voiceldm_unet
from studio.backends.systems import voiceldm
from studio.backends.systems.voiceldm import VoiceLDMBackend
from studio.core.errors import ModelNotFoundError, StudioError, WeightsError
from studio.core.request import ModelChoice
from studio.core.settings import Settings
from studio.modules.durator import Durator
from studio.modules.letters import Letters, model_of
from tests.backends.conftest import CONTENT, EMBEDDING, make_voiceldm
from tests.backends.damage import FILES, Damage
from tests.backends.fake_hub import FakeHub, serving
from tests.backends.test_hub import point_at

PROMPT, WORDS = "heavy rain", "the storm will reach the coast"
FILE, VOCABULARY = "voiceldm-tiny.ckpt", "tokenizer/spm_char.model"
BESIDE = ("clap", "scheduler", "speecht5", "tokenizer", "vae", "vocoder")


@pytest.fixture(scope="module")
def backend(voiceldm_folder: Path) -> Iterator[VoiceLDMBackend]:
    loaded = voiceldm.load(voiceldm_folder, "cpu", "float32")
    yield loaded
    loaded.unload()


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Without a band; copy it before changing it."""
    return make_voiceldm(tmp_path_factory.mktemp("voiceldm") / "published")


def noise(batch: int = 1, frames: int = 16, seed: int = 0) -> torch.Tensor:
    return torch.randn(batch, 8, frames, 16, generator=torch.Generator().manual_seed(seed))


def parts_of(state: dict[str, torch.Tensor], prefix: str) -> dict[str, torch.Tensor]:
    return {name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)}


@torch.no_grad()
def test_predictions_are_those_of_the_parts_put_together_as_published(published: Path) -> None:
    """The guided batch of four, each part opened by its own library, strictly."""
    state = torch.load(published / "voiceldm-tiny.ckpt", weights_only=True)
    unet = UNet2DConditionModel.from_config(UNet2DConditionModel.load_config(published / "unet")).eval()
    unet.load_state_dict(parts_of(state, "unet."), strict=True)
    durator = Durator(CONTENT).eval()
    durator.load_state_dict(parts_of(state, "durator."), strict=True)
    config = SpeechT5Config.from_pretrained(published / "speecht5", max_text_positions=1000)
    encoder = SpeechT5EncoderWithTextPrenet(config).eval()
    own = parts_of(state, "text_encoder.encoder.")
    table = own.pop("prenet.encode_positions.pe")
    encoder.load_state_dict(own, strict=True)
    torch.testing.assert_close(encoder.prenet.encode_positions.pe, table)
    clap = ClapModel.from_pretrained(published / "clap").eval()

    backend = voiceldm.load(published, "cpu", "float32")
    described = []
    for prompt in (PROMPT, ""):
        tokens = backend._tokenizer([prompt], return_tensors="pt")
        described.append(clap.text_projection(clap.text_model(**tokens).pooler_output))
    letters = Letters((published / "tokenizer" / "spm_char.model").read_bytes())
    ids, mask = letters([WORDS, "_", WORDS, "_"], 1000)
    content, _ = durator(encoder(ids, attention_mask=mask, return_dict=True).last_hidden_state, mask)
    latents, at = noise().expand(4, -1, -1, -1), torch.tensor([700])
    vectors = torch.cat([described[0]] * 2 + [described[1]] * 2)
    theirs = unet(latents, at, encoder_hidden_states=content, class_labels=vectors).sample

    scene, said = backend.encode_text([PROMPT, ""]), backend.encode_speech(["", WORDS])
    told = Conditioning(
        scene.take(torch.tensor([0, 0, 1, 1])).pooled, (said.take(torch.tensor([1, 0, 1, 0])),)
    )
    ours = backend.predict_noise(latents, at.expand(4), 0, told)
    torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=1e-4)
    assert (ours[0] - ours[1]).abs().max() > 1e-4, "the words count"
    assert (ours[0] - ours[2]).abs().max() > 1e-4, "the scene counts"
    backend.unload()


def test_a_scenes_vector_keeps_its_length(backend: VoiceLDMBackend) -> None:
    alone = backend.encode_text([PROMPT]).vector
    beside = backend.encode_text(["", PROMPT, "a very much longer prompt"]).vector
    assert beside.shape == (3, EMBEDDING)
    torch.testing.assert_close(alone[0], beside[1], atol=1e-6, rtol=0)
    assert ((beside.norm(dim=-1) - 1).abs() > 0.05).all()


def test_is_a_backend_that_speaks(backend: VoiceLDMBackend) -> None:
    assert isinstance(backend, Backend)
    assert speaks(backend)
    assert backend.content_band in (None, 4)
    assert backend.geometry.frame_multiple == 2
    assert len(backend.attention_layers()) == 2, "the self-attention of each transformer alone"
    assert all(not layer.is_cross_attention for layer in backend.attention_layers())
    assert backend.capabilities == REGISTRY.system("voiceldm").capabilities
    assert backend.silence.shape == (CONTENT,)


def test_a_text_lasts_as_the_durator_says_and_is_silent_behind(backend: VoiceLDMBackend) -> None:
    said, alone = backend.encode_speech(["go", WORDS]), backend.speech_frames(WORDS)
    assert said.mask is None
    assert said.states.shape == (2, len(alone), CONTENT)
    assert alone.dtype == torch.float32
    torch.testing.assert_close(said.states[1], alone, atol=1e-5, rtol=0)
    short = len(backend.speech_frames("go"))
    torch.testing.assert_close(said.states[0, short:], backend.silence.expand(len(alone) - short, -1))
    assert (said.states[0, short - 1] - backend.silence).abs().max() > 1e-3
    said.states.add_(1)  # what comes out may be changed in place


def test_each_word_has_a_place_of_its_own_in_the_frames(backend: VoiceLDMBackend) -> None:
    places = backend.word_frames(WORDS)
    if backend.content_band is None:
        assert places == [], "every frame attends to all of it"
        return
    assert len(places) == len(WORDS.split())
    edges = [edge for place in places for edge in place]
    assert edges == sorted(edges)
    assert all(begin < end for begin, end in places)
    assert edges[-1] <= len(backend.speech_frames(WORDS))
    assert backend.word_frames("") == backend.word_frames("_") == []


def test_no_words_are_the_underscore_of_its_authors(backend: VoiceLDMBackend) -> None:
    for text in ("", "_", "  "):
        assert torch.equal(backend.speech_frames(text), backend.speech_frames("_"))
        told = backend.encode_speech([text, WORDS]).states
        assert torch.equal(told, backend.encode_speech(["", WORDS]).states)
    nothing = backend.encode_text(["", PROMPT]).text[0].states
    if backend.content_band is None:
        torch.testing.assert_close(nothing, backend.encode_speech(["_"]).states.expand(2, -1, -1))
        assert len(backend.speech_frames("")) > 0
    else:
        assert torch.equal(nothing, backend.silence.expand(2, 1, -1))
        assert len(backend.speech_frames("")) == 0


def test_long_texts_are_said(backend: VoiceLDMBackend, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond what the config's table of positions has, and up to the durator's end."""
    monkeypatch.setattr(backend._durator, "durations", lambda states, mask: mask.float())
    frames = backend.speech_frames("a" * 900)
    assert frames.isfinite().all()
    assert 900 <= len(frames) <= 1000


def test_nothing_is_cut_without_a_word(backend: VoiceLDMBackend) -> None:
    for say in (backend.speech_frames, lambda text: backend.encode_speech(["", text])):
        with pytest.raises(ValueError, match="has more than the 1,000 letters"):
            say("a" * 1001)


def test_what_takes_longer_than_the_durator_lays_out_is_refused(published: Path) -> None:
    backend = voiceldm.load(published, "cpu", "float32")
    bias = backend._durator.dp.proj.bias
    assert bias is not None
    with torch.no_grad():
        bias.add_(2.0)  # each letter over seven times as long
    with pytest.raises(ValueError, match=r"takes \d+ s to say, and 40 s are what this model reads"):
        backend.speech_frames("a" * 900)


def said_beside(backend: VoiceLDMBackend, frames: int) -> Conditioning:
    """Two scenes with words and without; as long as the latents where there is a band."""
    content = backend.encode_speech([WORDS, "go"]).states
    return Conditioning(backend.encode_text([PROMPT, ""]).pooled, (Tokens(content[:, :frames]),))


def test_equal_frames_are_the_plain_forward(backend: VoiceLDMBackend) -> None:
    told, latents = said_beside(backend, 16), noise(2)
    timesteps = torch.tensor([401, 801])
    plain = backend.predict_noise(latents, timesteps, 0, told)
    by_frame = Conditioning(told.vector[:, None].expand(2, 16, -1), told.text)
    per_frame = backend.predict_noise(latents, timesteps[:, None].expand(2, 16), 0, by_frame)
    torch.testing.assert_close(plain, per_frame, atol=1e-5, rtol=1e-5)
    plain += 1  # what comes out may be changed in place


def test_content_has_its_place_where_there_is_a_band(backend: VoiceLDMBackend) -> None:
    """Turned around, words are the same to a model without a band, and others to one with."""
    told, latents, at = said_beside(backend, 16), noise(2), torch.tensor([401, 801])
    turned = Conditioning(told.pooled, (Tokens(told.text[0].states.flip(1)),))
    first, second = (backend.predict_noise(latents, at, 0, each) for each in (told, turned))
    if backend.content_band is None:
        torch.testing.assert_close(first, second, atol=1e-5, rtol=1e-4)
        backend.predict_noise(latents, at, 0, said_beside(backend, 7))
    else:
        assert (first - second).abs().max() > 1e-4
        with pytest.raises(ValueError, match="7 content frames for 16"):
            backend.predict_noise(latents, at, 0, said_beside(backend, 7))


def test_sound_goes_in_and_comes_out_as_in_the_others(backend: VoiceLDMBackend) -> None:
    samples = np.random.default_rng(0).uniform(-0.3, 0.3, 20 * 640 + 99).astype(np.float32)
    latents = backend.encode_audio(samples)
    assert latents.shape == (1, 8, 20, 16)
    whole, decoder = backend.decode(latents), backend.stream_decoder()
    assert whole.shape == (20 * 640,)
    streamed = np.concatenate(
        [decoder.push(latents[:, :, :7]), decoder.push(latents[:, :, 7:]), decoder.flush()]
    )
    np.testing.assert_allclose(streamed, whole, atol=1e-4)
    assert backend.preview(latents).shape == (80, 64)


def test_half_precision_runs_the_unet_only(voiceldm_folder: Path) -> None:
    backend = voiceldm.load(voiceldm_folder, "cpu", "float16")
    assert backend.dtype == torch.float16
    assert backend.encode_speech([WORDS]).states.dtype == torch.float32
    made = backend.predict_noise(noise(2), torch.tensor([500, 500]), 0, said_beside(backend, 16))
    assert made.dtype == torch.float32
    assert made.isfinite().all()
    backend.unload()


def test_unload_takes_every_patch_off(voiceldm_folder: Path) -> None:
    backend = voiceldm.load(voiceldm_folder, "cpu", "float32")
    unet, banded = backend.unet, backend.content_band is not None
    kinds = {type(processor).__name__ for processor in unet.attn_processors.values()}
    assert ("_Banded" in kinds) == banded
    backend.unload()
    assert not any(module._forward_pre_hooks for module in unet.modules())
    assert {type(processor).__name__ for processor in unet.attn_processors.values()} == {"AttnProcessor2_0"}


@pytest.mark.parametrize("suffix", ["ckpt", "safetensors"])
def test_the_catalog_opens_either_file(suffix: str, tmp_path: Path, published: Path) -> None:
    folder = make_voiceldm(tmp_path / "mine", suffix=suffix)
    assert REGISTRY.system_of(folder).name == "voiceldm"
    assert catalog.verify(folder) == []
    opened = catalog.create_backend(ModelChoice(id=str(folder), device="cpu", dtype="float32"), Settings())
    assert isinstance(opened, VoiceLDMBackend)
    first = voiceldm.load(published, "cpu", "float32")
    assert torch.equal(opened.speech_frames(WORDS), first.speech_frames(WORDS)), "the same weights"
    (file,) = folder.glob(f"voiceldm-*.{suffix}")
    before = checkpoint.fingerprint(folder)
    file.rename(folder / f"voiceldm-other.{suffix}")
    assert checkpoint.fingerprint(folder) != before, "a name is part of it"
    file = folder / "vae" / "diffusion_pytorch_model.safetensors"
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    (folder / f"voiceldm-other.{suffix}").rename(folder / f"voiceldm-tiny.{suffix}")
    assert checkpoint.fingerprint(folder) == before
    file.write_bytes(content)
    assert checkpoint.fingerprint(folder) != before, "what lies beside counts, too"


def test_weights_in_half_precision_are_opened_in_single(tmp_path: Path, published: Path) -> None:
    folder = Path(shutil.copytree(published, tmp_path / "half"))
    edit(folder, lambda state: {n: v.half() if v.is_floating_point() else v for n, v in state.items()})
    backend = voiceldm.load(folder, "cpu", "float32")
    assert {p.dtype for p in backend.unet.parameters()} == {torch.float32}
    assert backend.speech_frames(WORDS).isfinite().all()


def test_parts_may_lie_in_the_model_beside(tmp_path: Path, published: Path) -> None:
    """As the pocket model has them: CLAP's text tower alone, and its tokenizer in a folder of its own."""
    beside = tmp_path / "pocket" / "other"
    folder = Path(shutil.copytree(published, tmp_path / "pocket" / "voice"))
    for name in ("clap", "vae", "vocoder"):
        shutil.move(folder / name, beside / {"clap": "text_encoder"}.get(name, name))
    (beside / "tokenizer").mkdir()
    for file in (beside / "text_encoder").glob("tokenizer*"):
        shutil.move(file, beside / "tokenizer")
    places = {"clap": "text_encoder", "clap_tokenizer": "tokenizer", "vae": "vae", "vocoder": "vocoder"}
    shared = {name: f"../../pocket/other/{place}" for name, place in places.items()}
    (folder / "shared.json").write_text(json.dumps(shared))
    (folder / "model_index.json").write_text(
        json.dumps({"_class_name": "VoiceLDMPipeline", "_mel_padding": 432})
    )
    with pytest.raises(StudioError, match="clap"):  # only a folder beside may be named
        voiceldm.load(folder, "cpu")
    (folder / "shared.json").write_text(json.dumps({n: f"../other/{p}" for n, p in places.items()}))
    assert catalog.verify(folder) == []
    backend = voiceldm.load(folder, "cpu", "float32")
    assert backend._mel_padding == 432
    whole = voiceldm.load(published, "cpu", "float32")
    torch.testing.assert_close(backend.encode_text([PROMPT]).pooled, whole.encode_text([PROMPT]).pooled)


@pytest.mark.parametrize(("size", "millions"), [("s", 188.80), ("m", 416.32)])
def test_the_published_sizes(size: str, millions: float) -> None:
    with torch.device("meta"):
        state = voiceldm_unet(size).state_dict()
    assert len(state) == 690
    assert state["class_embedding.weight"].shape == ({"s": 512, "m": 768}[size], 512)
    assert state["down_blocks.1.attentions.0.transformer_blocks.0.attn2.to_k.weight"].shape[1] == 768
    assert count_parameters(f"voiceldm-{size}") / 1e6 == pytest.approx(millions, abs=0.005)


@pytest.mark.parametrize("size", ["s", "m"])
def test_small_and_medium_are_told_apart_by_their_first_kernel(
    size: str, published: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A published file has no config. Here the tiny U-Net stands for both."""
    folder, asked = Path(shutil.copytree(published, tmp_path / "bare")), []
    config = UNet2DConditionModel.load_config(folder / "unet")
    shutil.rmtree(folder / "unet")
    with pytest.raises(WeightsError, match=r"another width \(16\).*unet/config\.json"):
        voiceldm.load(folder, "cpu")

    def build(size: str) -> UNet2DConditionModel:
        asked.append(size)
        return UNet2DConditionModel.from_config(config)

    monkeypatch.setattr(voiceldm, "voiceldm_unet", build)
    widths = {name: (16 if name == size else 24, 32) for name in VOICELDM_WIDTHS}
    monkeypatch.setattr(voiceldm, "VOICELDM_WIDTHS", widths)
    assert voiceldm.load(folder, "cpu", "float32").content_band is None
    assert asked == [size]


def edit(folder: Path, change: Callable[[dict[str, torch.Tensor]], object]) -> None:
    """Another content of the checkpoint's one file."""
    file = folder / "voiceldm-tiny.ckpt"
    torch.save(change(torch.load(file, weights_only=True)), file)


def without(prefix: str) -> Callable[[dict[str, torch.Tensor]], object]:
    return lambda state: {name: value for name, value in state.items() if not name.startswith(prefix)}


def wider(name: str) -> Callable[[dict[str, torch.Tensor]], object]:
    return lambda state: {**state, name: torch.cat([state[name]] * 2)}


MANY_LETTERS = model_of(map(chr, range(97, 147)))
PROJECTION = "durator.learnable_upsampler.proj_o.bias"
EMBEDDED = "text_encoder.encoder.prenet.embed_tokens.weight"


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (without("durator."), r"no durator\.dp\.conv_1\.weight"),
        (without("text_encoder."), r"no text_encoder\.encoder\."),
        (without("unet.mid_block"), r"no unet\.mid_block\."),
        (without(PROJECTION), r"no durator\.learnable_upsampler\.proj_o\.bias"),
        (wider(PROJECTION), r"proj_o\.bias is \(48,\) in the checkpoint, not \(24,\)"),
        (wider("unet.conv_in.weight"), r"unet\.conv_in\.weight is \(32, 8, 3, 3\)"),
        (wider(EMBEDDED), r"embed_tokens\.weight is \(80, 24\)"),
        (
            lambda state: {**state, "vocoder.conv_pre.weight": torch.zeros(2)},
            r"holds vocoder\.conv_pre\.weight",
        ),
        (lambda state: {**state, "unet.extra.weight": torch.zeros(2)}, r"holds unet\.extra\.weight"),
        (lambda state: {"state_dict": state}, "no weights"),
        (lambda _: [], "no weights"),
        (lambda _: {"unet.conv_in.weight": 5}, "no weights"),
        (lambda _: {}, r"no unet\."),
    ],
)
def test_what_does_not_fit_in_the_file_is_named(
    change: Callable[[dict[str, torch.Tensor]], object], says: str, published: Path, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(published, tmp_path / "bad"))
    edit(folder, change)
    with pytest.raises(WeightsError, match=says) as caught:
        voiceldm.load(folder, "cpu")
    in_one_sentence(caught.value, folder)


def in_one_sentence(error: StudioError, folder: Path) -> None:
    message = str(error)
    assert message.endswith(".")
    assert message.isprintable()
    assert len(message) < 300
    assert str(folder.parent) not in message


def configured(name: str, **values: object) -> Damage:
    def change(folder: Path) -> None:
        file = folder / name / "config.json"
        file.write_text(json.dumps({**json.loads(file.read_text()), **values}))

    return change


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (lambda folder: shutil.copy(folder / FILE, folder / "voiceldm-x.ckpt"), "leave one there"),
        (lambda folder: (folder / VOCABULARY).unlink(), "vocabulary of tokenizer is missing"),
        (lambda folder: (folder / VOCABULARY).write_bytes(b"\xff" * 99), "spm_char.model is damaged"),
        (lambda folder: (folder / VOCABULARY).write_bytes(MANY_LETTERS), "has more letters"),
        (configured("speecht5", hidden_size=48), r"durator\.dp\.conv_1\.weight is \(24"),
        (configured("speecht5", vocab_size=20), r"embed_tokens\.weight is \(40"),
        (configured("speecht5", encoder_layers=10**5), "far larger network"),
        (configured("speecht5", encoder_layers=-1), "holds text_encoder"),
        (configured("unet", cross_attention_dim=12), r"attn2\.to_k\.weight is"),
        (configured("unet", content_band=-1), "impossible content_band"),
        (configured("unet", content_band="wide"), "impossible content_band"),
        (configured("unet", content_band=True), "impossible content_band"),
        (configured("unet", projection_class_embeddings_input_dim=None), "can.t be opened"),
        (lambda folder: (folder / "speecht5" / "config.json").write_text("{"), "can't be read as JSON"),
        (lambda folder: (folder / "vae" / "config.json").unlink(), "vae/config.json is missing"),
        (lambda folder: (folder / FILE).write_bytes(b"PK"), "truncated"),
    ],
)  # fmt: skip
def test_a_damaged_folder_is_refused_in_one_sentence(
    damage: Damage, says: str, published: Path, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(published, tmp_path / "bad"))
    damage(folder)
    with pytest.raises(WeightsError, match=says) as caught:
        voiceldm.load(folder, "cpu")
    in_one_sentence(caught.value, folder)


@pytest.mark.parametrize("damage", FILES)
def test_a_file_that_is_none_is_refused(damage: Damage, published: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(published, tmp_path / "bad"))
    damage(folder / "voiceldm-tiny.ckpt")
    with pytest.raises(WeightsError) as caught:
        voiceldm.load(folder, "cpu")
    in_one_sentence(caught.value, folder)


def test_an_index_without_the_file_is_told(published: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(published, tmp_path / "bad"))
    (folder / "model_index.json").write_text('{"_class_name": "VoiceLDMPipeline"}')
    (folder / "voiceldm-tiny.ckpt").unlink()
    assert catalog.verify(folder) == ["bad holds no voiceldm-*.safetensors or voiceldm-*.ckpt."]
    with pytest.raises(WeightsError, match="holds no voiceldm-"):
        voiceldm.load(folder, "cpu")


def test_a_pickle_with_code_is_refused(published: Path, tmp_path: Path) -> None:
    folder, trap = Path(shutil.copytree(published, tmp_path / "bad")), tmp_path / "trap"
    torch.save({"unet.conv_in.weight": _Trap(trap)}, folder / "voiceldm-tiny.ckpt")
    with pytest.raises(WeightsError):
        voiceldm.load(folder, "cpu")
    assert not trap.exists()


class _Trap:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        return (Path.touch, (self.path,))


@pytest.fixture
def hub(published: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeHub]:
    """The four repositories that VoiceLDM is made of, with what else lies in them."""
    root = tmp_path / "hub"
    own, sound, clap, speech = (root / name for name in ("own", "sound", "clap", "speech"))
    own.mkdir(parents=True)
    shutil.copy(published / "voiceldm-tiny.ckpt", own / "voiceldm-m.ckpt")
    (own / "README.md").write_text("# VoiceLDM")
    shutil.copytree(published / "unet", own / "unet")  # tiny as it is, it needs one
    for name in ("scheduler", "vae", "vocoder"):
        shutil.copytree(published / name, sound / name)
    shutil.copytree(published / "unet", sound / "unet")
    (sound / "unet" / "diffusion_pytorch_model.safetensors").write_bytes(b"AudioLDM's")
    (sound / "model_index.json").write_text("{}")
    shutil.copytree(published / "clap", clap)
    (clap / "pytorch_model.bin").write_bytes(b"the same, pickled")
    shutil.copytree(published / "speecht5", speech)
    shutil.copy(published / "tokenizer" / "spm_char.model", speech)
    (speech / "pytorch_model.bin").write_bytes(b"weights that nobody needs")
    repositories = {
        "glory20h/voiceldm-m": own, "cvssp/audioldm-m-full": sound, "laion/clap-htsat-unfused": clap,
        "microsoft/speecht5_tts": speech,
    }  # fmt: skip
    with serving(FakeHub(repositories)) as served:
        point_at(served.url, tmp_path / "cache", monkeypatch)
        yield served


def test_the_hubs_four_repositories_are_one_model(hub: FakeHub, tmp_path: Path) -> None:
    settings = Settings(assets=tmp_path)
    with pytest.raises(ModelNotFoundError, match="not downloaded yet"):
        catalog.resolve("glory20h/voiceldm-m", settings, download=False)
    wanted = plan("glory20h/voiceldm-m", catalog.licence_of("glory20h/voiceldm-m"))
    assert wanted.licence == "CC-BY-NC-SA-4.0 in part (its page states: cc-by-nc-sa-4.0)"
    assert {(file.repository.split("/")[1], file.name) for file in wanted.files} == {
        ("voiceldm-m", "voiceldm-m.ckpt"), ("voiceldm-m", "unet/config.json"),
        ("audioldm-m-full", "scheduler/scheduler_config.json"),
        ("audioldm-m-full", "vae/config.json"),
        ("audioldm-m-full", "vae/diffusion_pytorch_model.safetensors"),
        *(("audioldm-m-full", f"vocoder/{name}") for name in ("config.json", "model.safetensors")),
        *(("clap-htsat-unfused", name) for name in (
            "config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json",
        )),
        ("speecht5_tts", "config.json"), ("speecht5_tts", "spm_char.model"),
    }  # fmt: skip
    choice = ModelChoice(id="glory20h/voiceldm-m", device="cpu", dtype="float32")
    backend = catalog.create_backend(choice, settings)
    assert isinstance(backend, VoiceLDMBackend)
    assert hub.bytes_of("speecht5_tts/resolve/main/pytorch_model.bin") == 0
    assert not [path for _, path, _ in hub.asked if path.endswith(("pytorch_model.bin", "model_index.json"))]
    hub.always = (500, {})  # from here on nothing is asked for
    backend = catalog.create_backend(choice, settings)
    assert backend.id == "glory20h/voiceldm-m"
    assert catalog.find("glory20h/voiceldm-m", settings)


def test_what_lacks_beside_a_file_of_ones_own_comes_from_the_hub(
    hub: FakeHub, published: Path, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(published, tmp_path / "mine"))
    for name in BESIDE:
        shutil.rmtree(folder / name)
    assert catalog.verify(folder) == []
    backend = voiceldm.load(folder, "cpu", "float32")
    whole = voiceldm.load(published, "cpu", "float32")
    assert torch.equal(backend.speech_frames(WORDS), whole.speech_frames(WORDS))
    assert not [path for _, path, _ in hub.asked if "voiceldm" in path]
    hub.always = (500, {})
    voiceldm.load(folder, "cpu", "float32")


@pytest.mark.parametrize("name", BESIDE)
def test_without_a_hub_one_is_told_what_lacks(
    name: str, published: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    folder = Path(shutil.copytree(published, tmp_path / "mine"))
    shutil.rmtree(folder / name)
    with pytest.raises(ModelNotFoundError, match=f"VoiceLDM's {name} is not here") as caught:
        voiceldm.load(folder, "cpu")
    in_one_sentence(caught.value, folder)


def test_safetensors_are_taken_before_a_pickle(tmp_path: Path) -> None:
    folder = make_voiceldm(tmp_path / "both", suffix="safetensors")
    torch.save({}, folder / "voiceldm-tiny.ckpt")
    state = load_file(folder / "voiceldm-tiny.safetensors")
    backend = voiceldm.load(folder, "cpu", "float32")
    assert torch.equal(backend.silence, state[PROJECTION])
