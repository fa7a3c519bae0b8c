"""The backend against diffusers' own pipeline, and against damaged folders."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import AudioLDM2Pipeline
from diffusers.models.attention_processor import Attention

from studio.backends import catalog
from studio.backends.base import Backend, Conditioning, Tokens
from studio.backends.systems import audioldm2
from studio.backends.systems.audioldm2 import AudioLDM2Backend
from studio.core.errors import WeightsError
from studio.core.request import ModelChoice, parse_request
from studio.core.settings import Settings
from studio.pipeline.cancel import CancelToken
from studio.pipeline.denoiser import build_denoiser
from studio.pipeline.plan import resolve_plan
from studio.samplers.ddim import ddim_sample
from studio.samplers.guidance import guided

PROMPT = "heavy rain"


@pytest.fixture(scope="module")
def backend(tiny_folder2: Path) -> Iterator[AudioLDM2Backend]:
    loaded = audioldm2.load(tiny_folder2, "cpu", "float32")
    yield loaded
    loaded.unload()


def read_alone(pipeline: AudioLDM2Pipeline, text: str) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """What diffusers' own encoding gives of one text: T5's states, their mask, GPT-2's states."""
    return pipeline.encode_prompt(text, torch.device("cpu"), 1, do_classifier_free_guidance=False)


def pad(part: torch.Tensor, length: int) -> torch.Tensor:
    return torch.nn.functional.pad(part, (0, 0) * (part.dim() - 2) + (0, length - part.shape[1]))


@pytest.mark.parametrize("negative", ["", "a dog", "a dog a dog a dog heavy rain a dog"])
@pytest.mark.parametrize("frames", [16, 26])
def test_same_waveform_as_the_pipeline(
    tiny_folder2: Path, backend: AudioLDM2Backend, negative: str, frames: int
) -> None:
    """Each text is read alone, then padded; the pipeline by itself pads and cuts a negative to the prompt."""
    latents = torch.randn(1, 8, frames, 16, generator=torch.Generator().manual_seed(0))
    conditioning = backend.encode_text([negative, PROMPT])

    def denoise(noisy: torch.Tensor, timesteps: torch.Tensor, start_frame: int) -> torch.Tensor:
        return backend.predict_noise(noisy, timesteps, start_frame, conditioning)

    ours = backend.decode(ddim_sample(guided(denoise, 2.5), backend.schedule, latents.clone(), 4))
    pipeline = AudioLDM2Pipeline.from_pretrained(tiny_folder2, dtype=torch.float32, local_files_only=True)
    pipeline.set_progress_bar_config(disable=True)
    read, mask, generated = read_alone(pipeline, PROMPT)
    against, its_mask, its_generated = read_alone(pipeline, negative)
    length = max(read.shape[1], against.shape[1])
    theirs = pipeline(
        audio_length_in_s=frames * 0.04, num_inference_steps=4, guidance_scale=2.5, latents=latents,
        prompt_embeds=pad(read, length), attention_mask=pad(mask, length), generated_prompt_embeds=generated,
        negative_prompt_embeds=pad(against, length), negative_attention_mask=pad(its_mask, length),
        negative_generated_prompt_embeds=its_generated,
    ).audios[0]  # fmt: skip
    assert ours.shape == theirs.shape == (frames * 640,)
    assert ours.std() > 1e-3
    np.testing.assert_allclose(ours, theirs, atol=2e-4)


@pytest.mark.parametrize("others", [["a dog " * 9], ["", "a dog " * 3, "rain"], ["dog", "a " * 40]])
def test_what_stands_beside_a_prompt_changes_nothing_of_it(
    backend: AudioLDM2Backend, others: list[str]
) -> None:
    alone = backend.encode_text([PROMPT]).text
    for beside in ([*others, PROMPT], [PROMPT, *others]):
        row = beside.index(PROMPT)
        generated, t5 = backend.encode_text(beside).text
        assert t5.mask is not None
        assert alone[1].mask is not None
        assert torch.equal(generated.states[row], alone[0].states[0])
        length = alone[1].states.shape[1]
        assert torch.equal(t5.states[row, :length], alone[1].states[0])
        assert t5.mask[row].sum() == alone[1].mask.sum() == length


def test_is_a_backend(backend: AudioLDM2Backend) -> None:
    assert isinstance(backend, Backend)
    assert (backend.geometry.hop_samples, backend.geometry.frame_multiple) == (640, 2)
    layers = backend.attention_layers()
    assert layers
    assert all(isinstance(layer, Attention) and not layer.is_cross_attention for layer in layers)
    own = [
        m for m in backend.unet.up_blocks.modules() if isinstance(m, Attention) and not m.is_cross_attention
    ]
    assert list(layers) == own


def test_texts_say_different_things_and_padding_none(backend: AudioLDM2Backend) -> None:
    generated, t5 = backend.encode_text([PROMPT, "dog"]).text
    assert generated.states.shape[:2] == (2, 8)
    assert t5.mask is not None
    assert t5.mask.sum(dim=1).tolist() == [3, 2]
    assert not torch.allclose(generated.states[0], generated.states[1])
    latents = torch.randn(1, 8, 16, 16, generator=torch.Generator().manual_seed(1))
    changed = t5.states.clone()
    changed[1, 2:] += 5.0  # beyond what "dog" says

    def noise(states: torch.Tensor) -> torch.Tensor:
        dog = Conditioning(text=(Tokens(generated.states[1:]), Tokens(states[1:], t5.mask[1:])))
        return backend.predict_noise(latents, torch.tensor([500]), 0, dog)

    torch.testing.assert_close(noise(t5.states), noise(changed))


def test_what_comes_out_may_be_changed_in_place(backend: AudioLDM2Backend) -> None:
    for tokens in backend.encode_text([PROMPT, "dog"]).text:
        tokens.states.add_(1)
    assert not tokens.states.is_inference()


def test_every_frame_may_have_a_timestep_of_its_own(backend: AudioLDM2Backend) -> None:
    latents = torch.randn(2, 8, 16, 16, generator=torch.Generator().manual_seed(1))
    conditioning = backend.encode_text(["", PROMPT])
    timesteps = torch.tensor([401, 801])
    plain = backend.predict_noise(latents, timesteps, 0, conditioning)
    per_frame = backend.predict_noise(latents, timesteps[:, None].expand(2, 16), 0, conditioning)
    torch.testing.assert_close(plain, per_frame, atol=1e-5, rtol=1e-5)


def test_one_prompt_serves_a_batch(backend: AudioLDM2Backend) -> None:
    latents = torch.randn(3, 8, 16, 16, generator=torch.Generator().manual_seed(1))
    noise = backend.predict_noise(latents, torch.tensor([500] * 3), 0, backend.encode_text([PROMPT]))
    assert noise.shape == latents.shape


def test_sparse_attention_with_every_token_is_the_plain_model(backend: AudioLDM2Backend) -> None:
    latents = torch.randn(1, 8, 16, 16, generator=torch.Generator().manual_seed(1))
    dense = parse_request(prompt=PROMPT, seed=1, sampler={"kind": "clip"})
    whole = parse_request(
        prompt=PROMPT, seed=1, sampler={"kind": "clip"}, attention={"kind": "lite_focus", "ratio": 1}
    )
    some = parse_request(
        prompt=PROMPT, seed=1, sampler={"kind": "clip"}, attention={"kind": "lite_focus", "ratio": 0.1}
    )
    plain, same, other = (
        build_denoiser(resolve_plan(wanted, backend), backend, CancelToken())(latents, torch.tensor([500]), 0)
        for wanted in (dense, whole, some)
    )
    torch.testing.assert_close(plain, same, atol=1e-5, rtol=1e-4)
    assert (plain - other).abs().max() > 1e-5


def test_the_catalog_knows_it_by_its_index(tiny_folder2: Path) -> None:
    backend = catalog.create_backend(
        ModelChoice(id=str(tiny_folder2), device="cpu", dtype="float32"), Settings()
    )
    assert isinstance(backend, AudioLDM2Backend)
    backend.unload()


def test_components_may_lie_in_the_model_beside(tiny_folder2: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(tiny_folder2, tmp_path / "second")
    for name in ("vae", "vocoder"):
        shutil.copytree(folder / name, tmp_path / "first" / name)
        shutil.rmtree(folder / name)
    assert len(catalog.verify(folder)) == 2
    (folder / "shared.json").write_text(json.dumps({"vae": "../first/vae", "vocoder": "../first/vocoder"}))
    assert catalog.verify(folder) == []
    audioldm2.load(folder, "cpu", "float32").unload()


@pytest.mark.parametrize("place", ["/etc", "../../first/vae", "../first/../vae", "vae2", 5, None])
def test_components_lie_nowhere_else(tiny_folder2: Path, tmp_path: Path, place: object) -> None:
    folder = shutil.copytree(tiny_folder2, tmp_path / "outer" / "second")
    shutil.copytree(folder / "vae", tmp_path / "first" / "vae")
    shutil.rmtree(folder / "vae")
    (folder / "shared.json").write_text(json.dumps({"vae": place}))
    with pytest.raises(WeightsError, match="vae"):
        audioldm2.load(folder, "cpu")


@pytest.mark.parametrize("name", ["text_encoder_2", "projection_model", "language_model", "tokenizer_2"])
def test_a_missing_part_is_named(tiny_folder2: Path, tmp_path: Path, name: str) -> None:
    folder = shutil.copytree(tiny_folder2, tmp_path / "second")
    shutil.rmtree(folder / name)
    with pytest.raises(WeightsError, match=name):
        audioldm2.load(folder, "cpu")


def test_parts_that_do_not_fit_are_refused(tiny_folder: Path, tiny_folder2: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(tiny_folder2, tmp_path / "second")
    config = json.loads((folder / "text_encoder_2" / "config.json").read_text())
    (folder / "text_encoder_2" / "config.json").write_text(json.dumps({**config, "d_model": 40}))
    with pytest.raises(WeightsError, match="text_encoder_2"):
        audioldm2.load(folder, "cpu")
    index = json.loads((tiny_folder2 / "model_index.json").read_text())
    (folder / "model_index.json").write_text(json.dumps({**index, "_class_name": "StableDiffusionPipeline"}))
    with pytest.raises(WeightsError, match="StableDiffusionPipeline"):
        catalog.create_backend(ModelChoice(id=str(folder), device="cpu"), Settings())
