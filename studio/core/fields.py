"""The one table of what may be said of a take: form, command line, API, and their help are made of its rows.

In the order of the command line's options. A row that names its modes takes the place for them of
one of the same name that is every mode's.
"""

from __future__ import annotations

import math
from pathlib import Path

from studio.core.field import Field, OnPage, Option, Parameter
from studio.core.sound_files import readable

KINDS = readable()
MAX_SCALE = 10.0  # of the page's sliders
INFINITE, SPARSE, DUAL = ("infinite",), ("sparse",), ("dual",)
SPEAKING = (*INFINITE, *SPARSE)  # where words can be said, and the text may stand alone
EVERY: tuple[str, ...] = ()

_DENSE = (("Dense", "dense"), ("LiteFocus", "lite_focus"))
_SPARSE = (("LiteFocus", "lite_focus"), ("Dense", "dense"), ("Token merging", "token_merging"))
_ATTENTION = Option("dense, lite_focus or token_merging.")
_SECONDS = Option("Length of the take.", "seconds", shown="{:g}")
_SECONDS_CALL = Parameter(3, "Seconds", "seconds", widget="number", empty=10)
_GUIDANCE = Option("CFG scale.", "guidance")
_SCENE = Option("CFG scale; how much the scene counts beside words.", "guidance", also="--scene-scale")
_STEPS = Option("Denoising steps.")
_ACOUSTIC = Option("How much the draft counts.", shown="as --guidance: the paper's")
_DRAFT_MODEL = Option("What makes the draft, or reads your file.")


def _number(place: int, label: str, empty: int = -1) -> Parameter:
    return Parameter(place, label, widget="number", empty=empty)


FIELDS: tuple[Field, ...] = (
    Field(
        "prompt", "prompt", "Prompt", EVERY,
        OnPage("prompt", placeholder="Describe the sound", stays=True),
        Option("The sound, in words.", shown=None), Parameter(1, "Prompt"),
    ),
    Field(
        "negative_prompt", "negative_prompt", "Negative prompt", EVERY,
        OnPage("negative-prompt", placeholder="Sounds to keep out"),
        Option("Sounds to keep out.", shown=None), Parameter(2, "Negative prompt"),
    ),
    Field(
        "lane", "lane", "Changes of the scene", INFINITE,
        OnPage(
            "lane", "text", placeholder="0:30 | heavy rain\n1:15 | birds singing", codec="lane",
            info="One change per line: the time, then the prompt from there on.",
        ),
        Option(
            "A text file of prompt changes, one 'mm:ss | prompt' a line; 0:00 may be the first.",
            shown=None, kind=Path,
        ),
        Parameter(6, "Prompt lane"),
    ),
    Field(
        "lane_blend_s", "lane_blend_s", "Blend", INFINITE,
        OnPage("blend"), Option("Seconds a prompt change of the lane takes.", "blend"), unit="seconds",
    ),
    Field(
        "duration_s", "duration_s", "Length", EVERY,
        OnPage("duration", empty=0.0), _SECONDS, _SECONDS_CALL, unit="seconds",
    ),
    Field(
        "duration_s", "duration_s", "Length", INFINITE,
        OnPage("duration", empty=math.nan), _SECONDS, _SECONDS_CALL, unit="seconds",
    ),
    Field(
        "duration_s", "duration_s", "Length", SPARSE,
        OnPage("duration", "slider", span=(2.5, 600.0), step=0.5, empty=0.0), _SECONDS, _SECONDS_CALL,
        unit="seconds",
    ),
    Field(
        "duration_s", "duration_s", "Length", DUAL,
        OnPage("duration", "slider", span=(2.5, 60.0), step=0.5, empty=0.0), _SECONDS, _SECONDS_CALL,
        unit="seconds",
    ),
    Field(
        "endless", "", "Endless", INFINITE, OnPage("endless", "checkbox", start=True),
        Option("Go on until Ctrl-C.", spelled="--endless", kind=bool, default=False),
    ),
    Field(
        "seed", "seed", "Seed", EVERY, OnPage("seed", "seed", "Seed (empty: random)", start=""),
        Option("0 is a seed like any other; -1 draws one.", shown=None),
        Parameter(4, "Seed", widget="digits", empty="-1"),
    ),
    Field(
        "preset", "", "Preset", EVERY,
        option=Option("A preset's name or file; options go over it.", shown=None, kind=str),
        call=Parameter(20, "Preset"),
    ),
    Field(
        "continue_from", "", "Audio to continue from", INFINITE,
        OnPage("continue-from", "file", "The take begins with this audio and continues it", start=None),
        Option(
            f"A sound file that the take begins with and goes on from; --seconds counts it. {KINDS}",
            shown=None, kind=Path,
        ),
        Parameter(21, "Recording to go on from", "recording", widget="file", empty=None),
    ),
    Field(
        "model", "model.id", "Model", EVERY, OnPage("model", "model", stays=True, depth="engine"),
        Option("An id of 'longwave models list', or a folder."), Parameter(5, "Model"),
    ),
    Field(
        "guidance_scale", "guidance_scale", "Guidance", SPEAKING,
        OnPage("guidance", label="Guidance (how literal)", step=0.5, beside_words="Follow the scene"),
        _SCENE, Parameter(25, "Follow the scene", "scene_scale", widget="number", empty=-1),
    ),
    Field(
        "say", "speech.text", "What is said", INFINITE,
        OnPage(
            "say", placeholder="The storm will reach the coast tonight.\n1:30 | Stay inside until morning.",
            info="A line a sentence; 'mm:ss | text' where a time is wanted. The voice is synthetic. Wants a "
            "model that reads scripts: a published VoiceLDM says words in clips alone.",
            needs="speech",
        ),
        Option("What a model that speaks says; a line a sentence.", shown=None),
        Parameter(24, "What is said"),
    ),
    Field(
        "say", "speech.text", "What is said", SPARSE,
        OnPage(
            "say", placeholder="The storm will reach the coast tonight.",
            info="A line a sentence. The voice is synthetic. A published VoiceLDM says all in one piece, "
            "without times.",
            needs="speech",
        ),
        Option("What a model that speaks says; a line a sentence.", shown=None),
        Parameter(24, "What is said"),
    ),
    Field(
        "script", "", "Script", SPEAKING,
        option=Option(
            "A text file of what is said, a line a sentence, 'mm:ss | text' where a time is wanted.",
            shown=None, kind=Path,
        ),
    ),
    Field(
        "speech_scale", "speech.scale", "Follow the words", SPEAKING,
        OnPage(
            "speech-scale", "slider", span=(0, MAX_SCALE), step=0.1, codec="both_scales", needs="speech"
        ),
        Option("How much the words count.", shown="{:g}"),
        Parameter(26, "Follow the words", widget="number", empty=-1),
    ),
    Field(
        "pause_s", "speech.pause_s", "Pause between sentences", SPEAKING,
        OnPage("pause", step=0.1, depth="engine", needs="speech"),
        Option("Seconds between sentences.", "pause", shown="{:g}"),
        Parameter(27, "Pause between sentences", "pause", widget="number", empty=-1), unit="seconds",
    ),
    Field(
        "text_scale", "guidance_scale", "Follow the text", DUAL,
        OnPage("text-scale", "slider", span=(0, MAX_SCALE), step=0.1), _GUIDANCE, _number(10, "Text scale"),
    ),
    Field(
        "acoustic_scale", "draft.acoustic_scale", "Follow the draft", DUAL,
        OnPage("acoustic-scale", "slider", span=(0, MAX_SCALE), step=0.1, codec="guidance"),
        _ACOUSTIC, _number(11, "Acoustic scale"),
    ),
    Field(
        "strength", "draft.strength", "How far from the draft", DUAL,
        OnPage(
            "strength", "slider", span=(0.05, 1), step=0.05, depth="engine",
            info="At 1 the take starts from noise alone; lower values keep more of the draft's own sound.",
        ),
        Option("Below 1: begin from the draft's own sound, noised so far.", shown="{:g}"),
        _number(12, "Strength"),
    ),
    Field(
        "stereo", "stereo", "Stereo", EVERY,
        OnPage(
            "stereo", "radio", choices=(("Mono", "mono"), ("Wide", "wide"), ("Twin", "twin")),
            info="Wide spreads one sound over both ears. Twin makes one for each, and takes twice as long.",
        ),
        Option("mono; wide: one sound spread over two channels; or twin: two sampled together."),
        Parameter(31, "Stereo", late=True),
    ),
    Field(
        "width", "width", "Stereo width", EVERY,
        OnPage("width", "slider", span=(0, 1), step=0.05),
        Option("From 0, both channels alike, to 1.", shown="{:g}"),
        Parameter(32, "Stereo width", widget="number", empty=-1, late=True),
    ),
    Field(
        "bandwidth", "bandwidth", "Bandwidth", EVERY,
        OnPage(
            "bandwidth", "radio", choices=(("16 kHz", "16k"), ("48 kHz", "48k")),
            info="Models say what there is up to 8 kHz. At 48 kHz the rest is extended from it.",
        ),
        Option("16k; or 48k: what the model says up to 8 kHz, extended to 24."),
        Parameter(33, "Bandwidth", late=True),
    ),
    Field(
        "strategy", "sampler.strategy", "Curve", INFINITE,
        OnPage(
            "strategy", depth="expert",
            choices=tuple((name, name) for name in ("auto", "equal", "initial", "middle", "last")),
            info="Which third of the noise levels keeps every step; auto asks the model's own attention.",
        ),
        Option("equal, initial, middle, last or auto."),
    ),
    Field(
        "base_steps", "sampler.base_steps", "Base steps N", INFINITE,
        OnPage("base-steps", info="Of the schedule, before the curve.", depth="expert"),
        Option("Steps N of the schedule before thinning.", "steps"),
    ),
    Field(
        "skip_factor", "sampler.skip_factor", "Skip factor P", INFINITE,
        OnPage("skip-factor", info="In the other thirds every P-th step stays.", depth="expert"),
        Option("P: how much the neglected thirds are thinned."),
    ),
    Field(
        "group_size", "sampler.group_size", "Group size k", INFINITE,
        OnPage("group-size", info="Frames a step gives.", depth="expert"),
        Option("Frames k (40 ms each) a step yields."),
    ),
    Field(
        "buffer_frames", "sampler.buffer_frames", "Buffer", INFINITE,
        OnPage("buffer", info="Clean frames in the window.", depth="expert"),
        Option("Clean frames kept in the window.", "buffer"),
    ),
    Field(
        "warmup_steps", "sampler.warmup_steps", "Warm-up steps", INFINITE,
        OnPage("warmup", info="For the first window.", depth="expert"),
    ),
    Field(
        "attention_interval", "sampler.attention_interval", "Attention map", INFINITE,
        OnPage(  # the page shows the map; a file needs none
            "attention-interval", info="Every n steps; 0 never.", start=16, stays=True, depth="expert"
        ),
    ),
    Field(
        "steps", "sampler.steps", "Steps", SPARSE,
        OnPage("steps", depth="engine"), _STEPS, _number(13, "Steps", empty=0),
    ),
    Field(
        "steps", "sampler.steps", "Steps", DUAL,
        OnPage("steps", depth="engine"), _STEPS, _number(13, "Steps"),
    ),
    Field(
        "sampler", "sampler.method", "Sampler", (*SPARSE, *DUAL),
        OnPage(
            "sampler", choices=(("DDIM", "ddim"), ("DDPM, ancestral", "ddpm")), depth="expert",
            info="DDIM adds no noise on its way; DDPM draws some in every step, as TANGO does.",
        ),
        Option("ddim, or ddpm: draws noise in every step, as TANGO does."), Parameter(28, "Sampler"),
    ),
    Field(
        "passes", "model.passes", "Passes a step", SPEAKING,
        OnPage(
            "passes", "radio", choices=(("Two", "two"), ("One", "one")), depth="engine", needs="folding",
            info="One is half the work: the network has learned what guidance makes of two. A negative "
            "prompt takes two all the same.",
        ),
        Option("two; or one: half the work, where the model has learned to."),
        Parameter(37, "Passes a step", late=True),
    ),
    Field(
        "reuse", "sampler.reuse", "Coarse layers", (*SPARSE, *DUAL),
        OnPage(
            "reuse", depth="engine",
            choices=(
                ("Work in every step", "off"), ("Rest on one step of two", "one_of_two"),
                ("Rest on two steps of three", "two_of_three"),
            ),
            info="They hear the sound at large, which changes little from step to step. Resting, they say "
            "again what they said, and a step costs a fraction.",
        ),
        Option("off; or one_of_two or two_of_three: the steps on which the coarse layers rest."),
        Parameter(34, "Coarse layers", late=True),
    ),
    Field(
        "guided_from", "sampler.guided_from", "Guidance begins above", (*SPARSE, *DUAL),
        OnPage(
            "guided-from", "slider", span=(0, 1), step=0.05, depth="expert",
            info="A share of the noise. Below it the prompt is followed unguided, for half the work.",
        ),
        Option("Guide above this share of the noise alone.", shown="{:g}"),
        Parameter(35, "Guidance begins above", widget="number", empty=-1, late=True),
    ),
    Field(
        "guided_to", "sampler.guided_to", "Guidance ends above", (*SPARSE, *DUAL),
        OnPage(
            "guided-to", "slider", span=(0, 1), step=0.05, depth="expert",
            info="A share of the noise, which a clip begins with all of. Above it, too, nothing is guided.",
        ),
        Option("Guide up to this share of the noise alone.", shown="{:g}"),
        Parameter(36, "Guidance ends above", widget="number", empty=-1, late=True),
    ),
    Field(
        "attention", "attention.kind", "Attention", INFINITE,
        OnPage(
            "attention-kind", choices=_DENSE, info="LiteFocus looks at less, and is faster.", depth="engine"
        ),
        _ATTENTION,
    ),
    Field(
        "attention", "attention.kind", "Attention", SPARSE,
        OnPage("method", "radio", choices=_SPARSE, depth="engine"), _ATTENTION, Parameter(6, "Attention"),
    ),
    Field(
        "ratio", "attention.lite_focus.ratio", "LiteFocus share r", SPARSE,
        OnPage(
            "ratio", "text", codec="text", depth="expert",
            info="Share of tokens of any frequency that all attend to; auto goes by length.",
        ),
        Option(
            "r: the share of tokens of any frequency that all attend to, or 'auto' by length; for token "
            "merging, the share to merge.",
            kind=str,
        ),
        Parameter(7, "Ratio"),
    ),
    Field(
        "sampling", "attention.sampling", "How tokens are drawn", SPARSE,
        OnPage(
            "sampling", choices=(("balanced", "balanced"), ("uniform", "uniform")), depth="expert",
            info="Balanced: as many of each band. Uniform: by chance.",
        ),
        Option("uniform or balanced."),
    ),
    Field(
        "focus", "attention.focus", "Same-frequency focus", SPARSE, OnPage("focus", depth="expert"),
        Option("Attend to the own frequency band.", spelled="--focus/--no-focus", shown=None),
    ),
    Field(
        "compensation", "attention.compensation", "Compensation", SPARSE,
        OnPage("compensation", depth="expert"),
        Option(
            "Attend to tokens of any frequency.", spelled="--compensation/--no-compensation", shown=None
        ),
    ),
    Field(
        "merged", "attention.token_merging.ratio", "Token merging share", SPARSE,
        OnPage(
            "merged", info="Share of the tokens to merge, at most three quarters.", step=0.05, depth="expert"
        ),
    ),
    Field(
        "matching", "attention.token_merging.matching", "Tokens are matched", SPARSE,
        OnPage(
            "matching", choices=(("by each attention", "attention"), ("once a block", "block")),
            info="Once a block, for its first attention alone, is what token merging's authors do.",
            depth="expert",
        ),
        Option("Of token merging: attention, or block as its authors do."),
    ),
    Field(
        "blocks", "attention.blocks", "Blocks", SPARSE,
        OnPage(
            "blocks", "text", placeholder="mid", codec="words", depth="expert",
            info="Empty: the paper's blocks, or the finest there are.",
        ),
        Option(
            "Make these sparse: down2, up2, mid, …; the paper's if none.", spelled="--block", shown=None
        ),
    ),
    Field(
        "draft", "draft.kind", "Draft", INFINITE,
        OnPage(
            "draft", choices=(("None", "none"), ("AudioGen", "audiogen"), ("My own audio", "recorded")),
            info="Only for models that follow a draft. It is made ahead of the take.", depth="engine",
        ),
        Option(
            "audiogen, none, or a sound file of yours, over and over: a DC-LDM hears it, ahead of the take."
        ),
    ),
    Field(
        "draft", "draft.kind", "Draft", DUAL,
        OnPage(
            "draft", "radio",
            choices=(("AudioGen", "audiogen"), ("My own audio", "recorded"), ("None: text alone", "none")),
        ),
        Option(f"audiogen, none, or a sound file of yours. {KINDS}"), Parameter(14, "Draft"),
    ),
    Field("draft_model", "draft.model", "AudioGen", INFINITE, option=_DRAFT_MODEL),
    Field(
        "draft_model", "draft.model", "AudioGen", DUAL,
        OnPage("draft-model", "model", depth="engine"), _DRAFT_MODEL,
    ),
    Field(
        "acoustic_scale", "draft.acoustic_scale", "Follow the draft", INFINITE,
        OnPage(
            "acoustic-scale", label="Follow the draft (−1: same as Guidance)", step=0.5, start=-1,
            codec="own_scale", depth="engine",
        ),
        _ACOUSTIC,
    ),
    Field(
        "draft_seed", "draft.seed", "The draft's seed", DUAL,
        OnPage(
            "draft-seed", "digits", "The draft's seed (empty: same as the take's)", start="", depth="engine"
        ),
        Option("The draft's own.", shown="the take's"),
        Parameter(15, "Draft seed", widget="digits", empty="-1"),
    ),
    Field(
        "temperature", "draft.temperature", "Temperature", DUAL,
        OnPage("temperature", step=0.1, depth="engine"), Option("Of AudioGen's tokens.", shown="{:g}"),
        _number(22, "Temperature"),
    ),
    Field(
        "top_k", "draft.top_k", "Top k", DUAL,
        OnPage("top-k", depth="engine"), Option("Among how many tokens AudioGen draws."),
        _number(23, "Top k"),
    ),
    Field(
        "recording", "", "My own audio", INFINITE,
        OnPage("draft-file", "file", "My own audio, looped", start=None, depth="engine"),
    ),
    Field(
        "recording", "", "My own audio", DUAL, OnPage("draft-file", "file", start=None),
        call=Parameter(21, "Recording that is the draft", widget="file", empty=None),
    ),
    Field(
        "attention", "attention.kind", "Attention", DUAL,
        OnPage("attention-kind", "radio", choices=_DENSE, depth="engine"), _ATTENTION,
    ),
    Field(
        "variations", "", "Variations", (*INFINITE, *SPARSE, *DUAL),
        OnPage("variations", "radio", choices=(("×1", "1"), ("×2", "2"), ("×4", "4")), start="1"),
    ),
    Field(
        "effort", "", "Quality", (*INFINITE, *SPARSE, *DUAL),
        OnPage(
            "effort", "radio", depth="engine", start="balanced",
            choices=(("Fast", "fast"), ("Balanced", "balanced"), ("Careful", "careful"), ("Custom", "own")),
        ),
    ),
    Field(
        "keep_running", "", "Keep running when the page is closed", EVERY,
        OnPage("keep", "checkbox", start=False, depth="engine"),
    ),
    Field(
        "device", "model.device", "Device", EVERY, option=Option("auto, cpu, cuda, cuda:N or mps.")
    ),
    Field(
        "dtype", "model.dtype", "Number format", EVERY, option=Option("auto, float32, float16 or bfloat16.")
    ),
)  # fmt: skip


def fields_of(mode: str) -> list[Field]:
    """The rows of a mode, with those of every mode."""
    own = {field.name for field in FIELDS if mode in field.modes}
    return [one for one in FIELDS if mode in one.modes or (one.modes == EVERY and one.name not in own)]


def on_page(mode: str) -> dict[str, Field]:
    """What a mode's form shows, by name."""
    return {field.name: field for field in fields_of(mode) if field.page}


def options_of(mode: str) -> dict[str, Field]:
    """What a mode's command takes, by name, in the order of its help."""
    return {field.name: field for field in fields_of(mode) if field.option}


def parameters_of(mode: str) -> dict[str, Field]:
    """What a mode's function of the API takes, by the parameters' names and in their order."""
    taken = [(field.call.place, field) for field in fields_of(mode) if field.call]
    return {field.call_name: field for _, field in sorted(taken, key=lambda one: one[0])}


def label_of(path: str, mode: str = "") -> str:
    """What a field of a request is called, in this mode if it is called otherwise there; empty of none."""
    rows = [field for field in FIELDS if field.path == path != ""]
    own = [field for field in rows if mode in field.modes]
    return next((field.title for field in [*own, *rows]), "")
