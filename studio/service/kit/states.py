"""Light and heavy of a bed, to be faded between: by words, or by how much lies on top of each other."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from studio.core.kit import KitPlan, states_of
from studio.core.request import GenerationRequest
from studio.core.values import MAX_SEED
from studio.service.kit.apart import distance, heard
from studio.service.kit.loops import Loop
from studio.service.kit.parts import measured_loop

LAYERS = 4  # of a heavy state: 6 dB more of it, or above where they agree
ALIKE, ALIKE_LU = 0.3, 1.0  # the distance and the loudness below which two states are one
_SAME = "The model makes nearly the same of the words for light and heavy"

Make = Callable[[GenerationRequest, str], Loop]
Layered = Callable[[Sequence[Loop]], Loop]


def seed_after(request: GenerationRequest, place: int) -> GenerationRequest:
    """The bed's request at place 0, then those of the seeds that follow it."""
    return request.model_copy(update={"seed": (request.seed + place) % (MAX_SEED + 1)})


def make_states(
    request: GenerationRequest, plan: KitPlan, make: Make, layered: Layered, notes: list[str]
) -> dict[str, Loop]:
    """The loops of "light" and "heavy", from the bed's own noise: what happens in them happens at the same
    places. None where there are to be none.

    Args:
        request: the bed's.
        plan: says how they are made.
        make: makes a loop, or has it; it is told what for.
        layered: lays loops on top of each other.
        notes: gets what its user is to know.

    Raises:
        StudioError: as `make` and `layered` do.
    """
    if plan.states == "none":
        return {}
    if plan.states == "layers":
        return {"light": make(request, "the light state"), "heavy": _heavy(request, make, layered)}
    light, heavy = states_of(request.prompt)
    prompts = {"light": plan.light or light, "heavy": plan.heavy or heavy}
    loops = {
        name: make(request.model_copy(update={"prompt": prompt}), f"the {name} state")
        for name, prompt in prompts.items()
    }
    if not are_alike(loops["light"], loops["heavy"]):
        return loops
    if plan.states == "words":
        notes.append(f"{_SAME}: give prompts of your own, or take layers.")
        return loops
    notes.append(f"{_SAME}: the heavy state is {LAYERS} loops of other seeds on top of each other.")
    return {**loops, "heavy": _heavy(request, make, layered)}


def _heavy(request: GenerationRequest, make: Make, layered: Layered) -> Loop:
    """The bed with more of its kind on top, which are the variations that are made first."""
    return layered([make(seed_after(request, place), "the heavy state") for place in range(LAYERS)])


def are_alike(light: Loop, heavy: Loop) -> bool:
    """Whether two loops of one noise differ neither in what happens in them nor in their loudness."""
    one, other = light.read(), heavy.read()
    if distance(heard(one, light.sample_rate), heard(other, heavy.sample_rate)) >= ALIKE:
        return False
    first, second = (measured_loop(loop, light.sample_rate).lufs for loop in (one, other))
    return first is None or second is None or abs(first - second) < ALIKE_LU
