"""No handler takes or gives a list by position that one could get wrong: values go by the names of fields."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gradio as gr
import pytest

from studio import ui
from studio.app import build_page, build_studio
from studio.core.settings import Settings

MOST = 5
# What hands on whatever it gets, to Gradio's own method or to the handler it is around.
PASSING_ON = {("blocks.py", "preprocess_data"), ("library.py", "run"), ("tools.py", "told")}
Function = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
FILES = sorted(Path(str(ui.__file__)).parent.rglob("*.py"))


def too_long(tree: ast.Module, file: str) -> Iterator[str]:
    """The functions and records of a file that are filled by a long list, or by one without an end."""
    for node in ast.walk(tree):
        if isinstance(node, Function):
            name = getattr(node, "name", "lambda")
            named = [one.arg for one in (*node.args.posonlyargs, *node.args.args)]
            by_position = [one for one in named if one not in ("self", "cls")]
            rest = node.args.vararg
            endless = rest is not None and not name.startswith("__") and _what(rest) != "str"  # but for names
            if len(by_position) > MOST or (endless and (file, name) not in PASSING_ON):
                yield f"{file}:{node.lineno} {name}"
        if isinstance(node, ast.ClassDef) and "NamedTuple" in map(ast.unparse, node.bases):
            fields = [line for line in node.body if isinstance(line, ast.AnnAssign)]
            yield from [f"{file}:{node.lineno} {node.name}"] if len(fields) > MOST else []


def _what(argument: ast.arg) -> str:
    return ast.unparse(argument.annotation) if argument.annotation else ""


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_no_function_takes_more_than_five_by_position(path: Path) -> None:
    assert not list(too_long(ast.parse(path.read_text(encoding="utf-8")), path.name))


@pytest.mark.parametrize(
    "source",
    [
        "def f(a, b, c, d, e, f): ...",
        "def f(self, *values): ...",
        "g = lambda *values: values",
        "class Shown(NamedTuple):\n" + "".join(f"    a{n}: int\n" for n in range(6)),
    ],
)
def test_one_that_does_would_be_found(source: str) -> None:
    assert list(too_long(ast.parse(source), "x.py"))


def test_every_event_of_the_page_goes_by_name(tmp_path: Path) -> None:
    """As the page is built: its handlers' inputs, and the outputs of those that fill more than a few."""
    studio = build_studio(Settings(outputs=tmp_path, model_id="tone", device="cpu"))
    page = build_page(studio, studio.settings)
    events = [event for event in page.blocks.fns.values() if event.fn is not None]
    wrong = [
        str(event.name)
        for event in events
        if len(event.inputs) - len(event.input_keyword_names) > MOST
        or (len(event.outputs) > MOST and not gives_a_dict(event.fn))
    ]
    assert not wrong
    assert sum(len(event.input_keyword_names) > MOST for event in events) >= 6, "the forms' buttons"
    assert sum(len(event.outputs) > MOST for event in events) >= 6, "presets and the library"
    page.close()
    studio.close()


def gives_a_dict(function: Any) -> bool:
    """Whether what Gradio calls answers by component: by its own annotation, not of what it is around."""
    called = getattr(function, "__func__", function)
    if called.__code__.co_qualname == "answered.<locals>.run":
        return True  # as `answer` does
    return str(called.__annotations__.get("return", "")).startswith("dict[")


def test_a_form_s_handler_is_called_by_gradio_with_names() -> None:
    """What the page relies on of Gradio."""
    got: dict[str, Any] = {}
    with gr.Blocks() as blocks:
        fields = {"one": gr.Number(1), "two": gr.Textbox("b")}
        gr.Button().click(lambda **values: got.update(values), None, None, inputs_kwargs=fields)
    (event,) = blocks.fns.values()
    assert list(event.input_keyword_names) == ["one", "two"]
