"""What the models of a request say of their fields: which there are, what each may be, and its default."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Annotated, Any, Literal, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

_LEAVES = {None, Literal, tuple, list, dict}


def parts(annotation: Any) -> list[Any]:
    """The members of a union, without what is around them; anything else by itself."""
    if get_origin(annotation) is Annotated:
        return parts(get_args(annotation)[0])
    if get_origin(annotation) in _LEAVES:
        return [annotation]
    return [part for one in get_args(annotation) for part in parts(one)]


def items(annotation: Any) -> list[Any]:
    """What the lists among its parts are of."""
    return [one for part in parts(annotation) for one in get_args(part)[:1]]


def is_model(annotation: Any) -> bool:
    """Whether it is a group of fields."""
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def tag(model: type[BaseModel]) -> str:
    """The kind by which a member of a union is told from the others; empty where it is no member."""
    return str(model.model_fields["kind"].default) if "kind" in model.model_fields else ""


def choices(annotation: Any) -> list[str]:
    """What a literal may be."""
    return [str(choice) for choice in get_args(annotation)] if get_origin(annotation) is Literal else []


def limits(annotation: Any, metadata: Sequence[Any]) -> Iterator[Any]:
    """The constraints of a field, wherever in its type they stand."""
    for one in metadata:
        yield from limits(None, one.metadata) if isinstance(one, FieldInfo) else [one]
    if get_origin(annotation) is Annotated:
        inner, *more = get_args(annotation)
        yield from limits(inner, more)
    elif get_origin(annotation) not in _LEAVES:
        for one in get_args(annotation):
            yield from limits(one, ())


def members(model: type[BaseModel], group: str) -> dict[str, type[BaseModel]]:
    """The kinds that a group of a model's may be of, by their tags; one without a tag under ""."""
    return {tag(one): one for one in parts(model.model_fields[group].annotation) if is_model(one)}


def find(model: type[BaseModel], place: str, kind: str = "") -> FieldInfo:
    """The field at "name" or "group.name", in the group's member of this kind where that has it.

    Raises:
        KeyError: there is none.
    """
    group, _, name = place.rpartition(".")
    if not group:
        return model.model_fields[name]
    known = members(model, group)
    owners = [*([known[kind]] if kind in known else []), *known.values()]
    return next((one.model_fields[name] for one in owners if name in one.model_fields), None) or _none(place)


def _none(place: str) -> FieldInfo:
    raise KeyError(f"a request has no {place}")
