"""A dual model's takes: what it hears and when, how it is guided by it, and every combination of the tabs."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from studio.backends.systems import dcldm
from studio.backends.systems.dcldm import DcLdmBackend
from studio.backends.systems.tone import ToneBackend
from studio.core.draft import RecordedDraft
from studio.core.errors import CancelledError, InvalidRequestError
from studio.core.events import AudioChunk, Drafted, Progress, StepDone
from studio.core.request import GenerationRequest, parse_request
from studio.pipeline.acoustic import ClipAcoustics, StreamingAcoustics, clip_acoustics, streaming_acoustics
from studio.pipeline.batch import render_clips
from studio.pipeline.cancel import CancelToken
from studio.pipeline.checkpoint import RenderEvent, SavePoint
from studio.pipeline.control import TakeControl
from studio.pipeline.denoiser import build_denoiser
from studio.pipeline.drafts import AcousticModelPool, Drafts
from studio.pipeline.plan import draft_plan, resolve_plan
from studio.pipeline.renderer import Renderer
from studio.pipeline.start import FromCheckpoint, FromRecording
from studio.samplers.schedule import add_noise
from tests.backends.conftest import make_dcldm, make_tango, wake
from tests.pipeline.drafting_fakes import FakeDrafter
from tests.pipeline.test_drafts import recording

ENDLESS = {
    "kind": "endless", "base_steps": 6, "group_size": 2, "buffer_frames": 4, "warmup_steps": 2,
    "strategy": "equal",
}  # fmt: skip
CLIP = {"kind": "clip", "steps": 3}
LITE = {"kind": "lite_focus", "blocks": ("up1",)}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("dual")
    return wake(make_dcldm(make_tango(place / "tango"), place / "dual"))


@pytest.fixture(scope="module")
def backend(folder: Path) -> DcLdmBackend:
    return dcldm.load(folder, "cpu", "float32")


@pytest.fixture
def drafter() -> FakeDrafter:
    return FakeDrafter()


@pytest.fixture
def drafts(drafter: FakeDrafter, tmp_path: Path) -> Drafts:
    return Drafts(AcousticModelPool(lambda *_: drafter, lambda *_: drafter), tmp_path)


def wanted(**values: Any) -> GenerationRequest:
    start = {"mode": "dual", "prompt": "rain", "seed": 5, "duration_s": 1.28, "sampler": CLIP}
    return parse_request(**{**start, "draft": {"kind": "audiogen"}, **values})


def heard_by_clip(request: GenerationRequest, backend: DcLdmBackend, drafts: Drafts) -> ClipAcoustics:
    draft = draft_plan(request)
    assert draft is not None
    assert request.duration_s is not None
    return clip_acoustics(draft, request.prompt, request.duration_s, backend, drafts)


def heard_by_take(
    request: GenerationRequest, backend: DcLdmBackend, drafts: Drafts, control: TakeControl | None = None
) -> StreamingAcoustics:
    draft = draft_plan(request)
    assert draft is not None
    return streaming_acoustics(draft, control or TakeControl(request.prompt, request.lane), backend, drafts)


def denoiser(
    request: GenerationRequest, backend: DcLdmBackend, acoustics: ClipAcoustics | None = None
) -> Any:
    return build_denoiser(resolve_plan(request, backend), backend, CancelToken(), acoustics=acoustics)


def sound_of(events: Any) -> np.ndarray:
    return np.concatenate([event.samples for event in events if isinstance(event, AudioChunk)])


@pytest.mark.slow
@pytest.mark.parametrize("draft", ["none", "audiogen"])
@pytest.mark.parametrize("attention", [{"kind": "dense"}, LITE], ids=["dense", "lite_focus"])
@pytest.mark.parametrize("sampler", [CLIP, ENDLESS], ids=["clip", "endless"])
def test_all_eight_combine(
    backend: DcLdmBackend, drafts: Drafts, sampler: dict[str, Any], attention: dict[str, Any], draft: str
) -> None:
    """Endless × LiteFocus × dual, each for a few steps: sound of the right length, its own each time."""
    mode = "infinite" if sampler is ENDLESS else "dual"
    request = wanted(mode=mode, sampler=sampler, attention=attention, draft={"kind": draft})
    sound = sound_of(Renderer(drafts)(request, backend, CancelToken()))
    assert len(sound) == round(1.28 * 16000)
    assert np.isfinite(sound).all()
    np.testing.assert_array_equal(sound, sound_of(Renderer(drafts)(request, backend, CancelToken())))
    for other in (
        {"draft": {"kind": "audiogen" if draft == "none" else "none"}},
        {"attention": {"kind": "dense"} if attention is LITE else LITE},
    ):
        changed = parse_request(**{**request.model_dump(), **other})
        assert (sound != sound_of(Renderer(drafts)(changed, backend, CancelToken()))).any()


@pytest.mark.slow
@pytest.mark.parametrize("draft", ["none", "audiogen"])
@pytest.mark.parametrize("attention", [{"kind": "dense"}, LITE], ids=["dense", "lite_focus"])
@pytest.mark.parametrize("sampler", [CLIP, ENDLESS], ids=["clip", "endless"])
def test_all_eight_combine_in_stereo(
    backend: DcLdmBackend, drafts: Drafts, sampler: dict[str, Any], attention: dict[str, Any], draft: str
) -> None:
    """A wide take's middle is its mono take; a twin's channel is, the nearer the less wide it is."""
    mode = "infinite" if sampler is ENDLESS else "dual"
    told = {"mode": mode, "sampler": sampler, "attention": attention, "draft": {"kind": draft}}
    mono, wide, near, far = (
        sound_of(Renderer(drafts)(wanted(**told, stereo=stereo, width=width), backend, CancelToken()))
        for stereo, width in (("mono", 0.0), ("wide", 0.7), ("twin", 1e-6), ("twin", 1.0))
    )
    np.testing.assert_allclose(wide.mean(axis=1), mono, atol=1e-6)
    assert np.abs(wide[:, 0] - wide[:, 1]).max() > 0
    assert near.shape == far.shape == (len(mono), 2)
    assert np.isfinite(far).all()
    off = [np.abs(both - mono[:, None]).mean(axis=0) for both in (near, far)]
    assert (off[0] < 0.2 * off[1]).all(), "the draft, and the tokens that are attended to, are the take's own"


@pytest.mark.slow
def test_sparse_twins_side_by_side_are_what_they_are_alone(backend: DcLdmBackend) -> None:
    told = {"attention": LITE, "draft": {"kind": "none"}, "stereo": "twin"}
    requests = [wanted(**told, seed=seed) for seed in (1, 2)]
    for request, made in zip(requests, render_clips(requests, backend), strict=True):
        np.testing.assert_allclose(made, render_clips([request], backend)[0], atol=1e-4)


def test_the_draft_comes_first_and_says_how_far_it_is(backend: DcLdmBackend, drafts: Drafts) -> None:
    events: list[RenderEvent] = list(Renderer(drafts)(wanted(), backend, CancelToken()))
    kinds = [type(event) for event in events]
    assert kinds.index(Drafted) < kinds.index(StepDone) < kinds.index(AudioChunk)
    [drafted] = [event for event in events if isinstance(event, Drafted)]
    assert drafted.tokens.shape == (4, 64)
    assert len(drafted.samples) == 64 * 320
    said = [event.message for event in events if isinstance(event, Progress)]
    assert any("Drafting, 50 %" in message for message in said)


def test_a_stop_ends_the_draft(backend: DcLdmBackend, drafts: Drafts) -> None:
    cancel, seen = CancelToken(), []

    def read() -> None:
        for event in Renderer(drafts)(wanted(), backend, cancel):
            seen.append(event)
            if isinstance(event, Progress) and "Drafting" in event.message:
                cancel.set()

    with pytest.raises(CancelledError):
        read()
    assert not any(isinstance(event, StepDone) for event in seen)


def test_the_seed_of_the_draft(backend: DcLdmBackend, drafts: Drafts, drafter: FakeDrafter) -> None:
    """The take's, unless it has its own: another draft for the same noise."""
    takes = [
        sound_of(Renderer(drafts)(wanted(draft={"kind": "audiogen", **own}), backend, CancelToken()))
        for own in ({}, {"seed": 5}, {"seed": 6})
    ]
    np.testing.assert_array_equal(takes[0], takes[1])
    assert (takes[0] != takes[2]).any()
    assert [seed for prompt, _, seed, _ in drafter.asked if prompt] == [5, 6]


def test_equal_scales_are_the_paper_and_no_acoustics_are_tango(backend: DcLdmBackend, drafts: Drafts) -> None:
    latents = torch.randn(1, 8, 32, 16, generator=torch.Generator().manual_seed(0))
    at = torch.tensor([500])

    def predicted(request: GenerationRequest) -> torch.Tensor:
        return denoiser(request, backend, heard_by_clip(request, backend, drafts))(latents, at, 0)

    both = predicted(wanted(guidance_scale=4.0))
    same = predicted(wanted(guidance_scale=4.0, draft={"kind": "audiogen", "acoustic_scale": 4.0}))
    torch.testing.assert_close(both, same, rtol=0, atol=0)
    acoustics = heard_by_clip(wanted(), backend, drafts)
    full = denoiser(wanted(guidance_scale=1.0), backend, acoustics)(latents, at, 0)
    silent = {"kind": "audiogen", "acoustic_scale": 0.0}
    none = denoiser(wanted(guidance_scale=0.0, draft=silent), backend, acoustics)(latents, at, 0)
    torch.testing.assert_close(both, 4 * full - 3 * none, rtol=1e-4, atol=1e-4)
    text = predicted(wanted(guidance_scale=1.0, draft=silent))
    assert not torch.allclose(text, full, atol=1e-4), "the draft counts"


@pytest.mark.parametrize("strength", [0.34, 0.67, 1.0])
def test_strength_begins_from_the_draft(
    backend: DcLdmBackend, drafts: Drafts, monkeypatch: pytest.MonkeyPatch, strength: float
) -> None:
    """Its sound under the seed's noise, of the first step that is not skipped; the noise alone at 1."""
    request, kept = wanted(draft={"kind": "audiogen", "strength": strength}), round(strength * 3)
    seen, plain = [], backend.predict_noise

    def watched(latents: torch.Tensor, timesteps: torch.Tensor, *told: Any) -> torch.Tensor:
        seen.append((latents[0], timesteps[0]))
        return plain(latents, timesteps, *told)

    monkeypatch.setattr(backend, "predict_noise", watched)
    steps = [e for e in Renderer(drafts)(request, backend, CancelToken()) if isinstance(e, StepDone)]
    assert [(step.step, step.total) for step in steps] == [(i + 1, kept) for i in range(kept)]
    assert [int(at) for _, at in seen] == backend.schedule.timesteps(3)[3 - kept :].tolist()
    begun = torch.randn(1, 8, 32, 16, generator=torch.Generator().manual_seed(request.seed))
    if kept < 3:
        sound = backend.encode_audio(heard_by_clip(request, backend, drafts).draft.samples[: 32 * 640])
        begun = add_noise(sound, begun, backend.schedule.alpha_bar(seen[0][1]))
    torch.testing.assert_close(seen[0][0], begun[0])


def test_a_recording_takes_audiogens_place(
    backend: DcLdmBackend, drafts: Drafts, drafter: FakeDrafter
) -> None:
    for sampler in (CLIP, ENDLESS):
        mode = "infinite" if sampler is ENDLESS else "dual"
        own = drafts.store_recording(recording(), "fake")
        events = list(Renderer(drafts)(wanted(mode=mode, sampler=sampler, draft=own), backend, CancelToken()))
        assert len(sound_of(events)) == round(1.28 * 16000)
        if sampler is CLIP:
            [drafted] = [event for event in events if isinstance(event, Drafted)]
            np.testing.assert_array_equal(drafted.tokens, drafts.of_recording(own, "cpu").tokens[:, :64])
    assert {prompt for prompt, *_ in drafter.asked} == {""}


def test_an_endless_draft_grows_ahead_and_forgets(backend: DcLdmBackend, drafts: Drafts) -> None:
    """Windows that overlap hear the same where they do; memory is a piece's, not the take's."""
    request = wanted(mode="infinite", sampler=ENDLESS, duration_s=None)
    acoustics = heard_by_take(request, backend, drafts)
    first = acoustics.window(0, 100)
    assert first.shape == (2, 200, 128)
    torch.testing.assert_close(acoustics.window(40, 60)[1], first[1, 80:])
    for start in range(100, 4000, 25):
        acoustics.window(start, 100)
        assert acoustics.state_dict()["tokens"].shape[1] <= (100 + 3 * 125) * 2
    state = acoustics.state_dict()
    later = heard_by_take(request, backend, drafts)
    later.load_state_dict(state)
    for start in (3990, 4200, 4500):
        torch.testing.assert_close(later.window(start, 100), acoustics.window(start, 100))


def test_each_frame_hears_its_own_place_of_the_draft(
    backend: DcLdmBackend, drafts: Drafts, drafter: FakeDrafter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two tokens a frame; and it is the window's own that the model is given."""
    request = wanted(mode="infinite", sampler=ENDLESS, duration_s=None)
    acoustics = heard_by_take(request, backend, drafts)
    draft = drafter.latents(drafter.draft("rain", 5.0, seed=5).tokens[None])[0]
    torch.testing.assert_close(acoustics.window(10, 20)[1], draft[20:60])
    given = []
    plain = backend.predict_noise

    def watched(latents: torch.Tensor, timesteps: torch.Tensor, start_frame: int, said: Any) -> torch.Tensor:
        given.append((start_frame, said.acoustic.states[-1]))
        return plain(latents, timesteps, start_frame, said)

    monkeypatch.setattr(backend, "predict_noise", watched)
    denoise = build_denoiser(resolve_plan(request, backend), backend, CancelToken(), acoustics=acoustics)
    denoise(torch.zeros(1, 8, 20, 16), torch.tensor([500]), 10)
    [(start_frame, heard)] = given
    assert start_frame == 10
    torch.testing.assert_close(heard, draft[20:60])


@pytest.mark.parametrize("own", [{}, {"seed": 9}])
def test_every_piece_of_an_endless_draft_has_a_seed_of_its_own(
    backend: DcLdmBackend, drafts: Drafts, drafter: FakeDrafter, own: dict[str, int]
) -> None:
    """From the take's on, or the draft's own: of one seed it would go round."""
    request = wanted(mode="infinite", sampler=ENDLESS, duration_s=None, draft={"kind": "audiogen", **own})
    acoustics = heard_by_take(request, backend, drafts)
    drafter.asked.clear()
    acoustics.window(0, 300)
    first = own.get("seed", 5)
    assert [seed for *_, seed, _ in drafter.asked] == [first, first + 1, first + 2]
    later = heard_by_take(request, backend, drafts)
    later.load_state_dict(acoustics.state_dict())
    drafter.asked.clear()
    later.window(300, 125)
    assert [seed for *_, seed, _ in drafter.asked] == [first + 3], (
        "nor does a take that goes on draw it again"
    )


def test_an_endless_draft_follows_the_lane(
    backend: DcLdmBackend, drafts: Drafts, drafter: FakeDrafter
) -> None:
    request = wanted(mode="infinite", sampler=ENDLESS, lane=[{"at_s": 6.0, "prompt": "birds"}])
    control = TakeControl(request.prompt, request.lane)
    acoustics = heard_by_take(request, backend, drafts, control)
    drafter.asked.clear()
    acoustics.window(0, 300)
    assert [prompt for prompt, *_ in drafter.asked] == ["rain", "rain", "birds"]
    control.request_change("wind", ())
    control.apply_pending(12.0)
    acoustics.window(300, 150)
    assert [prompt for prompt, *_ in drafter.asked][3:] == ["wind"]


def test_tokens_follow_a_lane_by_what_is_predicted_of_each_prompt(
    backend: DcLdmBackend, drafts: Drafts
) -> None:
    """Before the change as the one prompt, after it as the other, and in between as their mean."""
    lane = [{"at_s": 0.64, "prompt": "birds"}]
    values = {"mode": "infinite", "sampler": ENDLESS, "draft": {"kind": "none"}, "lane_blend_s": 0.32}
    request = wanted(**values, lane=lane)
    latents = torch.randn(1, 8, 32, 16, generator=torch.Generator().manual_seed(0))

    def noise(asked: GenerationRequest) -> torch.Tensor:
        return denoiser(asked, backend)(latents, torch.full((1,), 500), 0)

    changing, rain, birds = noise(request), noise(wanted(**values)), noise(wanted(**values, prompt="birds"))
    torch.testing.assert_close(changing[:, :, :17], rain[:, :, :17])
    torch.testing.assert_close(changing[:, :, 24:], birds[:, :, 24:])
    torch.testing.assert_close(changing[:, :, 20], (rain + birds)[:, :, 20] / 2)
    assert (rain - birds).abs().max() > 1e-3


def test_a_take_goes_on_hearing_what_it_heard(backend: DcLdmBackend, drafts: Drafts) -> None:
    request = wanted(mode="infinite", sampler=ENDLESS, duration_s=6.4)
    events = list(Renderer(drafts)(request, backend, CancelToken()))
    whole = sound_of(events)
    point = next(e for e in events if isinstance(e, SavePoint) and e.samples > 3 * 16000)
    rest = sound_of(Renderer(drafts)(request, backend, CancelToken(), None, FromCheckpoint(point.checkpoint)))
    np.testing.assert_allclose(rest, whole[point.samples :], atol=1e-5)


def test_who_hears_no_draft_says_so(backend: DcLdmBackend, drafts: Drafts, folder: Path) -> None:
    with pytest.raises(InvalidRequestError, match="hears no draft"):
        list(Renderer(drafts)(wanted(), ToneBackend(), CancelToken()))
    with pytest.raises(InvalidRequestError, match="nothing here that makes drafts"):
        list(Renderer()(wanted(), backend, CancelToken()))
    request = wanted(mode="infinite", sampler=ENDLESS, duration_s=9.0)
    with pytest.raises(InvalidRequestError, match="goes on from a recording"):
        list(Renderer(drafts)(request, backend, CancelToken(), None, FromRecording(recording())))
    gone = RecordedDraft(model="fake", sha256="b" * 64, file="mine.wav")
    with pytest.raises(InvalidRequestError, match=r"mine\.wav is not here"):
        list(Renderer(drafts)(wanted(draft=gone), backend, CancelToken()))
    with pytest.raises(InvalidRequestError, match="not heard by joined clips"):
        wanted(sampler={"kind": "concat"})


@pytest.mark.parametrize("what", ["silence", "one sample", "short"])
def test_odd_recordings(backend: DcLdmBackend, drafts: Drafts, what: str) -> None:
    """Of what `read_recording` lets through, and less."""
    samples = {
        "silence": np.zeros(16000, np.float32),
        "one sample": np.zeros(1, np.float32),
        "short": np.full(4000, 0.1, np.float32),
    }[what]
    base = recording()
    own = drafts.store_recording(type(base)(samples, base.source), "fake")
    request = wanted(draft=own)
    if what == "one sample":
        with pytest.raises(InvalidRequestError, match="too short"):
            list(Renderer(drafts)(request, backend, CancelToken()))
    else:
        assert len(sound_of(Renderer(drafts)(request, backend, CancelToken()))) == round(1.28 * 16000)
    shutil.rmtree(drafts._folder)
