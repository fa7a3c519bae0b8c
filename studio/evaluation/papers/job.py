"""A paper run again on checkpoints and captions: its tables and its figures by their numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any

from studio.core.errors import InvalidRequestError
from studio.evaluation.papers import dcldm, published
from studio.evaluation.papers.cost import Costs
from studio.evaluation.papers.manifest import Examples
from studio.evaluation.papers.papers import Paper, differences
from studio.evaluation.papers.report import Table
from studio.evaluation.papers.rows import Row
from studio.evaluation.papers.run import Run, slot_of
from studio.evaluation.papers.settings import Asked
from studio.evaluation.papers.subset import Chosen


class Job:
    """One paper; what its tables share is chosen and loaded once."""

    def __init__(
        self,
        paper: Paper,
        run: Run,
        examples: Examples,
        models: Mapping[str, str],
        asked: Asked,
        seed: int = 0,
    ) -> None:
        """`models` are the checkpoints of the paper's slots (`papers.models_of`)."""
        self.paper, self.run, self.asked = paper, run, asked
        self._examples = examples.one_a_recording() if paper.one_a_recording else examples
        self._seed = seed
        self.models = dict(models)
        main = self.models.get(paper.main)
        if main is not None and asked.clip_s is None:
            self.asked = replace(asked, clip_s=run.clips.models.clip_s(main))

    @cached_property
    def specs(self) -> dict[str, Any]:
        """The systems of the slots' checkpoints. A DC-LDM also fills the slot of its own branch.

        Raises:
            InvalidRequestError: a checkpoint is not the one that its slot names.
            StudioError: one can't be opened.
        """
        load = self.run.clips.models
        rows = {*dcldm.ALONE, *dcldm.BRANCHES}
        for slot, model in list(self.models.items()):
            if (slot != self.paper.main and slot not in rows) or self.paper.name != "dcldm":
                continue
            own = slot_of(load.backend(model), load.spec(model).name)
            if slot in rows and own != slot:
                raise InvalidRequestError(
                    f"{model} is the row {own or 'of no draft'}, not {slot}: mend --with."
                )
            if own is not None:
                self.models.setdefault(own, model)
        return {slot: load.spec(model) for slot, model in self.models.items() if slot != "audiogen"}

    def rows(self, number: int, only: Sequence[str] = ()) -> list[Row]:
        """A table's rows, all or those of these keys.

        Raises:
            InvalidRequestError: there is no such row, or no model for the table.
        """
        specs = self.specs
        try:
            rows = self.paper.rows(number, self.models, specs, self.asked)
        except KeyError as error:
            raise InvalidRequestError(
                f"No model for {error.args[0]}: give one by --model or --with."
            ) from error
        if wrong := [key for key in only if key not in {row.key for row in rows}]:
            known = ", ".join(row.key for row in rows)
            raise InvalidRequestError(f"--row {wrong[0]}: Table {number} has {known}.")
        return [row for row in rows if not only or row.key in only]

    def chosen(self, *, only_look: bool = False) -> Chosen:
        """The captions that the tables are made of."""
        bases = self.paper.bases(self.models, self.specs, self.asked)
        count = self.asked.count or self.paper.count
        left_out = self.paper.left_out
        return self.run.choose(self._examples, count, self._seed, bases, left_out, only_look=only_look)

    def table(self, number: int, only: Sequence[str] = ()) -> Table:
        """A table's figures, what was made before as it is.

        Raises:
            StudioError: a clip can't be made or heard.
        """
        rows, chosen = self.rows(number, only), self.chosen()
        measured = self.run.measure(self.paper.name, number, rows, chosen)
        table = published.tables(self.paper.name)[number]
        return Table(self.paper.name, number, table, measured, len(chosen.examples), self.differences(chosen))

    def differences(self, chosen: Chosen) -> list[str]:
        """What is otherwise than in the paper."""
        heard = [each.name for each in self.run.ears.embedders]
        return differences(self.paper, self._examples, chosen, self.models, self.asked, heard)

    def dry_run(self, number: int, only: Sequence[str] = ()) -> dict[str, Any]:
        """What a table would take: its rows, their clips, and about how long; nothing is made.

        `choice` are the clips of all captions by which CLAP scores choose, where that is still to be done.
        """
        rows, chosen = self.rows(number, only), self.chosen(only_look=True)
        bases = self.paper.bases(self.models, self.specs, self.asked)
        count = self.asked.count or self.paper.count
        judged = self.run.to_choose(self._examples, count, self._seed, bases)
        costs = Costs(self.run.clips)
        choice = [costs.of(row, self._examples.examples) for row in judged]
        made = [costs.of(row, chosen.examples) for row in rows]
        for each in made:
            if each["key"] in {row.key for row in judged}:
                each["left_s"] = 0.0  # the choice makes them
        left = [each["left_s"] for each in (*choice, *made) if each["left_s"] is not None]
        out = {
            "paper": self.paper.name, "table": number, "captions": len(chosen.examples), "choice": choice,
            "rows": made,
        }  # fmt: skip
        return {**out, "left_s": round(sum(left), 1)}
