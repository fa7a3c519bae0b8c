"""The Dual tab: its values make a request, presets fill it, its draft reaches the page, and its grid."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np
import pytest
import soundfile as sf
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from studio.backends.acoustic.audiocraft_shim import MISSING
from studio.backends.catalog import DRAFTER, list_models
from studio.backends.systems import dcldm
from studio.core.binding import fill, opening
from studio.core.defaults import usual_defaults
from studio.core.errors import InvalidRequestError, ModelNotFoundError
from studio.core.events import Drafted
from studio.core.preset import Preset, named_preset, shipped_presets
from studio.core.request import parse_request
from studio.core.settings import Settings
from studio.pipeline.drafts import AcousticModelPool, Drafts
from studio.pipeline.renderer import Renderer
from studio.service.compare import scales
from studio.service.jobs.job import Job
from studio.service.live.pcm_stream import PcmStream
from studio.service.studio import Studio
from studio.ui.forms import read_form
from studio.ui.panels import drafted
from studio.ui.panels.live import LiveView
from studio.ui.tabs import dual
from studio.ui.tabs.library import LibraryView
from studio.ui.tabs.take_tab import Shared, TakeHandlers
from tests.backends.conftest import make_dcldm, make_tango, wake
from tests.pipeline.drafting_fakes import FakeDrafter
from tests.service.service_fakes import create_backend, render_ramp

SETTINGS = Settings()
FORM = opening("dual", model="tone", keep_running=True)
PRESETS = {s: p for s, p in shipped_presets(SETTINGS.presets).items() if p.mode == "dual"}


@pytest.fixture
def studio(tmp_path: Path) -> Any:
    drafter = FakeDrafter()
    drafts = Drafts(AcousticModelPool(lambda *_: drafter, lambda *_: drafter), tmp_path)
    made = Studio(Settings(outputs=tmp_path), create_backend, render_ramp, drafts=drafts)
    yield made
    made.close()


@pytest.fixture
def handlers(studio: Studio) -> TakeHandlers:
    return TakeHandlers(Shared.of(studio), "dual")


@pytest.fixture
def own(tmp_path: Path) -> str:
    sf.write(tmp_path / "own.wav", np.linspace(-0.4, 0.4, 32000), 16000)
    return str(tmp_path / "own.wav")


def test_every_field_arrives(studio: Studio, own: str) -> None:
    form = opening(
        "dual", prompt="sea", negative_prompt="gulls", duration_s=8, steps=30, seed=7, model="tone",
        draft="audiogen", draft_model="mine", draft_seed=3, temperature=0.9, top_k=40, text_scale=5,
        acoustic_scale=2.5, strength=0.6, attention="lite_focus",
    )  # fmt: skip
    request = read_form("dual", form, studio)
    assert (request.mode, request.prompt, request.negative_prompt) == ("dual", "sea", "gulls")
    assert (request.duration_s, request.seed, request.guidance_scale) == (8, 7, 5)
    assert request.acoustic_scale == 2.5
    sampler = {"kind": "clip", "steps": 30, "method": "ddim", "reuse": "off", "guided_from": 0.0}
    assert request.sampler.model_dump() == {**sampler, "guided_to": 1.0}
    assert request.attention.kind == "lite_focus"
    assert request.draft.model_dump() == {
        "kind": "audiogen", "model": "mine", "acoustic_scale": 2.5, "strength": 0.6, "seed": 3,
        "temperature": 0.9, "top_k": 40, "top_p": 0.0, "guidance_scale": 3.0,
    }  # fmt: skip
    assert read_form("dual", form | {"draft_seed": -1}, studio).draft.seed is None  # type: ignore[union-attr]
    assert read_form("dual", form | {"draft": "none"}, studio).draft.kind == "none"
    recorded = read_form("dual", form | {"draft": "recorded", "recording": own}, studio).draft.model_dump()
    assert recorded["kind"] == "recorded"
    assert (recorded["file"], recorded["strength"], recorded["acoustic_scale"]) == ("own.wav", 0.6, 2.5)
    assert (studio.settings.outputs / "drafts" / f"{recorded['sha256']}.flac").is_file()


@pytest.mark.parametrize("stem", list(PRESETS))
def test_every_shipped_preset_opens_in_the_form(stem: str, studio: Studio) -> None:
    preset = PRESETS[stem]
    filled = FORM | fill("dual", named_preset(stem, SETTINGS.presets))
    made, meant = read_form("dual", filled, studio), preset.request(seed=0)
    assert made.acoustic_scale == meant.acoustic_scale
    same = {"seed": 0, "model": meant.model, "draft": made.draft.model_copy(update={"acoustic_scale": None})}
    meant_draft = meant.draft.model_copy(update={"acoustic_scale": None})
    assert made.model_copy(update=same) == meant.model_copy(update={"draft": meant_draft})
    assert preset.description


def test_there_are_half_a_dozen_presets() -> None:
    assert len(PRESETS) >= 6


DRAFTS = st.one_of(
    st.just({"kind": "none"}),
    st.fixed_dictionaries(
        {
            "kind": st.just("audiogen"),
            "seed": st.one_of(st.none(), st.integers(0, 2**40)),
            "temperature": st.floats(0.1, 5),
            "top_k": st.integers(0, 1000),
            "acoustic_scale": st.floats(0, 10),
            "strength": st.floats(0.05, 1),
        }
    ),
)


@given(DRAFTS, st.integers(1, 200), st.floats(2.5, 60), st.floats(0, 10))
def test_a_take_opens_as_it_was(draft: dict[str, Any], steps: int, duration_s: float, scale: float) -> None:
    request = parse_request(
        mode="dual", prompt="x", seed=3, duration_s=duration_s, model={"id": "tone"}, guidance_scale=scale,
        sampler={"kind": "clip", "steps": steps}, draft=draft,
    )  # fmt: skip
    record = Preset(name="x", settings=request.model_dump(mode="json"))
    opened = FORM | fill("dual", record)
    keeper: Any = type("Keeper", (), {"settings": SETTINGS, "defaults_of": staticmethod(usual_defaults)})()
    assert read_form("dual", opened, keeper) == request


def test_the_library_opens_a_take_here(studio: Studio, handlers: TakeHandlers) -> None:
    *_, last = handlers.generate(**(FORM | {"duration_s": 3.0, "steps": 4, "seed": 7, "draft": "none"}))
    assert last[2]["interactive"] is True
    take = next(studio.library.takes())
    assert "__dual__" in take.path.name
    opened = LibraryView(studio).open_take(take.id)
    assert opened.mode == "dual"
    filled = opened.values
    assert (filled["seed"], filled["duration_s"], filled["draft"]) == ("7", 3.0, "none")


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"prompt": ""}, "prompt is empty"),
        ({"duration_s": 0}, "length (seconds)"),
        ({"duration_s": 1e9}, "length (seconds)"),
        ({"steps": None}, "steps"),
        ({"text_scale": float("nan")}, "follow the text"),
        ({"text_scale": 1e6}, "follow the text"),
        ({"acoustic_scale": float("nan")}, "follow the draft"),
        ({"acoustic_scale": 1e6}, "follow the draft"),
        ({"strength": 0}, "how far from the draft"),
        ({"temperature": 0}, "temperature"),
        ({"top_k": -3}, "top k"),
        ({"draft": "recorded"}, "choose your own audio"),
        ({"draft": "recorded", "recording": "gone.wav"}, "gone.wav"),
        ({"draft": "whistled"}, "must be one of"),
    ],
)
def test_bad_values_become_one_sentence(handlers: TakeHandlers, changes: dict[str, Any], word: str) -> None:
    *_, last = handlers.generate(**(FORM | changes))
    assert last[0]["phase"] == "failed"
    assert word in last[0]["message"].lower()
    assert last[0]["message"].endswith(".")


def test_without_audiogen_it_says_how_to_get_it_and_own_audio_still_drafts(tmp_path: Path, own: str) -> None:
    def missing(*_: str) -> FakeDrafter:
        raise ModelNotFoundError(MISSING)

    folder = wake(make_dcldm(make_tango(tmp_path / "tango"), tmp_path / "dual"))
    unconditional = np.zeros((4, 50), np.int16)
    drafts = Drafts(AcousticModelPool(missing, lambda *_: FakeDrafter(unconditional=unconditional)), tmp_path)
    load = lambda choice: dcldm.load(folder, "cpu", "float32", model_id=choice.id)  # noqa: E731
    studio = Studio(Settings(outputs=tmp_path, device="cpu"), load, Renderer(drafts), drafts=drafts)
    tab, form = TakeHandlers(Shared.of(studio), "dual"), FORM | {"duration_s": 2.56, "steps": 2}
    *_, last = tab.generate(**form)
    assert last[0]["phase"] == "failed"
    assert "--group audiocraft" in last[0]["message"]
    *_, last = tab.generate(**(form | {"draft": "recorded", "recording": own}))
    assert last[0]["phase"] == "finished", last[0]
    assert last[0]["drafted"] is True
    studio.close()


def test_a_draft_reaches_the_page_before_the_take() -> None:
    job = Job(parse_request(mode="dual", prompt="x", sampler={"kind": "clip"}), PcmStream(8.0))
    view = LiveView(job)
    assert view.state()["drafted"] is False
    tokens = np.arange(8, dtype=np.int16).reshape(4, 2)
    samples = np.linspace(-0.5, 0.5, 640).astype(np.float32)
    view.see(Drafted(samples, 16000, tokens, np.full((3, 64), 7, np.uint8)))
    assert view.state()["drafted"] is True
    assert view.draft is not None
    heard, rate = sf.read(io.BytesIO(drafted.sound(view.draft)))
    assert rate == 16000
    np.testing.assert_allclose(heard, samples, atol=1e-4)
    assert Image.open(io.BytesIO(drafted.picture(view.draft))).size == (3, 64)
    rows = np.asarray(Image.open(io.BytesIO(drafted.tokens(view.draft))))
    assert rows.shape[:2] == (4 * drafted.TOKEN_ROW_PIXELS, 2)
    assert rows[0, 0].sum() < rows[-1, -1].sum(), "the first codebook on top, brighter for higher tokens"


def test_it_offers_what_hears_drafts_and_what_makes_them(studio: Studio) -> None:
    models = list_models(SETTINGS)
    with gr.Blocks() as page:
        dual.build(Shared.of(studio), models)
    offered = {
        part.elem_id: {model for _, model in part.choices}
        for part in page.blocks.values()
        if isinstance(part, gr.Dropdown)
    }
    assert offered["dual-draft-model"] == {model.id for model in models if model.system == DRAFTER}
    assert {"pocket/dcldm", "pocket/tango"} <= offered["dual-model"]
    assert not offered["dual-model"] & offered["dual-draft-model"]


def test_the_grid_is_every_pair() -> None:
    request = parse_request(
        mode="dual", prompt="x", seed=1, sampler={"kind": "clip"}, draft={"kind": "audiogen"}
    )
    made = scales(request, "1, 4", "0 2.5 8")
    assert [(v.request.guidance_scale, v.request.acoustic_scale) for v in made] == [
        (1, 0), (1, 2.5), (1, 8), (4, 0), (4, 2.5), (4, 8),
    ]  # fmt: skip
    assert {v.request.seed for v in made} == {1}
    for text in ("", "one", "1e6", "-1", "nan", "1 2 3 4 5 6 7"):
        with pytest.raises(InvalidRequestError, match="Text scales"):
            scales(request, text, "1")
    with pytest.raises(InvalidRequestError, match="Without a draft"):
        scales(request.model_copy(update={"draft": parse_request(prompt="x").draft}), "1", "1")
