"""The recipes of T5 and of the pocket AudioLDM2, each run for a few steps on very little."""

from __future__ import annotations

import re
import shutil
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import AudioLDM2Pipeline, AutoencoderKL
from transformers import RobertaTokenizer, SpeechT5HifiGan, T5EncoderModel, T5Tokenizer

from studio.backends.checkpoint import verify
from studio.backends.clap import load_clap
from studio.backends.systems import audioldm2
from studio.core.settings import data_dir
from studio.modules.blocks import choose_blocks
from studio.modules.text import tokenize
from studio.recipes.networks.audioldm2 import begin_from, build_unet2, train_audioldm2
from studio.recipes.networks.denoiser import (
    LONG,
    MIDDLE,
    RAMP,
    SHORT,
    Reading,
    crop_of,
    draw_crops,
    teacher_share,
)
from studio.recipes.networks.unet import build_unet
from studio.recipes.pocket.audioldm2 import read_captions, with_head, write_folder
from studio.recipes.pocket.export import save_part
from studio.recipes.pocket.options import PocketOptions
from studio.recipes.text.t5 import build_t5, mean_state, train_t5, train_t5_tokenizer
from studio.samplers.ddim import ddim_sample
from studio.training.loop import LoopOptions

POCKET = data_dir("assets") / "pocket" / "audioldm"
TEXTS = [
    f"{a} {b}" for a in ("heavy", "light", "distant", "near") for b in ("rain", "wind", "birds", "waves")
]


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> T5Tokenizer:
    return train_t5_tokenizer(TEXTS * 10, tmp_path_factory.mktemp("t5") / "tokenizer_2")


def test_the_tokenizer_reads_any_case_and_comes_back(tokenizer: T5Tokenizer, tmp_path: Path) -> None:
    tokenizer.save_pretrained(tmp_path)
    again = T5Tokenizer.from_pretrained(tmp_path)
    for text in ("heavy rain", "Heavy RAIN", "a helicopter", ""):
        tokens = tokenize(again, [text])
        assert tokens.input_ids.tolist() == tokenize(tokenizer, [text.lower()]).input_ids.tolist()
        assert tokens.input_ids[0, -1] == again.eos_token_id
    assert again.unk_token_id not in tokenize(again, ["heavy rain"]).input_ids


def test_t5_learns_what_the_tower_says(tokenizer: T5Tokenizer, tmp_path: Path) -> None:
    generator = torch.Generator().manual_seed(0)
    targets = torch.nn.functional.normalize(torch.randn(len(TEXTS), 128, generator=generator), dim=-1)
    tokens = dict(tokenize(tokenizer, TEXTS))
    torch.manual_seed(0)
    fresh = build_t5(len(tokenizer)).eval()
    trained = train_t5(
        build_t5(len(tokenizer)), tokens, targets, LoopOptions(tmp_path, 40, log_every=20), batch=16
    )
    with torch.no_grad():
        before, after = (
            (mean_state(t5, tokens["input_ids"], tokens["attention_mask"]) * targets).sum(-1).mean()
            for t5 in (fresh, trained)
        )
    assert after > before + 0.2


def test_the_last_of_the_steps_see_whole_clips() -> None:
    crops = [crop_of(number, 100) for number in range(100)]
    assert crops[:4] == [SHORT, MIDDLE, SHORT, RAMP]
    assert set(crops[85:]) == {LONG, RAMP}
    assert all(crop.frames % 4 == 0 for crop in crops)


def test_the_unet_begins_with_audioldms_knowledge() -> None:
    torch.manual_seed(1)
    ours, theirs = build_unet2(), build_unet()
    before = {name: value.clone() for name, value in ours.state_dict().items()}
    copied = set(begin_from(ours, theirs))
    known = theirs.state_dict()
    fresh = [part for name, part in ours.named_modules() if re.fullmatch(r".*attentions\.\d+", name)]
    silent = [t for t in fresh if not t.proj_out.weight.any() and not t.proj_out.bias.any()]
    assert len(silent) == 2 * len(fresh) // 3, "what reads text adds nothing at first"
    for name, value in ours.state_dict().items():
        assert name in copied or ".proj_out." in name or torch.equal(value, before[name])
    assert torch.equal(ours.conv_in.weight, theirs.conv_in.weight)
    assert torch.equal(
        ours.up_blocks[0].attentions[3].proj_in.weight, theirs.up_blocks[0].attentions[1].proj_in.weight
    ), "the second ResNet block's transformer"
    half = ours.mid_block.resnets[0].time_emb_proj.weight
    assert torch.equal(half, theirs.mid_block.resnets[0].time_emb_proj.weight[:, : half.shape[1]])
    left = {name for name in known if "class_embedding" not in name and name not in copied}
    assert all(".attentions." in name for name in left), "but for transformers that are numbered otherwise"


def test_the_teacher_says_all_at_first_and_nothing_in_the_end() -> None:
    shares = [teacher_share(number, 100) for number in range(100)]
    assert shares[0] == 1
    assert shares[60:] == [0] * 40
    assert all(after <= before for before, after in pairwise(shares))


def test_sparse_attention_finds_eight_bands() -> None:
    unet = build_unet2()
    assert list(choose_blocks(unet)) == ["down2", "up2"]


def reading(captions: list[list[str]], tokenizer: T5Tokenizer) -> Reading:
    texts = ["", *(text for own in captions for text in own)]
    tokens = tokenize(tokenizer, texts)
    vectors = torch.nn.functional.normalize(torch.randn(len(texts), 128), dim=-1)
    of_clip = torch.arange(1, len(texts)).view(len(captions), -1)
    t5 = build_t5(len(tokenizer))
    return Reading(t5, tokens.input_ids, tokens.attention_mask, vectors, of_clip)


def test_crops_have_texts_of_their_own_clip_or_none(tokenizer: T5Tokenizer) -> None:
    latents = np.arange(5, dtype=np.float16)[:, None, None, None] * np.ones((5, 8, 250, 16), np.float16)
    of_clip = torch.arange(1, 11).view(5, 2)
    clean, texts = draw_crops(latents, of_clip, SHORT._replace(batch=400), torch.Generator().manual_seed(0))
    clips = clean[:, 0, 0, 0].long()
    said = texts > 0
    assert ((texts[said] - 1) // 2).tolist() == clips[said].tolist()
    assert 0.04 < 1 - said.float().mean() < 0.2


@pytest.mark.slow
@pytest.mark.skipif(not POCKET.is_dir(), reason="the pocket model is not shipped yet")
def test_the_recipe_resumes_and_its_folder_opens_everywhere(
    tokenizer: T5Tokenizer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for crop in ("SHORT", "MIDDLE", "LONG", "RAMP"):
        monkeypatch.setattr(f"studio.recipes.networks.denoiser.{crop}", SHORT._replace(batch=2, frames=48))
    options = PocketOptions(tmp_path / "runs", tmp_path / "pocket")
    shutil.copytree(POCKET, options.audioldm)
    latents = np.random.default_rng(0).normal(size=(3, 8, 64, 16)).astype(np.float16)
    inputs = reading([["heavy rain"], ["light wind"], ["near birds"]], tokenizer)
    run = LoopOptions(tmp_path / "whole", 4, log_every=1)
    whole = train_audioldm2(latents, inputs, run, audioldm=POCKET / "unet")
    part = LoopOptions(tmp_path / "part", 4, log_every=1, max_minutes=0)
    for _ in range(6):
        resumed = train_audioldm2(latents, inputs, part, audioldm=POCKET / "unet")
    for (name, one), other in zip(whole.state_dict().items(), resumed.state_dict().values(), strict=True):
        torch.testing.assert_close(one, other, msg=name)
    folder = options.audioldm2
    tokenizer.save_pretrained(options.t5)
    save_part(inputs.t5, options.t5)
    inputs.t5.float()  # saving has made it half
    save_part(whole["unet"], folder / "unet")
    save_part(with_head(whole["gpt2"]), folder / "language_model")
    save_part(whole["projection"], folder / "projection_model")
    write_folder(options)
    assert verify(folder) == []
    assert train_audioldm2(latents, inputs, LoopOptions(tmp_path / "on", 1), init=folder)
    again = read_captions(options, [["heavy rain", "light rain"]])
    assert again.of_clip.tolist() == [[1, 2]]
    compare_with_pipeline(options)


def compare_with_pipeline(options: PocketOptions) -> None:
    """Diffusers' own pipeline over the folder and what it shares says what our backend says."""
    folder, audioldm = options.audioldm2, options.audioldm
    backend = audioldm2.load(folder, "cpu", "float32")
    conditioning = backend.encode_text(["heavy rain"])
    latents = torch.randn(1, 8, 32, 16, generator=torch.Generator().manual_seed(0))

    def denoise(noisy: torch.Tensor, timesteps: torch.Tensor, start_frame: int) -> torch.Tensor:
        return backend.predict_noise(noisy, timesteps, start_frame, conditioning)

    ours = backend.decode(ddim_sample(denoise, backend.schedule, latents.clone(), 3))
    backend.unload()
    shared = {
        "vae": AutoencoderKL.from_pretrained(audioldm / "vae", dtype=torch.float32),
        "vocoder": SpeechT5HifiGan.from_pretrained(audioldm / "vocoder", dtype=torch.float32),
        "text_encoder": load_clap(audioldm),
        "tokenizer": RobertaTokenizer.from_pretrained(audioldm / "tokenizer"),
        "text_encoder_2": T5EncoderModel.from_pretrained(options.t5, dtype=torch.float32),
        "tokenizer_2": T5Tokenizer.from_pretrained(options.t5),
        "feature_extractor": None,
    }
    pipeline = AudioLDM2Pipeline.from_pretrained(folder, dtype=torch.float32, **shared)
    pipeline.set_progress_bar_config(disable=True)
    theirs = pipeline(
        "heavy rain", audio_length_in_s=1.28, num_inference_steps=3, guidance_scale=1.0, latents=latents
    ).audios[0]
    np.testing.assert_allclose(ours, theirs, atol=3e-4)
