"""The composition root: settings → backends → service → face. The only file that knows every layer.

Everything heavy is imported where it is first needed, so that `longwave --help` answers at once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from studio.core.settings import Settings

if TYPE_CHECKING:
    from studio.core.defaults import ModelDefaults
    from studio.core.request import GenerationRequest, ModelChoice
    from studio.pipeline.drafts import Drafts
    from studio.pipeline.renderer import Renderer
    from studio.service.batch.maker import UnitMaker
    from studio.service.short_calls import Gpu
    from studio.service.studio import Studio
    from studio.ui.server.page import Page


def build_studio(settings: Settings, gpu: Gpu | None = None) -> Studio:
    """The service on the catalog's backends; where a GPU is lent for short calls alone, `gpu` makes them.

    Raises:
        InvalidRequestError: Python was told to drop docstrings, which transformers reads.
    """
    from functools import partial

    from studio.backends import catalog
    from studio.service.studio import Studio

    renderer, drafts = build_renderer(settings)
    create = partial(catalog.create_backend, settings=settings)
    if gpu is not None:
        from studio.service.short_calls import ShortCalls

        return Studio(
            settings,
            create,
            ShortCalls(renderer, gpu, create),
            resolve_choice,
            drafts=drafts,
            admit=partial(require_allowed, settings=settings),
            defaults=partial(defaults_of, settings=settings),
            lent=True,
        )
    return Studio(
        settings,
        create,
        renderer,
        resolve_choice,
        drafts=drafts,
        fingerprint=lambda choice: catalog.weights_fingerprint(choice.id, settings, choice.passes),
        admit=partial(require_allowed, settings=settings),
        defaults=partial(defaults_of, settings=settings),
        look=renderer.calibration,
        batch=partial(batch_of, settings=settings),
    )


def gpu_of_a_space() -> Gpu | None:
    """ZeroGPU's decorator, where this is a Hugging Face Space that has it.

    To be asked before anything is on a GPU: its module then keeps what is loaded, for the calls to come.
    """
    import os
    from importlib.util import find_spec

    if os.environ.get("SPACES_ZERO_GPU", "").lower() not in ("1", "t", "true") or not find_spec("spaces"):
        return None
    import spaces

    decorator: Gpu = spaces.GPU
    return decorator


def batch_of(choice: ModelChoice, settings: Settings) -> int:
    """How many of a model's takes are best made side by side on this machine."""
    from studio.pipeline.batch_size import default_batch

    return default_batch(choice, settings.outputs)


def build_renderer(settings: Settings) -> tuple[Renderer, Drafts]:
    """What makes sound of requests, and the drafts that it hears, on the catalog's models.

    Raises:
        InvalidRequestError: Python was told to drop docstrings, which transformers reads.
    """
    import sys
    from functools import partial

    from studio.backends import catalog
    from studio.core.errors import InvalidRequestError
    from studio.pipeline.drafts import AcousticModelPool, Drafts
    from studio.pipeline.renderer import Renderer

    if sys.flags.optimize > 1:
        raise InvalidRequestError(
            "transformers can't be loaded without docstrings: unset PYTHONOPTIMIZE, or start by launch.py."
        )
    models = AcousticModelPool(
        partial(catalog.create_drafter, settings=settings), partial(catalog.create_codec, settings=settings)
    )
    drafts = Drafts(models, settings.outputs, partial(catalog.fingerprint, settings=settings))
    return Renderer(drafts, estimates=True), drafts


def build_maker(settings: Settings, workers: int = 1) -> UnitMaker:
    """What a worker makes the rows of a set with, one of so many that share a card's or the machine's memory.

    Raises:
        InvalidRequestError: Python was told to drop docstrings, which transformers reads.
    """
    from functools import partial

    from studio.backends import catalog
    from studio.pipeline.model_cache import ModelCache
    from studio.service.batch.maker import UnitMaker

    renderer, drafts = build_renderer(settings)
    models = ModelCache(partial(catalog.create_backend, settings=settings), resolve=resolve_choice)
    return UnitMaker(models.lease, renderer, drafts, renderer.calibration, workers)


def defaults_of(model_id: str, settings: Settings) -> ModelDefaults:
    """What takes of a model begin with. Where strangers may ask, folders that are not listed are not read."""
    from studio.backends import catalog

    if not settings.private and model_id not in listed(settings):
        return catalog.REGISTRY.system(catalog.REGISTRY.unnamed).defaults
    return catalog.defaults_of(model_id, settings)


def listed(settings: Settings) -> set[str]:
    """The models of the catalog, and the one that the studio was started with."""
    from studio.backends.catalog import MODELS

    return {model.id for model in MODELS} | {settings.model_id}


def require_allowed(request: GenerationRequest, settings: Settings) -> None:
    """Let through what this studio makes for who reaches it.

    Raises:
        InvalidRequestError: strangers reach it, and it asks for a model that is not theirs to choose, or for
            more sound than they may have.
    """
    from studio.core.audio import format_time
    from studio.core.errors import InvalidRequestError

    if settings.private:
        return
    require_listed(request, settings)
    most = settings.visitors
    if most is not None and request.duration_s is not None and request.duration_s > most.longest_s:
        raise InvalidRequestError(
            f"This studio makes takes of {format_time(most.longest_s)} at most for its visitors: "
            "take fewer seconds."
        )


def require_listed(request: GenerationRequest, settings: Settings) -> None:
    """Let through what asks for models of the catalog alone, or those that the studio was started with.

    Strangers could else look about in its folders, or have it fetch whatever they name.

    Raises:
        InvalidRequestError: it asks for another.
    """
    from studio.core.errors import InvalidRequestError

    known = listed(settings)
    draft = request.draft.model if request.draft.kind != "none" else ""
    if not {request.model.id, draft} <= known | {""}:
        raise InvalidRequestError("This studio is on a network and takes the models of its list alone.")


def resolve_choice(choice: ModelChoice) -> ModelChoice:
    """What "auto" means on this machine; a wrong device is told when the job runs."""
    import torch

    from studio.backends.device import choose_device, choose_dtype
    from studio.core.errors import InvalidRequestError

    try:
        device = choose_device(choice.device)
    except InvalidRequestError:
        return choice
    if device.type == "cuda":  # "cuda" and "cuda:0" are one
        device = torch.device("cuda", device.index or 0)
    dtype = str(choose_dtype(choice.dtype, device)).removeprefix("torch.")
    return choice.model_copy(update={"device": str(device), "dtype": dtype})


def build_app(settings: Settings) -> Page:
    """The page over a service of its own; launch it with `.launch()`."""
    return build_page(build_studio(settings), settings)


def build_page(studio: Studio, settings: Settings) -> Page:
    """The page over an existing service."""
    from studio.backends.catalog import list_models
    from studio.ui.server.page import Page

    return Page(studio, lambda: list_models(settings))


def serve(settings: Settings) -> None:
    """Serve the page until interrupted; running takes are kept.

    Raises:
        InvalidRequestError: the port is taken.
    """
    import sys

    from studio.core.interrupts import deferred
    from studio.core.request import ModelChoice

    gpu = gpu_of_a_space()
    studio = build_studio(settings, gpu)
    page = build_page(studio, settings)
    try:
        if gpu is not None:  # which keeps for its calls what is there when the page opens
            for mode in ("infinite", "sparse"):
                studio.preload(ModelChoice(id=settings.model_of(mode))).join()
        print(f"Longwave is at {page.launch()} (Ctrl+C ends it)", file=sys.stderr, flush=True)
        if notice := page.notice():
            print(notice, file=sys.stderr, flush=True)
        # Only now: the libraries of the model take longer to import than the page takes to open.
        choice = {"id": settings.model_id, "device": settings.device, "dtype": settings.dtype}
        studio.preload(ModelChoice.model_validate(choice))
        page.wait()
    finally:
        with deferred():  # who asks twice in haste must not cut off the takes that are being put away
            studio.close()
            page.close()


def main() -> None:
    """The command `longwave`."""
    from studio.cli import Factories, build_cli

    build_cli(Factories(serve=serve, studio=build_studio, maker=build_maker))()


if __name__ == "__main__":
    main()
