"""The paper's LDM w/ AG (DC-LDM, §4, Table 1): a TANGO-type U-Net that reads a draft in the text's place.

The acoustic encoding, projected to the width that the U-Net's cross-attention reads, is all that it attends
to: whatever states of a text it is given are put aside.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any

from diffusers import ConfigMixin, ModelMixin
from diffusers.configuration_utils import register_to_config
from torch import nn

from studio.core.errors import InvalidRequestError
from studio.modules.acoustic_branch import ACOUSTIC_WIDTH, HearsDraft, See, watch_transformer
from studio.modules.blocks import transformers

CONTEXT = "context"  # where a draft is read, beside the placements of a branch
DRAFT_ALONE = "This model hears nothing but a draft: choose AudioGen, or audio of your own."


class AcousticContext(HearsDraft, ModelMixin, ConfigMixin):
    """The projection of acoustic frames into a U-Net's context, a checkpoint component of its own.

    It is used as an `acoustic_branch.AcousticBranch` is, so that both are trained and heard alike.
    """

    @register_to_config
    def __init__(
        self,
        width: int = 1024,
        acoustic_width: int = ACOUSTIC_WIDTH,
        encoding: str = "AG",
        placement: str = CONTEXT,
    ) -> None:
        """As `for_unet` reads it off a U-Net.

        Args:
            width: that the U-Net's cross-attention reads.
            acoustic_width: of the encoding's frames.
            encoding: which one it was trained on, of `acoustic_branch.ENCODINGS`.
            placement: always the context.
        """
        super().__init__()
        self.project = nn.Linear(acoustic_width, width)
        self._reading: dict[str, list[nn.Module]] = {}

    @classmethod
    def for_unet(cls, unet: Any, encoding: str = "AG") -> AcousticContext:
        """A fresh one that fits a TANGO-type U-Net, which it leaves alone.

        Raises:
            InvalidRequestError: the U-Net reads no text.
        """
        width = unet.config.cross_attention_dim
        if not isinstance(width, int):
            raise InvalidRequestError("This model reads no text whose place a draft could take.")
        return cls(width=width, encoding=encoding)

    @property
    def blocks(self) -> tuple[str, ...]:
        """The blocks of the U-Net that it is attached to in which the draft is read."""
        return tuple(self._reading)

    @contextmanager
    def attached(self, unet: nn.Module) -> Iterator[nn.Module]:
        """Let the U-Net attend to what is heard, and to nothing else; afterwards it is what it was.

        Raises:
            InvalidRequestError: the U-Net's cross-attention has another width.
        """
        there, width = getattr(unet.config, "cross_attention_dim", None), self.config.width
        if there != width:
            raise InvalidRequestError(
                f"The acoustic context is {width} wide, and this U-Net's cross-attention reads {there}."
            )
        reading = {
            name: [one for one in inside if one.config.cross_attention_dim]  # type: ignore[union-attr]
            for name, inside in transformers(unet).items()
        }
        hook = unet.register_forward_pre_hook(self._instead_of_text, with_kwargs=True)
        self._reading = {name: inside for name, inside in reading.items() if inside}
        try:
            yield unet
        finally:
            hook.remove()
            self._reading = {}

    @contextmanager
    def watched(self, see: See) -> Iterator[None]:
        """Tell `see` of each block's attention to the acoustic frames; what it gives stays the same."""
        with ExitStack() as undo:
            for name, inside in self._reading.items():
                for transformer in inside:
                    undo.enter_context(watch_transformer(transformer, partial(see, name)))
            yield

    def _instead_of_text(
        self, _: nn.Module, args: tuple[Any, ...], given: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        if self._states is None:
            raise InvalidRequestError(DRAFT_ALONE)
        context = self.project(self._states.to(self.project.weight.dtype))
        return args, {**given, "encoder_hidden_states": context, "encoder_attention_mask": self._mask}
