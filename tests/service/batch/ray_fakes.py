"""What Ray's workers are given in tests: they import it by its name, in their own processes."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from set_fakes import make_tone

from studio.core.errors import WeightsError
from studio.pipeline.cancel import CancelToken
from studio.service.batch.folder import Made
from studio.service.batch.units import Unit
from studio.service.batch.work import Fault, Maker

SLOW_S = 0.05


def make_slowly(unit: Unit, wanted: Collection[str], cancel: CancelToken) -> Iterator[Made | Fault]:
    """The tone, after a moment in which the process can be killed."""
    cancel.wait(SLOW_S)
    yield from make_tone(unit, wanted, cancel)


def make_nothing(unit: Unit, wanted: Collection[str], cancel: CancelToken) -> Iterator[Made | Fault]:
    """Nothing, until it is cancelled."""
    cancel.wait(600)
    cancel.check()
    yield from ()


def slow_maker() -> Maker:
    return make_slowly


def endless_maker() -> Maker:
    return make_nothing


def no_maker() -> Maker:
    """One whose model isn't there."""
    raise WeightsError("The weights are damaged: fetch them again.")
