"""Recipe 12c: what the U-Net begins with, and the examples that it learns from."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch

from studio.dsp.mel import LOG_FLOOR
from studio.modules.content_band import content_band
from studio.recipes.data.mixing import PatchEncoder, level_db
from studio.recipes.networks import unet as audioldm
from studio.recipes.networks import voiceldm as recipe
from studio.recipes.networks.listener import UNTOLD, Listener, train_listener
from studio.recipes.networks.voiceldm import (
    BAND,
    TOWER_LENGTH,
    Composer,
    Scenes,
    Sentences,
    begin_from,
    build_unet,
    foreseen_sound,
    train_voiceldm,
)
from studio.recipes.speech.dataset import Spoken
from studio.recipes.speech.descriptions import WHO
from studio.training.loop import LoopOptions

WIDTH = 32
SCENE = "rain on a roof"


def composer() -> Composer:
    """Twelve sentences, the woman's at one level of the mel and the man's at another; scenes far below."""
    rng = np.random.default_rng(0)
    spoken = [
        Spoken(
            i % 2, "x", np.zeros(9, np.int64), np.full(9, 5.0, np.float32),
            np.full((180, 64), -1.0 - i % 2, np.float16), np.zeros(45, np.int64),
        )
        for i in range(12)
    ]  # fmt: skip
    content = [np.full((45, WIDTH), 1.0 + i, np.float16) for i in range(12)]
    scenes = Scenes(
        rng.normal(-4, 0.5, (3, 600, 64)).astype(np.float16),
        [[SCENE]] * 3,
        [["rain"], ["rain", "wind"], ["wind"]],
    )
    generator = torch.Generator().manual_seed(0)
    encoder = PatchEncoder(torch.randn(16, 8, generator=generator), torch.zeros(8))
    return Composer(Sentences(spoken, content, np.zeros(WIDTH, np.float32)), scenes, encoder)


def test_the_unet_begins_as_the_audioldm_whatever_is_said() -> None:
    torch.manual_seed(0)
    theirs, ours = audioldm.build_unet().eval(), build_unet(WIDTH).eval()
    begin_from(ours, theirs.state_dict())
    for name, parameter in theirs.named_parameters():
        if ".attn2.to_out.0." in name:  # its second attention to sound, which content replaces
            torch.nn.init.zeros_(parameter)
    noisy = torch.randn(2, 8, 32, 16)
    text = torch.nn.functional.normalize(torch.randn(2, 128), dim=-1)
    with torch.no_grad(), content_band(ours, BAND):
        wanted = theirs(noisy, 500, None, class_labels=text).sample
        found = ours(noisy, 500, torch.randn(2, 32, WIDTH), class_labels=TOWER_LENGTH * text).sample
    torch.testing.assert_close(found, wanted, atol=2e-3, rtol=2e-3)


def test_a_description_says_whose_voice_it_is_and_content_stands_where_it_is_heard() -> None:
    made = composer()
    seen = set()
    for seed in range(30):
        latents, content, texts, told, families = made.batch(4, 64, random.Random(seed))
        assert latents.shape == (4, 8, 64, 16)
        assert content.shape == (4, 64, WIDTH)
        for row, text in enumerate(texts):
            said = content[row, :, 0]
            which = said[said > 0].unique()
            voices = {int(one - 1) % 2 for one in which}
            assert len(voices) <= 1, "nobody else answers"
            seen.add((len(voices) == 1, SCENE in text))
            names = {who for number in (0, 1) for who in WHO[number] if re.search(rf"\b{who}\b", text)}
            assert (told[row] == UNTOLD) == (not names), text
            assert told[row] in (UNTOLD, *voices)
            assert (families[row, 0] == UNTOLD) == (SCENE not in text)
            for voice in voices:
                assert not any(f"{who} " in f"{text} " for who in WHO[1 - voice][:2])
    assert seen == {(True, True), (True, False), (False, True)}


def test_a_window_of_speech_has_its_content_at_its_own_frames() -> None:
    mel, content = composer()._speech(0, 64, random.Random(3))
    heard = mel.reshape(64, 4 * 64).max(1) > LOG_FLOOR + 1
    np.testing.assert_array_equal(heard, content[:, 0] > 0)


def test_a_scene_lies_below_the_voice() -> None:
    made, rng = composer(), random.Random(0)
    said, scene = np.full((256, 64), -1.0, np.float32), np.full((256, 64), -2.0, np.float32)
    voice_db = level_db(torch.from_numpy(said)[None]).item()
    for _ in range(20):
        both = level_db(torch.from_numpy(made._together(said, scene, rng))[None]).item()
        assert voice_db < both <= voice_db + 3.02


def test_what_no_description_names_is_not_listened_for() -> None:
    torch.manual_seed(0)
    ear, latents = Listener(3), torch.randn(4, 8, 16, 16)
    nobody, nothing = torch.full((4,), UNTOLD), torch.full((4, 3), float(UNTOLD))
    assert [loss.item() for loss in ear.losses(latents, nobody, nothing)] == [0, 0]
    one = nobody.clone()
    one[2] = 1
    found = ear.losses(latents, one, nothing)[0]
    torch.testing.assert_close(found, torch.nn.functional.cross_entropy(ear(latents)[0][2:3], one[2:3]))


def test_a_listener_learns_who_speaks_and_what_is_heard(tmp_path: Path) -> None:
    def draw(count: int, frames: int, generator: torch.Generator) -> tuple[torch.Tensor, ...]:
        voices = torch.randint(2, (count,), generator=generator)
        families = torch.randint(2, (count, 3), generator=generator).float()
        latents = torch.zeros(count, 8, frames, 16)
        latents[:, 0] += 2.0 * voices[:, None, None]
        latents[:, 1:4] += 2.0 * families[:, :, None, None]
        return latents, voices, families

    ear = train_listener(draw, 3, LoopOptions(tmp_path, 40))
    latents, voices, families = draw(64, 32, torch.Generator().manual_seed(9))
    voice, family = ear(latents)
    assert (voice.argmax(dim=1) == voices).float().mean() > 0.95
    assert ((family > 0).float() == families).float().mean() > 0.95
    assert not any(parameter.requires_grad for parameter in ear.parameters())


def test_what_had_to_be_foreseen_is_what_learns() -> None:
    noise, clean = torch.randn(2, 8, 4, 16), torch.randn(2, 8, 4, 16)
    level = torch.tensor([0.999, 0.05])[:, None, None, None]
    noisy = level.sqrt() * clean + (1 - level).sqrt() * noise
    velocity = (level.sqrt() * noise - (1 - level).sqrt() * clean).requires_grad_()
    foreseen = foreseen_sound(noisy, velocity, level)
    torch.testing.assert_close(foreseen, clean, atol=1e-4, rtol=1e-4)
    foreseen.sum().backward()
    assert velocity.grad is not None
    learned = velocity.grad.abs().mean(dim=(1, 2, 3))
    assert learned[1] > 500 * learned[0]


@pytest.mark.slow
def test_training_is_resumed_to_the_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"CLIP_BATCH": 2, "RAMP_BATCH": 2, "CLIP_FRAMES": 16, "RAMP_FRAMES": 24}.items():
        monkeypatch.setattr(recipe, name, value)

    def read(texts: Sequence[str]) -> torch.Tensor:
        return torch.stack([torch.full((128,), float(len(text) % 5)) for text in texts])

    torch.manual_seed(0)
    init = audioldm.build_unet().state_dict()
    weight, ear = torch.ones(8, 1, 1), Listener(2).eval().requires_grad_(False)
    whole = train_voiceldm(
        composer(), read, LoopOptions(tmp_path / "whole", 4, log_every=1), init, weight, ear
    )
    for _ in range(6):
        part = LoopOptions(tmp_path / "part", 4, log_every=1, max_minutes=0)
        resumed = train_voiceldm(composer(), read, part, init, weight, ear)
    for (name, one), other in zip(whole.state_dict().items(), resumed.state_dict().values(), strict=True):
        torch.testing.assert_close(one, other, msg=name)
    moved = [
        name for name, value in whole.state_dict().items() if ".attn2.to_out.0.weight" in name and value.any()
    ]
    assert moved, "it has begun to look at content"
