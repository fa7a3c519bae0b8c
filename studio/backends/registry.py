"""The systems that the studio knows: what a checkpoint of each consists of, what it can do, what loads it.

A new system is one file in `systems/`, one entry here, and a row of `catalog` for each checkpoint that is to
be offered. Plain data: neither torch nor diffusers loads before a checkpoint does.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from studio.backends.capabilities import Capabilities
from studio.backends.reading import is_file, quoted, read_json
from studio.core import paper
from studio.core.defaults import Effort, ModelDefaults, Scales
from studio.core.errors import WeightsError

if TYPE_CHECKING:
    from studio.backends.acoustic.base import Drafter
    from studio.backends.base import Backend

INDEX_FILE = "model_index.json"
AUDIOGEN_FILES = ("state_dict.bin", "compression_state_dict.bin")  # as audiocraft exports one
PUBLISHED_FILES = ("pytorch_model_main.bin", "pytorch_model_vae.bin")  # TANGO's, as its authors publish it
PUBLISHED_CONFIGS = ("main_config.json", "vae_config.json")
FOLDED_UNET = "unet_guided"  # a component that a checkpoint may have: its U-Net with guidance folded in
_ONE_TEXT = ("text_encoder", "tokenizer", "unet", "vae", "vocoder", "scheduler")


@dataclass(frozen=True)
class FilesLayout:
    """A checkpoint without a folder a component: its files by name, in the folder itself.

    Attributes:
        weights: all of which belong to it.
        configs: likewise.
        one_of: patterns of names, where one file of one of them holds all of its weights.
        optional: configs that it may have.
    """

    weights: tuple[str, ...] = ()
    configs: tuple[str, ...] = ()
    one_of: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()

    def is_in(self, folder: Path) -> bool:
        """Whether a folder is laid out so: by all its configs; where it has none, by some of its weights."""
        if self.configs:
            return all(is_file(folder / name) for name in self.configs)
        return any(map(is_file, self.files(folder)))

    def files(self, folder: Path) -> list[Path]:
        """Its files of weights in a folder: the named ones, there or not, and those of the first pattern."""
        found = (sorted(filter(is_file, folder.glob(pattern))) for pattern in self.one_of)
        return [folder / name for name in self.weights] + next(filter(None, found), [])


class Loader(Protocol):
    """Opens a checkpoint's folder by `boundary.opens_checkpoint`: raises `WeightsError` for any other."""

    def __call__(
        self, folder: Path, device: str = "auto", dtype: str = "auto", *, model_id: str | None = None
    ) -> Backend: ...


class DrafterLoader(Protocol):
    """Opens the folder of what makes drafts; raises as `Loader`."""

    def __call__(self, folder: Path, device: str = "auto", *, model_id: str | None = None) -> Drafter: ...


@dataclass(frozen=True)
class SystemSpec:
    """A system that makes takes.

    Attributes:
        name: as the catalog's rows have it.
        load: opens a folder of it. Nothing that it needs is imported before it is called.
        pipeline: `_class_name` in a folder's model_index.json; empty where it has no folders.
        components: the folders within a checkpoint's, or beside it by `checkpoint.SHARED_FILE`.
        folds: a checkpoint may have `FOLDED_UNET` as well, which its loader takes for one pass.
        published: the other layout that it comes in, if there is one; components may lie beside its files.
        seamless_mels: its authors pad log-mels so that clips join (`dsp.mel.SEAMLESS`), not centred.
        modes: where its models are offered.
        defaults: what takes of its published checkpoints begin with, the way its authors sample them.
        source: where they say so.
        paper: what the paper that puts the system to work here made its tables with; None of none.
    """

    name: str
    title: str
    load: Loader
    capabilities: Capabilities
    pipeline: str = ""
    components: tuple[str, ...] = ()
    folds: bool = False
    published: FilesLayout | None = None
    seamless_mels: bool = False
    modes: tuple[str, ...] = ("infinite", "sparse")
    defaults: ModelDefaults = ModelDefaults()
    source: str = ""
    paper: paper.PaperSettings | None = None


@dataclass(frozen=True)
class DrafterSpec:
    """A system that makes drafts, and no takes."""

    name: str
    title: str
    load: DrafterLoader
    layout: FilesLayout


@dataclass(frozen=True)
class Registry:
    """Systems by name, and by what lies in a folder.

    Attributes:
        unnamed: what a folder is of that doesn't say.
    """

    systems: tuple[SystemSpec, ...]
    drafters: tuple[DrafterSpec, ...] = ()
    unnamed: str = "audioldm"

    def system(self, name: str) -> SystemSpec:
        """The system of this name. Raises `KeyError` for none."""
        return {spec.name: spec for spec in self.systems}[name]

    def drafter_of(self, folder: Path) -> DrafterSpec | None:
        """The system whose drafter a folder holds, if it holds one."""
        return next((spec for spec in self.drafters if spec.layout.is_in(folder)), None)

    def system_of(self, folder: Path) -> SystemSpec:
        """The system that a folder's model_index.json names; without one, the one whose files lie there.

        Raises:
            WeightsError: the index is damaged, or names a pipeline that is not known here, or a drafter is.
        """
        if self.drafter_of(folder) is not None:
            raise WeightsError(f"{folder.name} makes drafts, not takes: choose a model of another kind.")
        if not is_file(folder / INDEX_FILE):
            return self.published_in(folder) or self.system(self.unnamed)
        pipeline = str(read_json(folder / INDEX_FILE).get("_class_name"))
        known = {spec.pipeline: spec for spec in self.systems if spec.pipeline}
        if pipeline not in known:
            raise WeightsError(
                f"{folder.name} is made for {quoted(pipeline)}; give a folder made for {', '.join(known)}."
            )
        return known[pipeline]

    def published_in(self, folder: Path) -> SystemSpec | None:
        """The system in whose authors' own layout a folder is, if in any."""
        return next((spec for spec in self.systems if spec.published and spec.published.is_in(folder)), None)


def named(module: str) -> Callable[..., Any]:
    """The `load` of a module, which is imported when it is first called."""

    def load(*args: Any, **options: Any) -> Any:
        return import_module(module).load(*args, **options)

    return load


def published(guidance: Scales, spoken: Scales | None = None, steps: int = 200) -> ModelDefaults:
    """What checkpoints begin with that never saw a ramp of timesteps.

    Clips take the 200 DDIM steps of AudioLDM, its successors and TANGO; joined ones have the length that all
    of them learned. Endless takes are InfiniteAudio's: one frame a step, and 67 steps with a buffer of 8
    frames are its window of about 3 s (§2.2.2). "Careful" takes 134, which still are its fewer than 150
    (§3.4); "fast" gives two frames a step of half as many, in the same window.
    """
    return ModelDefaults(
        guidance=guidance,
        spoken=spoken,
        fast=Effort(steps=steps // 2, base_steps=50, group_size=2),
        balanced=Effort(steps=steps, base_steps=100, group_size=1),
        careful=Effort(steps=2 * steps, base_steps=200, group_size=1),
        warmup_steps=67,
        clip_s=10.24,
    )


AUDIOLDM = SystemSpec(
    "audioldm",
    "AudioLDM",
    named("studio.backends.systems.audioldm"),
    Capabilities(text="pooled", extends=True),
    pipeline="AudioLDMPipeline",
    components=_ONE_TEXT,
    folds=True,
    defaults=published(Scales(text=2.5)),
    source="AudioLDM; endless takes: InfiniteAudio, §2.2.2 and §3.4",
    paper=paper.infinite_audio(2.5, "last"),
)
AUDIOLDM2 = SystemSpec(
    "audioldm2",
    "AudioLDM 2",
    named("studio.backends.systems.audioldm2"),
    Capabilities(text="tokens", extends=True),
    pipeline="AudioLDM2Pipeline",
    components=(
        "text_encoder", "text_encoder_2", "tokenizer", "tokenizer_2", "projection_model", "language_model",
        "unet", "vae", "vocoder", "scheduler",
    ),
    seamless_mels=True,
    defaults=published(Scales(text=3.5)),
    source="AudioLDM 2; its steps in LiteFocus, §4.1",
    paper=paper.LITE_FOCUS,
)  # fmt: skip
# diffusers has no pipelines of these: the names are ours.
TANGO = SystemSpec(
    "tango",
    "TANGO",
    named("studio.backends.systems.tango"),
    Capabilities(text="tokens", extends=True),
    pipeline="TangoPipeline",
    components=_ONE_TEXT,
    published=FilesLayout(PUBLISHED_FILES, PUBLISHED_CONFIGS),
    modes=("infinite", "sparse", "dual"),
    defaults=published(Scales(text=3.0)),
    source="TANGO",
    paper=paper.TANGO,
)
DCLDM = SystemSpec(
    "dcldm",
    "DC-LDM",
    named("studio.backends.systems.dcldm"),
    Capabilities(text="tokens", drafts=True, extends=True),
    pipeline="DcLdmPipeline",
    components=(*_ONE_TEXT, "acoustic_branch"),
    modes=("infinite", "sparse", "dual"),
    defaults=published(Scales(text=4.0)),
    source="DC-LDM, §4 and Figure 2; its steps are TANGO's",
    paper=paper.DC_LDM,
)
LDM_AG = SystemSpec(
    "ldm_ag",
    "LDM w/ AG",
    named("studio.backends.systems.ldm_ag"),
    Capabilities(text="pooled", drafts=True, extends=True),
    pipeline="LdmAgPipeline",
    components=("unet", "acoustic_context", "vae", "vocoder", "scheduler"),
    modes=("dual",),
    defaults=published(Scales(text=4.0)),
    source="DC-LDM, §4 and Table 1; its guidance and steps are the DC-LDM's here",
    paper=paper.DC_LDM,
)
VOICELDM = SystemSpec(
    "voiceldm",
    "VoiceLDM",
    named("studio.backends.systems.voiceldm"),
    Capabilities(text="pooled", speaks=True, extends=True),
    pipeline="VoiceLDMPipeline",
    # CLAP's tokenizer may lie in clap/, and whatever isn't beside the weights comes from its authors.
    components=("clap", "clap_tokenizer", "tokenizer", "speecht5", "vae", "vocoder", "scheduler"),
    published=FilesLayout(
        one_of=("voiceldm-*.safetensors", "voiceldm-*.ckpt"), optional=("unet/config.json",)
    ),
    defaults=published(Scales(text=9.0, speech=1.0), spoken=Scales(text=5.0, speech=7.0), steps=50),
    source="VoiceLDM, its command line; endless takes: InfiniteAudio, §2.2.2 and §3.4",
    paper=paper.infinite_audio(9.0, "initial", speech_scale=1.0, steps=50),
)
TONE = SystemSpec(
    "tone",
    "Test tone",
    named("studio.backends.systems.tone"),
    Capabilities(text="pooled", extends=True),
)
AUDIOGEN = DrafterSpec(
    "audiogen", "AudioGen", named("studio.backends.acoustic.audiogen"), FilesLayout(AUDIOGEN_FILES)
)

REGISTRY = Registry((AUDIOLDM, AUDIOLDM2, TANGO, DCLDM, LDM_AG, VOICELDM, TONE), (AUDIOGEN,))
