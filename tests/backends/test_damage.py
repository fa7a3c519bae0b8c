"""Any folder is opened, or refused in one sentence: never another exception, and never without bounds."""

from __future__ import annotations

import json
import shutil
import tempfile
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file

from studio.backends import catalog, checkpoint
from studio.backends.acoustic import codec
from studio.backends.boundary import no_larger_than, weights_errors
from studio.backends.reading import Held
from studio.backends.systems import audioldm, audioldm2, dcldm, tango, voiceldm
from studio.core.errors import ModelNotFoundError, OutOfResourcesError, WeightsError
from studio.core.settings import Settings
from tests.backends.conftest import make_dcldm, make_tango, make_voiceldm
from tests.backends.damage import FILES, HEADERS, INDEXES, JSONS, VALUES, first, write_header

LOADERS: dict[str, Any] = {
    "audioldm": audioldm.load, "audioldm2": audioldm2.load, "tango": tango.load, "dcldm": dcldm.load,
    "voiceldm": voiceldm.load,
}  # fmt: skip


@pytest.fixture(scope="module")
def folders(
    tiny_folder: Path, tiny_folder2: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Path]:
    """A whole tiny checkpoint of each system."""
    root = tmp_path_factory.mktemp("whole")
    made = make_tango(root / "tango")
    dual = make_dcldm(made, root / "dual")
    voice = make_voiceldm(root / "voice", band=4)
    return {
        "audioldm": tiny_folder, "audioldm2": tiny_folder2, "tango": made, "dcldm": dual, "voiceldm": voice,
    }  # fmt: skip


def refused(system: str, folder: Path) -> str:
    """The one sentence that a folder is refused with."""
    with pytest.raises(WeightsError) as caught:
        LOADERS[system](folder, "cpu", "float32")
    return in_one_sentence(str(caught.value), folder)


def in_one_sentence(message: str, folder: Path) -> str:
    assert message.endswith(".")
    assert message.isprintable()
    assert len(message) < 300
    assert str(folder.parent) not in message
    return message


def opened_or_refused(system: str, folder: Path) -> None:
    """What is not seen to be damaged must work."""
    problems = catalog.verify(folder)
    assert all(len(problem) < 300 and problem.isprintable() for problem in problems)
    try:
        backend = LOADERS[system](folder, "cpu", "float32")
    except WeightsError as error:
        in_one_sentence(str(error), folder)
        return
    assert not problems
    backend.unload()


@pytest.mark.parametrize("header", HEADERS)
def test_headers_that_describe_no_tensors(header: str, folders: dict[str, Path], tmp_path: Path) -> None:
    folder = shutil.copytree(folders["audioldm"], tmp_path / "bad")
    write_header(first(folder, "unet/*.safetensors"), HEADERS[header])
    assert len(catalog.verify(folder)) == 1
    assert "unet/" in refused("audioldm", folder)


@pytest.mark.parametrize("index", INDEXES)
@pytest.mark.parametrize("component", ["vae", "text_encoder"])
def test_indexes_of_shards_that_name_no_files(
    index: str, component: str, folders: dict[str, Path], tmp_path: Path
) -> None:
    folder = shutil.copytree(folders["audioldm"], tmp_path / "bad")
    weights = first(folder, f"{component}/*.safetensors")
    shutil.copy(weights, tmp_path / "secret.safetensors")
    (weights.parent / f"{weights.name}.index.json").write_text(json.dumps(INDEXES[index]))
    weights.unlink()
    assert catalog.verify(folder)
    assert component in refused("audioldm", folder)


@pytest.mark.parametrize("damage", FILES)
@pytest.mark.parametrize(
    "pattern",
    ["model_index.json", "vae/config.json", "unet/*.safetensors", "tokenizer/tokenizer.json",
     "scheduler/scheduler_config.json", "text_encoder/config.json", "tokenizer/tokenizer_config.json"],
)  # fmt: skip
def test_files_that_are_none(pattern: str, damage: Any, folders: dict[str, Path], tmp_path: Path) -> None:
    folder = shutil.copytree(folders["audioldm"], tmp_path / "bad")
    damage(first(folder, pattern))
    optional = pattern in {"model_index.json", "tokenizer/tokenizer_config.json"}
    if optional:
        opened_or_refused("audioldm", folder)
    else:
        assert catalog.verify(folder)
        refused("audioldm", folder)


@pytest.mark.parametrize("text", JSONS)
@pytest.mark.parametrize(
    ("system", "name"),
    [("audioldm", "vocoder/config.json"), ("tango", "model_index.json"), ("audioldm2", "model_index.json"),
     ("tango", "scheduler/scheduler_config.json"), ("audioldm2", "language_model/config.json"),
     ("dcldm", "acoustic_branch/config.json"), ("voiceldm", "unet/config.json"),
     ("voiceldm", "speecht5/config.json")],
)  # fmt: skip
def test_texts_that_are_no_objects(
    system: str, name: str, text: str, folders: dict[str, Path], tmp_path: Path
) -> None:
    folder = shutil.copytree(folders[system], tmp_path / "bad")
    (folder / name).write_bytes(JSONS[text])
    assert catalog.verify(folder) or text == "a long number"
    refused(system, folder)


def numbers_of(config: dict[str, Any]) -> list[str]:
    return [key for key, value in config.items() if isinstance(value, int | float | list | tuple)]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("system", "component"),
    [("audioldm", "unet"), ("audioldm", "vae"), ("audioldm", "vocoder"), ("audioldm", "text_encoder"),
     ("audioldm2", "unet"), ("audioldm2", "language_model"), ("audioldm2", "text_encoder_2"),
     ("audioldm2", "projection_model"), ("dcldm", "acoustic_branch"), ("voiceldm", "unet"),
     ("voiceldm", "speecht5")],
)  # fmt: skip
def test_configs_with_any_value_in_any_place(
    system: str, component: str, folders: dict[str, Path], tmp_path: Path
) -> None:
    """Thousands of combinations: so many of each, other ones for each component."""
    folder = shutil.copytree(folders[system], tmp_path / "bad")
    file = folder / component / "config.json"
    whole = json.loads(file.read_text())

    @settings(max_examples=7, deadline=None, derandomize=True, database=None)
    @given(st.sampled_from(numbers_of(whole)), st.sampled_from(VALUES))
    def each(key: str, value: Any) -> None:
        file.write_text(json.dumps({**whole, key: value}))
        opened_or_refused(system, folder)

    each()


@settings(
    max_examples=60, deadline=None, derandomize=True, database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)  # fmt: skip
@given(
    st.dictionaries(
        st.text(max_size=8),
        st.one_of(
            st.none(),
            st.integers(),
            st.text(max_size=4),
            st.fixed_dictionaries(
                {
                    "dtype": st.sampled_from(["F32", "F16", "BF16", "I64", "BOOL", "f32", 5]),
                    "shape": st.lists(st.one_of(st.integers(-2, 9), st.integers()), max_size=4),
                    "data_offsets": st.lists(st.one_of(st.integers(-2, 90), st.integers()), max_size=3),
                }
            ),
        ),
        max_size=4,
    )
)
def test_what_passes_as_a_header_is_read_by_the_library_too(header: dict[str, Any]) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        file = Path(scratch) / "model.safetensors"
        write_header(file, header)
        try:
            held = checkpoint.held(Path(scratch))
        except WeightsError as error:
            in_one_sentence(str(error), file)
            return
        assert held.tensors == len(load_file(file))


@pytest.mark.parametrize(
    "name",
    ["~nosuchuser/x", "a/..", "-x/--y", "../..", "a/b\0", "\0", "x" * 5000, "a/" + "b" * 300, "a//b",
     "/a/b/c/", "", " ", ".", "a/b.git", "é/ü", "~" * 300, "pocket/\0", "pocket/" + "x" * 5000, "cvssp/..",
     "a\n/b"],
)  # fmt: skip
def test_names_of_nothing(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub

    def ask(*_: Any, **__: Any) -> str:
        raise AssertionError("the Hub is asked for what can't be there")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", ask)
    monkeypatch.chdir(tmp_path)
    try:
        found = catalog.resolve(name, Settings(assets=tmp_path / "assets"))
    except ModelNotFoundError as error:
        in_one_sentence(str(error), tmp_path / "x")
    else:
        assert len(catalog.verify(found)) == 1


@pytest.mark.parametrize("index", INDEXES)
def test_the_list_never_ends_over_a_folder(
    index: str, tiny_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    own = Settings(assets=tmp_path)
    folder = shutil.copytree(tiny_folder, tmp_path / "pocket" / "audioldm")
    weights = first(folder, "unet/*.safetensors")
    (weights.parent / f"{weights.name}.index.json").write_text(json.dumps(INDEXES[index]))
    weights.unlink()
    here = {model.id: model.installed for model in catalog.list_models(own)}
    assert here["pocket/audioldm"] is False
    assert here["tone"] is True
    assert catalog.weights_fingerprint("pocket/audioldm", own) == ""


def test_a_network_far_larger_than_its_weights_is_never_built() -> None:
    with pytest.raises(WeightsError, match="far larger"), no_larger_than(Held(10, 1000), "unet"):
        torch.nn.Sequential(*(torch.nn.Linear(4096, 4096, device="meta") for _ in range(2)))
    with pytest.raises(WeightsError, match="far larger"), no_larger_than(Held(10, 1000), "unet"):
        torch.nn.Sequential(*(torch.nn.Linear(1, 1) for _ in range(5000)))
    with no_larger_than(Held(10, 1000), "unet"):
        assert torch.nn.Linear(8, 8).weight.shape == (8, 8)
    assert torch.nn.Linear(4096, 4096, device="meta").weight.shape == (4096, 4096)


class PanicException(BaseException):
    """As Rust's libraries raise it."""


@pytest.mark.parametrize("error", [RecursionError(), AssertionError("x"), AttributeError(), PanicException()])
def test_whatever_a_library_raises_is_one_sentence(error: BaseException) -> None:
    with pytest.raises(WeightsError, match=r"can't be opened"), weights_errors("unet"):
        raise error
    with pytest.raises(OutOfResourcesError), weights_errors("unet"):
        raise MemoryError
    with pytest.raises(KeyboardInterrupt), weights_errors("unet"):
        raise KeyboardInterrupt


POCKET_CODEC = Settings().assets / "pocket" / "audiogen"


@pytest.mark.parametrize(
    ("key", "value"),
    [("num_filters", 10**9), ("hidden_size", -1), ("upsampling_ratios", [10**6] * 4), ("codebook_size", "x"),
     ("sampling_rate", 10**9), ("num_lstm_layers", 10**5), ("kernel_size", 0), ("target_bandwidths", [])],
)  # fmt: skip
def test_a_codecs_config(key: str, value: Any, tmp_path: Path) -> None:
    folder = tmp_path / "codec"
    shutil.copytree(POCKET_CODEC / codec.FOLDER, folder / codec.FOLDER)
    shutil.copy(POCKET_CODEC / checkpoint.AUDIOGEN_FILES[1], folder)
    file = folder / codec.FOLDER / "config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), key: value}))
    with pytest.raises(WeightsError) as caught:
        codec.load(folder, "cpu")
    in_one_sentence(str(caught.value), folder)
