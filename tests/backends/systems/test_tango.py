"""TANGO and DC-LDM against diffusers' own parts, and as backends like any other."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import DDIMScheduler, UNet2DConditionModel
from diffusers.models.attention_processor import Attention
from safetensors.torch import load_file
from transformers import T5Config, T5EncoderModel

from studio.backends import catalog
from studio.backends.acoustic.base import AcousticDraft
from studio.backends.base import Backend, Tokens
from studio.backends.latent import read_mel_padding
from studio.backends.registry import REGISTRY
from studio.backends.systems import dcldm, tango
from studio.backends.systems.dcldm import DcLdmBackend
from studio.backends.systems.tango import TangoBackend
from studio.core.errors import WeightsError
from studio.core.request import ModelChoice, parse_request
from studio.core.settings import Settings
from studio.dsp.mel import CENTRED, SEAMLESS, log_mel
from studio.modules.acoustic_branch import ENCODINGS, AcousticBranch
from studio.pipeline.cancel import CancelToken
from studio.pipeline.denoiser import build_denoiser
from studio.pipeline.plan import resolve_plan
from studio.samplers.ddim import ddim_sample
from studio.samplers.guidance import guided
from tests.backends.conftest import make_dcldm, make_t5_tokenizer, make_tango, wake

PROMPT = "heavy rain"


@pytest.fixture(scope="module")
def tango_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tango(tmp_path_factory.mktemp("tango") / "tiny")


@pytest.fixture(scope="module")
def dcldm_folder(tango_folder: Path) -> Path:
    return make_dcldm(tango_folder, tango_folder.parent / "dual")


@pytest.fixture(scope="module")
def backend(tango_folder: Path) -> TangoBackend:
    return tango.load(tango_folder, "cpu", "float32")


def acoustic(level: float) -> AcousticDraft:
    """0.64 s of noise as a draft."""
    rng = np.random.default_rng(0)
    samples = level * rng.normal(size=640 * 16).astype(np.float32)
    latents = level * torch.randn(1, 32, 128, generator=torch.Generator().manual_seed(0))
    return AcousticDraft(np.zeros((4, 32), np.int16), latents, samples)


def noise(frames: int = 16, batch: int = 1) -> torch.Tensor:
    return torch.randn(batch, 8, frames, 16, generator=torch.Generator().manual_seed(1))


def test_same_latents_as_diffusers_scheduler_and_unet(tango_folder: Path, backend: TangoBackend) -> None:
    """v-prediction, guided, with the empty prompt padded to the prompt's length as TANGO's own code does."""
    conditioning = backend.encode_text(["", PROMPT])
    ours = ddim_sample(
        guided(lambda x, t, s: backend.predict_noise(x, t, s, conditioning), 3.0),
        backend.schedule, noise(), 5,
    )  # fmt: skip
    unet = UNet2DConditionModel.from_pretrained(tango_folder / "unet")
    t5 = T5EncoderModel.from_pretrained(tango_folder / "text_encoder")
    scheduler = DDIMScheduler.from_pretrained(tango_folder / "scheduler")
    tokens = make_t5_tokenizer()(["", PROMPT], padding=True, return_tensors="pt")
    theirs = noise()
    scheduler.set_timesteps(5)
    with torch.no_grad():
        states = t5(tokens.input_ids, attention_mask=tokens.attention_mask).last_hidden_state
        for timestep in scheduler.timesteps:
            both = unet(
                torch.cat([theirs, theirs]), timestep, encoder_hidden_states=states,
                encoder_attention_mask=tokens.attention_mask == 1,
            ).sample  # fmt: skip
            negative, positive = both.chunk(2)
            guided_v = negative + 3.0 * (positive - negative)
            theirs = scheduler.step(guided_v, timestep, theirs).prev_sample
    torch.testing.assert_close(ours, theirs, atol=2e-4, rtol=1e-3)


@pytest.mark.parametrize("others", [["a dog " * 9], ["", "a dog " * 3, "rain"], ["dog", "a " * 40]])
def test_what_stands_beside_a_prompt_changes_nothing_of_it(backend: TangoBackend, others: list[str]) -> None:
    (alone,) = backend.encode_text([PROMPT]).text
    for beside in ([*others, PROMPT], [PROMPT, *others]):
        row = beside.index(PROMPT)
        (said,) = backend.encode_text(beside).text
        assert said.mask is not None
        length = alone.states.shape[1]
        assert torch.equal(said.states[row, :length], alone.states[0])
        assert said.mask[row].tolist() == [1] * length + [0] * (said.mask.shape[1] - length)


@pytest.mark.parametrize(("said", "padding"), [(None, CENTRED), (432, SEAMLESS), (512, CENTRED)])
def test_sound_is_padded_as_the_checkpoint_says(
    tango_folder: Path, tmp_path: Path, said: int | None, padding: int
) -> None:
    folder = Path(shutil.copytree(tango_folder, tmp_path / "tiny"))
    index = {"_class_name": "TangoPipeline"} | ({} if said is None else {"_mel_padding": said})
    (folder / "model_index.json").write_text(json.dumps(index))
    backend = tango.load(folder, "cpu", "float32")
    samples = np.random.default_rng(0).uniform(-0.3, 0.3, 20 * 640).astype(np.float32)
    mel = log_mel(torch.from_numpy(samples), padding)
    torch.testing.assert_close(backend.encode_audio(samples), backend._sound.encode_mel(mel[None]))


@pytest.mark.parametrize("said", [0, 433, -512, "432", [432], True, 10**9])
def test_an_unknown_padding_is_refused(tango_folder: Path, tmp_path: Path, said: object) -> None:
    folder = Path(shutil.copytree(tango_folder, tmp_path / "tiny"))
    (folder / "model_index.json").write_text(
        json.dumps({"_class_name": "TangoPipeline", "_mel_padding": said})
    )
    with pytest.raises(WeightsError, match="padding"):
        tango.load(folder, "cpu")


def test_pocket_models_say_that_theirs_is_seamless() -> None:
    systems = {"audioldm": CENTRED, "tango": CENTRED, "dcldm": CENTRED, "audioldm2": SEAMLESS}
    for name, default in systems.items():
        system = REGISTRY.system(name)
        assert read_mel_padding(Settings().assets / "pocket" / name, system) == SEAMLESS == 432
        assert read_mel_padding(Path("nowhere"), system) == default


def test_is_a_backend(backend: TangoBackend) -> None:
    assert isinstance(backend, Backend)
    assert (backend.geometry.hop_samples, backend.geometry.frame_multiple) == (640, 2)
    layers = backend.attention_layers()
    assert layers
    assert all(isinstance(layer, Attention) and not layer.is_cross_attention for layer in layers)
    assert backend.schedule.prediction_type == "v_prediction"


def test_the_catalog_knows_both_by_their_index(tango_folder: Path, dcldm_folder: Path) -> None:
    for folder, kind in ((tango_folder, TangoBackend), (dcldm_folder, DcLdmBackend)):
        choice = ModelChoice(id=str(folder), device="cpu", dtype="float32")
        loaded = catalog.create_backend(choice, Settings())
        assert type(loaded) is kind
        loaded.unload()


@pytest.mark.parametrize("attention", ["dense", "lite_focus"])
@pytest.mark.parametrize("frames", [8, 16])
def test_a_fresh_dcldm_is_its_tango(
    backend: TangoBackend, dcldm_folder: Path, attention: str, frames: int
) -> None:
    """Whatever it hears, one timestep a clip or one a frame, dense or sparse."""
    dual = dcldm.load(dcldm_folder, "cpu", "float32")
    wanted = parse_request(
        prompt=PROMPT, seed=1, sampler={"kind": "clip"},
        attention={"kind": attention, **({"blocks": ("up1",)} if attention == "lite_focus" else {})},
    )  # fmt: skip
    for timesteps in (torch.tensor([500]), torch.full((1, frames), 500)):
        plain, same = (
            build_denoiser(resolve_plan(wanted, model), model, CancelToken())(noise(frames), timesteps, 0)
            for model in (backend, dual)
        )
        assert torch.equal(plain, same)
    text = dual.encode_text([PROMPT])
    draft = dual.encode_draft(acoustic(1.0))
    heard = text.with_acoustic(Tokens(draft))
    assert draft.shape == (1, 32, 128)
    at = torch.tensor([500])
    assert torch.equal(
        dual.predict_noise(noise(frames), at, 0, heard), backend.predict_noise(noise(frames), at, 0, text)
    )
    dual.unload()


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_a_trained_branch_hears_the_draft(encoding: str, dcldm_folder: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(dcldm_folder, tmp_path / "trained")
    wake(folder, encoding)
    dual = dcldm.load(folder, "cpu", "float32")
    text = dual.encode_text([PROMPT])
    made = []
    for level in (0.0, 0.1):
        draft = dual.encode_draft(acoustic(level))
        assert draft.shape == (1, {"AG": 32, "AG_VAE": 16}[encoding], 128)
        heard = text.with_acoustic(Tokens(draft))
        made.append(dual.predict_noise(noise(batch=2), torch.tensor([500, 500]), 0, heard))
    assert made[0].shape == (2, 8, 16, 16)
    assert not torch.allclose(made[0], made[1], atol=1e-5)
    dual.unload()


def test_folders_that_do_not_fit(tango_folder: Path, dcldm_folder: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(dcldm_folder, tmp_path / "a")
    shutil.rmtree(folder / "acoustic_branch")
    with pytest.raises(WeightsError, match="acoustic_branch"):
        dcldm.load(folder, "cpu")
    folder = shutil.copytree(dcldm_folder, tmp_path / "b")
    wide = UNet2DConditionModel.from_config(
        {**UNet2DConditionModel.load_config(folder / "unet"), "block_out_channels": (32, 32)}
    )
    AcousticBranch.for_unet(wide).save_pretrained(folder / "acoustic_branch")
    with pytest.raises(WeightsError, match=r"blocks\.down1\.0\.norm\.weight is \[32\], .*asks for \[16\]"):
        dcldm.load(folder, "cpu")
    folder = shutil.copytree(tango_folder, tmp_path / "d")
    config = json.loads((folder / "unet" / "config.json").read_text())
    (folder / "unet" / "config.json").write_text(json.dumps({**config, "cross_attention_dim": 32}))
    with pytest.raises(WeightsError, match=r"attn2\.to_k\.weight is \[16, 24\], .*asks for \[16, 32\]"):
        tango.load(folder, "cpu")
    pickled = load_file(folder / "unet" / "diffusion_pytorch_model.safetensors")
    (folder / "unet" / "diffusion_pytorch_model.safetensors").unlink()
    torch.save(pickled, folder / "unet" / "diffusion_pytorch_model.bin")
    with pytest.raises(WeightsError, match=r"attn2\.to_k\.weight is \[16, 24\], .*asks for \[16, 32\]"):
        tango.load(folder, "cpu")
    folder = shutil.copytree(tango_folder, tmp_path / "c")
    t5 = T5EncoderModel(T5Config(vocab_size=64, d_model=32, d_kv=8, d_ff=32, num_layers=1, num_heads=2))
    t5.save_pretrained(folder / "text_encoder")
    with pytest.raises(WeightsError, match="text encoder"):
        tango.load(folder, "cpu")
