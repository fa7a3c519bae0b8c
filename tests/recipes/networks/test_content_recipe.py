"""Recipe 12a: letters laid out along the latents' frames."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from studio.modules.durator import Durator
from studio.recipes.data.mixing import PatchEncoder
from studio.recipes.networks import content as recipe
from studio.recipes.networks.content import (
    WIDTH,
    Content,
    Heads,
    begin_aligned,
    draw_sentences,
    duration_loss,
    latents_of,
    others_phones,
    speech_config,
    stretch,
    train_content,
)
from studio.recipes.speech.dataset import SpeechSet, Spoken, collate
from studio.recipes.speech.tokenizer import TOKENS, token_ids
from studio.training.loop import LoopOptions


def spoken(text: str, voice: int, per_letter: float = 2.0) -> Spoken:
    ids = token_ids(text)
    frames = round(per_letter * len(ids))
    rng = np.random.default_rng(len(text) + voice)
    mel = rng.normal(-5, 2, (4 * frames, 64)).astype(np.float16)
    phones = np.repeat(ids, round(per_letter))[:frames] % 7
    return Spoken(voice, text, ids, np.full(len(ids), per_letter, np.float32), mel, phones)


@pytest.fixture
def speech() -> SpeechSet:
    texts = "the old house", "a new river", "tall gates", "one boat"
    return SpeechSet([spoken(text, voice) for text in texts for voice in (0, 1)], 7)


@pytest.fixture
def encoder() -> PatchEncoder:
    generator = torch.Generator().manual_seed(0)
    return PatchEncoder(torch.randn(16, 8, generator=generator), torch.randn(8, generator=generator))


def test_each_frame_begins_with_the_token_whose_time_it_is() -> None:
    torch.manual_seed(0)
    durator = Durator(WIDTH).eval()
    begin_aligned(durator)
    durations = torch.tensor([[2.0, 3.0, 1.0, 4.0]])
    mask = torch.ones(1, 4, dtype=torch.long)
    states = torch.randn(1, 4, WIDTH)
    within = {0: 0, 2: 1, 3: 1, 6: 3, 7: 3, 8: 3}  # a token's last frame is as near to the next one
    with torch.no_grad():
        frames, lengths = durator(states, mask, durations)
        moved = [durator(states + 3 * torch.eye(4)[None, :, i : i + 1], mask, durations)[0] for i in range(4)]
    assert lengths.tolist() == [10]
    change = torch.stack([(other - frames).norm(dim=-1)[0] for other in moved])
    assert {frame: int(change[:, frame].argmax()) for frame in within} == within


def test_content_has_the_length_that_it_is_given(speech: SpeechSet) -> None:
    torch.manual_seed(0)
    batch = collate(speech.spoken[:3])
    frames, logs = Content().eval()(batch)
    assert frames.shape == (3, int(batch.frames.max()), WIDTH)
    assert logs.shape == batch.ids.shape
    assert speech_config().vocab_size == len(TOKENS)
    assert Heads(7, 2).latents(frames, batch.voices).shape == (3, 8, frames.shape[1], 16)


def test_durations_are_judged_by_their_logarithms_where_there_are_tokens(speech: SpeechSet) -> None:
    batch = collate([speech.spoken[0], speech.spoken[6]])
    right = batch.durations.clamp(min=1).log()
    assert duration_loss(right, batch).item() == 0
    beyond = torch.where(batch.mask == 0, 9.0, right)
    assert duration_loss(beyond, batch).item() == 0
    assert duration_loss(right + 0.5, batch).item() == pytest.approx(0.25)


def test_voices_take_turns() -> None:
    drawn = draw_sentences([[0, 1, 2], [7, 8]], 10, torch.Generator().manual_seed(0))
    assert [which > 5 for which in drawn] == [False, True] * 5
    assert set(draw_sentences([[], [7, 8]], 10, torch.Generator().manual_seed(0))) <= {7, 8}


def test_latents_are_those_of_each_sentence_and_nothing_behind_it(
    speech: SpeechSet, encoder: PatchEncoder
) -> None:
    first, second = speech.spoken[0], speech.spoken[6]
    both = latents_of([first, second], encoder)
    alone = encoder.encode(torch.from_numpy(second.mel.astype(np.float32))[None])
    torch.testing.assert_close(both[1, :, : second.frames], alone[0])
    assert not both[1, :, second.frames :].any()


def test_no_voice_is_told_by_the_phones_that_are_its_alone() -> None:
    said = [spoken("the old house", 0), spoken("the old house", 1)]
    hers, his = said[0], said[1]
    speech = SpeechSet([hers, Spoken(1, his.text, his.ids, his.durations, his.mel, his.phones + 7)], 14)
    others = others_phones(speech)
    own = torch.from_numpy(np.unique(hers.phones))
    assert not others[0, own].any()
    assert others[1, own].all()
    assert not others[1, own + 7].any()
    assert others[0, own + 7].all()


@pytest.mark.slow
def test_training_is_resumed_to_the_step(
    speech: SpeechSet, encoder: PatchEncoder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recipe, "BATCH", 4)
    weight = torch.ones(8, 1, 1)
    whole, _ = train_content(speech, encoder, weight, LoopOptions(tmp_path / "whole", 4, log_every=1))
    for _ in range(6):
        part = LoopOptions(tmp_path / "part", 4, log_every=1, max_minutes=0)
        resumed, _ = train_content(speech, encoder, weight, part)
    for (name, one), other in zip(whole.state_dict().items(), resumed.state_dict().values(), strict=True):
        torch.testing.assert_close(one, other, msg=name)
    fresh = Content().state_dict()
    trained = whole.state_dict()
    assert any(not torch.equal(trained[name], fresh[name]) for name in fresh)


def test_letters_are_said_so_many_times_as_long() -> None:
    content = Content().eval()
    batch = collate([spoken("a calm sea", 0)])
    states = content.text_encoder(batch.ids, batch.mask)
    with torch.no_grad():
        torch.nn.init.constant_(content.durator.dp.proj.bias, 1.0)  # far from the bounds
        before = content.durator.durations(states, batch.mask)
        stretch(content.durator, 1.5)
        torch.testing.assert_close(content.durator.durations(states, batch.mask), 1.5 * before)
