"""The backend against diffusers' own pipeline, and against damaged folders."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import AudioLDMPipeline

from studio.backends.base import Backend, Conditioning
from studio.backends.systems import audioldm
from studio.backends.systems.audioldm import AudioLDMBackend
from studio.core.errors import InvalidRequestError, WeightsError
from studio.core.settings import data_dir
from studio.dsp.mel import CENTRED, log_mel
from studio.recipes.corpus.clip import make_clip

POCKET = data_dir("assets") / "pocket" / "audioldm"
PROMPT = "heavy rain"
NEGATIVE = "a dog"


@pytest.fixture(scope="module")
def backend(tiny_folder: Path) -> Iterator[AudioLDMBackend]:
    loaded = audioldm.load(tiny_folder, "cpu", "float32")
    yield loaded
    loaded.unload()


def ddim(backend: Backend, latents: torch.Tensor, steps: int, scale: float) -> torch.Tensor:
    """DDIM with guidance, written out here so that the backend alone is compared."""
    pooled = backend.encode_text([NEGATIVE, PROMPT]).pooled
    timesteps = backend.schedule.timesteps(steps)
    for index, timestep in enumerate(timesteps):
        both = torch.cat([latents, latents])
        plain, text = backend.predict_noise(both, timestep.expand(2), 0, Conditioning(pooled=pooled)).chunk(2)
        noise = plain + scale * (text - plain)
        following = timesteps[index + 1] if index + 1 < steps else torch.tensor(-1)
        now, then = backend.schedule.alpha_bar(torch.stack([timestep, following])).float()
        clean = (latents - (1 - now).sqrt() * noise) / now.sqrt()
        latents = then.sqrt() * clean + (1 - then).sqrt() * noise
    return latents


def compare_with_pipeline(folder: Path, steps: int) -> None:
    backend = audioldm.load(folder, "cpu", "float32")
    latents = torch.randn(1, 8, 16, 16, generator=torch.Generator().manual_seed(0))
    ours = backend.decode(ddim(backend, latents.clone(), steps, 2.5))
    backend.unload()
    pipeline = AudioLDMPipeline.from_pretrained(folder, dtype=torch.float32, local_files_only=True)
    pipeline.set_progress_bar_config(disable=True)
    theirs = pipeline(
        PROMPT, audio_length_in_s=0.64, num_inference_steps=steps, guidance_scale=2.5,
        negative_prompt=NEGATIVE, latents=latents,
    ).audios[0]  # fmt: skip
    assert ours.shape == theirs.shape == (16 * 640,)
    assert ours.std() > 1e-3
    np.testing.assert_allclose(ours, theirs, atol=2e-4)


def test_same_waveform_as_the_pipeline(tiny_folder: Path) -> None:
    compare_with_pipeline(tiny_folder, steps=4)


@pytest.mark.skipif(not POCKET.is_dir(), reason="the pocket model is not shipped yet")
def test_pocket_gives_the_same_waveform_as_the_pipeline() -> None:
    compare_with_pipeline(POCKET, steps=4)


def test_is_a_backend(backend: AudioLDMBackend) -> None:
    assert isinstance(backend, Backend)
    assert (backend.geometry.hop_samples, backend.geometry.bands, backend.geometry.frame_multiple) == (
        640,
        16,
        2,
    )
    assert backend.schedule.clean_alpha_bar == pytest.approx(1 - 0.0015)
    assert len(backend.attention_layers()) == 4


def test_text_vectors_do_not_depend_on_their_neighbours(backend: AudioLDMBackend) -> None:
    alone = backend.encode_text([PROMPT]).pooled
    beside = backend.encode_text([PROMPT, "a very much longer prompt"]).pooled
    assert beside.shape == (2, 32)
    torch.testing.assert_close(alone[0], beside[0], atol=1e-5, rtol=0)
    torch.testing.assert_close(beside.norm(dim=-1), torch.ones(2))


def test_overlong_prompts_are_cut(backend: AudioLDMBackend) -> None:
    assert backend.encode_text(["rain " * 400]).pooled.isfinite().all()


def test_equal_frames_are_the_plain_forward(backend: AudioLDMBackend) -> None:
    latents = torch.randn(2, 8, 16, 16, generator=torch.Generator().manual_seed(1))
    pooled = backend.encode_text([PROMPT, NEGATIVE]).pooled
    timesteps = torch.tensor([401, 801])
    plain = backend.predict_noise(latents, timesteps, 0, Conditioning(pooled=pooled))
    per_frame = backend.predict_noise(
        latents,
        timesteps[:, None].expand(2, 16),
        0,
        Conditioning(pooled=pooled[:, None].expand(2, 16, -1)),
    )
    torch.testing.assert_close(plain, per_frame, atol=1e-5, rtol=1e-5)
    plain += 1  # what comes out may be changed in place


def test_unload_undoes_the_patch(tiny_folder: Path) -> None:
    backend = audioldm.load(tiny_folder, "cpu", "float32")
    unet = backend.unet
    assert unet._forward_pre_hooks
    backend.unload()
    assert not unet._forward_pre_hooks


def test_half_precision_runs_the_unet_only(tiny_folder: Path) -> None:
    backend = audioldm.load(tiny_folder, "cpu", "float16")
    assert backend.dtype == torch.float16
    assert backend._sound.vocoder.dtype == torch.float32
    latents = torch.randn(1, 8, 16, 16)
    noise = backend.predict_noise(latents, torch.tensor([500]), 0, backend.encode_text([PROMPT]))
    assert noise.dtype == torch.float32
    assert noise.isfinite().all()
    backend.unload()


def test_absent_device_is_a_sentence(tiny_folder: Path) -> None:
    with pytest.raises(InvalidRequestError, match="choose auto or cpu"):
        audioldm.load(tiny_folder, "cuda:77")


def truncate(folder: Path) -> None:
    file = folder / "unet" / "diffusion_pytorch_model.safetensors"
    with file.open("r+b") as stream:
        stream.truncate(file.stat().st_size // 2)


def remove_component(folder: Path) -> None:
    shutil.rmtree(folder / "vocoder")


def remove_weights(folder: Path) -> None:
    next((folder / "text_encoder").glob("*.safetensors")).unlink()


def break_config(folder: Path) -> None:
    (folder / "vae" / "config.json").write_text("{")


def change_width(folder: Path) -> None:
    file = folder / "unet" / "config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"block_out_channels": [16, 48]}))


def change_embedding(folder: Path) -> None:
    file = folder / "text_encoder" / "config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"projection_dim": 24}))


def drop_tensor(folder: Path) -> None:
    from safetensors.torch import load_file, save_file

    file = next((folder / "vocoder").glob("*.safetensors"))
    tensors = load_file(file)
    del tensors["conv_post.weight"]
    save_file(tensors, file, metadata={"format": "pt"})


def swap_pickle(folder: Path) -> None:
    next((folder / "vae").glob("*.safetensors")).unlink()
    (folder / "vae" / "diffusion_pytorch_model.bin").write_bytes(b"\x80\x04not weights")


def break_schedule(folder: Path) -> None:
    (folder / "scheduler" / "scheduler_config.json").write_text('{"beta_schedule": "linear"}')


@pytest.mark.parametrize(
    "damage",
    [truncate, remove_component, remove_weights, break_config, change_width, change_embedding, drop_tensor,
     swap_pickle, break_schedule],
)  # fmt: skip
def test_damaged_folders_get_one_sentence(tiny_folder: Path, tmp_path: Path, damage) -> None:
    folder = shutil.copytree(tiny_folder, tmp_path / "bad")
    damage(folder)
    with pytest.raises(WeightsError) as caught:
        audioldm.load(folder, "cpu", "float32")
    message = str(caught.value)
    assert "\n" not in message
    assert str(tmp_path) not in message
    assert len(message) < 250


def test_a_pickle_with_code_is_refused(tiny_folder: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(tiny_folder, tmp_path / "bad")
    trap = tmp_path / "trap"
    next((folder / "vae").glob("*.safetensors")).unlink()
    torch.save({"weight": _Trap(trap)}, folder / "vae" / "diffusion_pytorch_model.bin")
    with pytest.raises(WeightsError):
        audioldm.load(folder, "cpu", "float32")
    assert not trap.exists()


def test_plain_pickles_load(tiny_folder: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file

    folder = shutil.copytree(tiny_folder, tmp_path / "old")
    for component, name in (("vae", "diffusion_pytorch_model"), ("vocoder", "pytorch_model")):
        file = next((folder / component).glob("*.safetensors"))
        torch.save(load_file(file), folder / component / f"{name}.bin")
        file.unlink()
    audioldm.load(folder, "cpu", "float32").unload()


class _Trap:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return (Path.touch, (self.path,))


def test_sound_is_encoded_as_the_vae_means_it(backend: AudioLDMBackend) -> None:
    """What diffusers' encoder holds most likely, scaled; a rest shorter than a latent frame is left out."""
    samples = np.random.default_rng(0).uniform(-0.3, 0.3, 20 * 640 + 99).astype(np.float32)
    latents = backend.encode_audio(samples)
    assert latents.shape == (1, 8, 20, 16)
    vae = backend._sound.vae
    mel = log_mel(torch.from_numpy(samples[: 20 * 640]), CENTRED)[None, None]
    with torch.inference_mode():
        wanted = vae.encode(mel).latent_dist.mean * vae.config.scaling_factor
    torch.testing.assert_close(latents, wanted)
    latents += 1  # no inference tensor, or nobody could work on it


@pytest.mark.slow
def test_the_pocket_model_understands_what_it_encodes() -> None:
    """Sound → latents → sound keeps the log-mel, so that a take can go on from it."""
    backend = audioldm.load(POCKET, "cpu", "float32")
    clip = make_clip(900_000_123, duration_s=5.12, scene=False).samples
    again = backend.decode(backend.encode_audio(clip))
    backend.unload()
    assert again.shape == clip.shape
    apart = (log_mel(torch.from_numpy(again)) - log_mel(torch.from_numpy(clip))).abs().mean()
    assert apart < 0.7, "the vocoder's 0.36 and the VAE's 0.07, and this clip's luck"
