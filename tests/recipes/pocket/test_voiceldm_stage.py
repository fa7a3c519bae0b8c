"""The pocket VoiceLDM's stage, from fakes of the voices to a folder that opens."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import ClapTextModelWithProjection

from studio.backends.checkpoint import verify
from studio.backends.systems import voiceldm as backends
from studio.core.settings import data_dir
from studio.recipes.networks import content as content_recipe
from studio.recipes.networks import listener
from studio.recipes.networks import voiceldm as unet_recipe
from studio.recipes.networks.content import Content
from studio.recipes.networks.voiceldm import BAND, build_unet
from studio.recipes.pocket import options as pocket_options
from studio.recipes.pocket.options import Amounts, PocketOptions
from studio.recipes.pocket.stages import BY_NAME, run_stage
from studio.recipes.pocket.voiceldm import export_voiceldm, lay_out, read_speech
from studio.recipes.speech import tokenizer, tower
from studio.recipes.speech.dataset import SpeechSet
from studio.recipes.speech.tokenizer import token_ids
from tests.recipes.speech.speech_fakes import tone_voices
from tests.recipes.text.sentence_fakes import WORDS

POCKET = data_dir("assets") / "pocket"
TINY = Amounts(clips=12, scenes=4, clip_s=5.12, sentences=8)
SAID = "the tide is low"

pytestmark = pytest.mark.skipif(
    not (POCKET / "audioldm").is_dir(), reason="the pocket model is not shipped yet"
)


@pytest.fixture
def options(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> PocketOptions:
    """Very little, beside the AudioLDM that ships, and letters as they stand."""
    monkeypatch.setattr(tokenizer, "_charsmap", bytes)
    made = PocketOptions(
        tmp_path / "runs", tmp_path / "pocket", amounts=TINY, dictionary=lambda: WORDS, voices=tone_voices
    )
    shutil.copytree(POCKET / "audioldm", made.audioldm)
    shutil.copytree(POCKET / "voiceldm" / "vocoder", made.voiceldm / "vocoder")
    return made


def export(options: PocketOptions) -> Content:
    """A folder of untrained parts; gives what reads its texts."""
    torch.manual_seed(0)
    content = Content().eval()
    caption_tower = ClapTextModelWithProjection.from_pretrained(
        options.audioldm / "text_encoder", dtype=torch.float32
    )
    export_voiceldm(content, build_unet(160), caption_tower, options.audioldm, options.voiceldm)
    assert caption_tower.dtype == torch.float32, "what is written is a copy"
    return content


def test_what_is_written_opens_and_says_what_was_trained(options: PocketOptions) -> None:
    content = export(options)
    folder = options.voiceldm
    made = {path.relative_to(options.out).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert made == {*BY_NAME["voiceldm"].makes, *BY_NAME["voice-vocoder"].makes}
    assert verify(folder) == []
    assert str(options.runs.parent) not in "".join(path.read_text() for path in folder.rglob("*.json"))
    backend = backends.load(folder, "cpu", "float32")
    assert (
        backend.content_band == BAND == json.loads((folder / "unet/config.json").read_text())["content_band"]
    )
    ids = torch.from_numpy(token_ids(SAID))[None]
    mask = torch.ones_like(ids)
    with torch.no_grad():
        wanted, _ = content.durator(content.text_encoder(ids, mask), mask)
    torch.testing.assert_close(backend.speech_frames(SAID), wanted[0], atol=0.02, rtol=0.02)
    torch.testing.assert_close(backend.silence, content.durator.silence.detach(), atol=1e-3, rtol=1e-3)


def test_each_voice_reads_sentences_of_its_own_and_once(options: PocketOptions) -> None:
    voices = tone_voices()
    once = replace(options, voices=lambda: voices)
    speech = read_speech(once)
    texts = [{one.text for one in speech.spoken if one.voice == voice} for voice in (0, 1)]
    assert [len(found) for found in texts] == [8, 8]
    assert not texts[0] & texts[1]
    assert read_speech(once).spoken[3].text == speech.spoken[3].text
    assert [voice.said for voice in voices] == [8, 8]


def test_what_is_laid_out_tells_nothing_of_who_reads_it(options: PocketOptions) -> None:
    torch.manual_seed(0)
    speech = read_speech(options)
    hers = speech.spoken[0]
    slower = replace(
        hers, voice=1, durations=2 * hers.durations, mel=hers.mel.repeat(2, 0), phones=hers.phones.repeat(2)
    )
    laid = lay_out(Content(), SpeechSet([hers, slower], speech.phones))
    first, second = laid.content
    np.testing.assert_allclose(first, second, atol=4e-3)  # but for rounding
    for one, frames in zip(laid.spoken, laid.content, strict=True):
        assert one.frames == len(frames)
        assert len(one.mel) == 4 * len(frames)
    assert np.abs(laid.spoken[0].mel.astype(float) - laid.spoken[1].mel).mean() < 0.2


@pytest.mark.slow
def test_the_stage_is_left_and_gone_on_with(options: PocketOptions, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pocket_options, "STEPS", dict.fromkeys(pocket_options.STEPS, 2))
    monkeypatch.setattr(content_recipe, "BATCH", 2)
    monkeypatch.setattr(tower, "BATCH", 4)
    monkeypatch.setattr(listener, "BATCH", 2)
    monkeypatch.setattr(listener, "FRAMES", 16)
    for name, value in {"CLIP_BATCH": 2, "RAMP_BATCH": 2, "CLIP_FRAMES": 16, "RAMP_FRAMES": 24}.items():
        monkeypatch.setattr(unet_recipe, name, value)
    assert run_stage("corpus", options)
    hurried = replace(options, max_minutes=0)
    assert not run_stage("voiceldm", hurried)
    vocoder = {options.voiceldm / "vocoder"}
    assert set(options.voiceldm.iterdir()) == vocoder, "nothing ships before the U-Net begins"
    runs = 1
    while not run_stage("voiceldm", hurried):
        runs += 1
        assert runs < 12
    assert runs == 4, "two steps of four networks: the last of one and the first of the next in one run"
    assert verify(options.voiceldm) == []
    assert backends.load(options.voiceldm, "cpu", "float32").speech_frames(SAID).shape[1] == 160
