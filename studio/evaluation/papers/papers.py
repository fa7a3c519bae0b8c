"""The three papers by name: whose checkpoints they are about, and what their tables are made of."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from studio.backends.registry import SystemSpec
from studio.core.draft import POCKET_DRAFTS
from studio.core.errors import InvalidRequestError
from studio.core.modes import POCKET, POCKET_CLIPS, POCKET_DUAL, POCKET_TANGO, POCKET_VOICE
from studio.core.paper import DC_LDM, LITE_FOCUS
from studio.evaluation.papers import dcldm, infiniteaudio, litefocus
from studio.evaluation.papers.manifest import Examples
from studio.evaluation.papers.rows import Row
from studio.evaluation.papers.settings import INFINITE, Asked
from studio.evaluation.papers.subset import Chosen

RowsOf = Callable[[int, Mapping[str, str], Mapping[str, SystemSpec], Asked], list[Row]]
PAPERS_EMBEDDERS = ("panns", "vggish", "clap")  # FD and KL, FAD, CLAP score


@dataclass(frozen=True)
class Paper:
    """One paper.

    Attributes:
        rows: of a table, by its number, the models of the slots, their systems, and what is asked otherwise.
        slots: names of the checkpoints that its rows are made with.
        main: the slot that `--model` fills.
        usual: the checkpoints that are taken where no model is named.
        count: of the captions in its tables.
        one_a_recording: whether each recording has one caption; else all of AudioCaps' five are asked.
        left_out: the share of captions, those with the lowest CLAP scores, that no table has.
        unsaid: what it leaves open, and how that is read here.
    """

    name: str
    rows: RowsOf
    slots: tuple[str, ...]
    main: str
    usual: Mapping[str, str]
    count: int
    unsaid: tuple[str, ...]
    one_a_recording: bool = True
    left_out: float = 0.0

    def bases(self, models: Mapping[str, str], specs: Mapping[str, SystemSpec], asked: Asked) -> list[Row]:
        """The rows by whose CLAP scores captions are left out; none in most papers."""
        if not self.left_out:
            return []
        rows = self.rows(1, models, specs, asked)
        return [row for row in rows if row.key.endswith("/base") and not row.why_not]


PAPERS = {
    paper.name: paper
    for paper in (
        Paper(
            "infiniteaudio", infiniteaudio.rows, tuple(infiniteaudio.SYSTEMS), "audioldm",
            {"audioldm": POCKET, "voiceldm": POCKET_VOICE}, INFINITE.count, infiniteaudio.UNSAID,
            left_out=INFINITE.left_out,
        ),
        Paper(
            "litefocus", litefocus.rows, ("audioldm2",), "audioldm2", {"audioldm2": POCKET_CLIPS},
            LITE_FOCUS.count, litefocus.UNSAID, one_a_recording=False,
        ),
        Paper(
            "dcldm", dcldm.rows, dcldm.SLOTS, "dcldm",
            {
                "dcldm": POCKET_DUAL, "tango": POCKET_TANGO, "audiogen": POCKET_DRAFTS, "audioldm": POCKET,
                "audioldm2": POCKET_CLIPS,
            },
            DC_LDM.count, dcldm.UNSAID,
        ),
    )
}  # fmt: skip


def models_of(
    paper: Paper, model: str | None, others: Mapping[str, str], system_of: Callable[[str], str]
) -> dict[str, str]:
    """The checkpoint of each slot that has one: the usual ones where no model is named, else those that are.

    Raises:
        InvalidRequestError: a slot that the paper has not.
    """
    if wrong := next((slot for slot in others if slot not in paper.slots), None):
        raise InvalidRequestError(f"--with {wrong}: {paper.name} has {', '.join(paper.slots)}.")
    found = {} if model is not None else dict(paper.usual)
    if model is not None:
        system = system_of(model)
        found[system if system in paper.slots else paper.main] = model
    return {**found, **others}


def differences(
    paper: Paper,
    examples: Examples,
    chosen: Chosen,
    models: Mapping[str, str],
    asked: Asked,
    heard: Sequence[str],
) -> list[str]:
    """What a table was made with otherwise than in its paper, each in a sentence.

    `heard` are the embedders' names.
    """
    out = [
        f"{len(chosen.examples)} captions of {examples.title}; the paper's are {paper.count} of "
        "AudioCaps' test set."
    ]
    if examples.missing:
        out.append(f"{examples.missing} rows of the manifest have no recording.")
    if paper.left_out and not chosen.dropped:
        out.append(
            "The fifth with the lowest CLAP scores is not left out: none of these embedders reads texts."
        )
    if ours := sorted({model for model in models.values() if model.startswith("pocket/")}):
        out.append(
            f"The models are {', '.join(ours)}: Longwave's own small ones, not the paper's checkpoints."
        )
    for name, value in (
        ("steps of clips in one piece and joined", asked.steps),
        ("guidance scale", asked.guidance),
        ("N of endless takes", asked.base_steps),
        ("k, frames that leave an endless take a step", asked.group_size),
    ):
        if value is not None:
            out.append(f"Asked for: {name} {value:g}, in all rows that don't name their own.")
    if lacking := [name for name in PAPERS_EMBEDDERS if name not in heard]:
        out.append(
            f"Heard by {', '.join(heard)}; the papers' FD and KL are PANNs', FAD is VGGish's, the CLAP "
            f"score LAION's ({', '.join(lacking)} {'was' if len(lacking) == 1 else 'were'} not used)."
        )
    out.append("OVL, REL, OGL and AQ are what people say: see `longwave listen`.")
    return [*out, *paper.unsaid]
