"""The command line, on the backend without weights."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import soundfile
import soundfile as sf
from typer.testing import CliRunner, Result

from studio.app import build_studio
from studio.cli import Factories, build_cli
from studio.core.errors import OutOfResourcesError
from studio.core.preset import load_preset
from studio.core.settings import Settings
from studio.evaluation.benchmarks.endless import slope_per_minute
from studio.pipeline.peak_memory import PeakMemory
from studio.pipeline.renderer import Renderer
from studio.service.studio import Studio
from tests.waiting import until

ROOT = Path(__file__).resolve().parents[1]
TONE = ("--model", "tone", "--prompt", "rain")
QUICK = ("--steps", "6", "--group-size", "4", "--buffer", "4")
BENCH_KEYS = {
    "model", "device", "dtype", "threads", "seconds_of_audio", "rtf", "first_audio_s", "unet_ms", "decode_ms",
    "rss_start_mb", "rss_end_mb", "rss_slope_mb_per_min", "window_s", "steps", "group_size", "buffer",
}  # fmt: skip


def longwave(*words: object, served: list[Settings] | None = None) -> Result:
    factories = Factories(serve=(served if served is not None else []).append, studio=build_studio)
    return CliRunner().invoke(build_cli(factories), [str(word) for word in words])


def one_sentence(result: Result) -> str:
    """The error of a result that ended as a wrong value must."""
    assert result.exit_code == 2, result.output
    assert isinstance(result.exception, SystemExit), result.exception
    assert result.stdout == ""
    lines = result.stderr.splitlines()
    assert len(lines) == 1, lines
    assert lines[0].endswith("."), lines
    return lines[0]


def test_render_writes_the_file_its_sidecar_and_one_line_of_json(tmp_path: Path) -> None:
    out = tmp_path / "deep" / "take.flac"
    result = longwave(
        "render", "infinite", *TONE, *QUICK, "--seconds", 1.37, "--seed", 0, "--out", out, "--json"
    )
    assert result.exit_code == 0, result.output
    assert result.stdout.count("\n") == 1
    figures = json.loads(result.stdout)
    assert (figures["file"], figures["seconds"], figures["seed"]) == (str(out), 1.37, 0)
    assert figures["rtf"] > 0
    assert figures["first_audio_s"] > 0
    assert figures["stopped"] is False
    samples, rate = soundfile.read(out)
    assert len(samples) == round(1.37 * rate)
    sidecar = load_preset(out.with_suffix(".json"))
    assert sidecar.take is not None
    assert sidecar.take.status == "finished"
    assert sidecar.request().sampler.base_steps == 6  # type: ignore[union-attr]


def test_render_without_out_goes_under_the_outputs_folder(tmp_path: Path) -> None:
    result = longwave("render", "infinite", *TONE, *QUICK, "--seconds", 0.5, "--outputs", tmp_path)
    path = Path(result.stdout.strip())
    assert path.is_file()
    assert tmp_path in path.parents


def test_options_go_over_a_preset(tmp_path: Path) -> None:
    out = tmp_path / "a.wav"
    words = ("--preset", "night-crickets", "--model", "tone", "--seconds", 0.4, *QUICK, "--out", out)
    assert longwave("render", "infinite", *words).exit_code == 0
    request = load_preset(out.with_suffix(".json")).request()
    assert (request.prompt, request.duration_s) == ("crickets chirping at night", 0.4)


def test_a_take_opens_as_a_preset(tmp_path: Path) -> None:
    first, second = tmp_path / "a.wav", tmp_path / "b.wav"
    longwave("render", "infinite", *TONE, *QUICK, "--seconds", 0.4, "--out", first)
    again = longwave("render", "infinite", "--preset", first.with_suffix(".json"), "--out", second)
    assert again.exit_code == 0, again.output
    assert soundfile.read(first)[0].tolist() == soundfile.read(second)[0].tolist()


def test_a_take_goes_on_from_a_recording(tmp_path: Path) -> None:
    field, out = tmp_path / "field.wav", tmp_path / "a.wav"
    sf.write(field, np.full(24_000, 0.25), 16_000)
    words = ("--prompt", "x", "--continue-from", field, "--model", "tone", "--seconds")
    result = longwave("render", "infinite", *words, 2.5, *QUICK, "--out", out)
    assert result.exit_code == 0, result.output
    samples, _ = sf.read(out)
    assert len(samples) == 40_000
    np.testing.assert_allclose(samples[:16_000], 0.25, atol=1e-4)
    assert np.abs(samples[24_000:]).max() > 0.4, "the tone goes on"
    assert "more seconds" in one_sentence(longwave("render", "infinite", *words, 1.5, *QUICK, "--out", out))
    field.write_text("no sound")
    assert "field.wav" in one_sentence(longwave("render", "infinite", *words, 2.5, *QUICK, "--out", out))


def test_what_was_noticed_in_a_recording_is_said(tmp_path: Path) -> None:
    field, out = tmp_path / "field.wav", tmp_path / "a.wav"
    left = 2.0 * np.sin(np.arange(24_000) / 9)
    sf.write(field, np.stack([left, -left], axis=1), 16_000, subtype="FLOAT")
    words = (
        "--prompt",
        "x",
        "--continue-from",
        field,
        "--model",
        "tone",
        "--seconds",
        2.5,
        *QUICK,
        "--out",
        out,
    )
    notes = [
        "Its two channels cancel each other, so one was turned over.",
        "It was scaled down by 6.0 dB: its peaks lay above full scale.",
    ]
    result = longwave("render", "infinite", *words)
    assert result.exit_code == 0, result.output
    assert result.stdout.splitlines() == [str(out)]
    assert result.stderr.splitlines() == [f"field.wav: {note}" for note in notes]
    assert json.loads(longwave("render", "infinite", *words, "--json").stdout)["notes"] == notes
    assert np.abs(sf.read(out)[0][:16_000]).max() > 0.99, "the sound survives"
    help_text = longwave("render", "infinite", "--help").stdout
    assert all(kind in help_text for kind in ("caf", "aifc", "m4a", "amr"))


def test_a_lane_from_a_file_needs_no_other_prompt(tmp_path: Path) -> None:
    lane, out = tmp_path / "lane.txt", tmp_path / "a.wav"
    lane.write_text("0:00 | calm sea\n0:00.3 | storm\n")
    words = ("--lane", lane, "--blend", 0.5, "--model", "tone", "--seconds", 0.6, *QUICK, "--out", out)
    result = longwave("render", "infinite", *words)
    assert result.exit_code == 0, result.output
    sidecar = load_preset(out.with_suffix(".json"))
    request = sidecar.request()
    assert (request.prompt, request.lane_blend_s) == ("calm sea", 0.5)
    assert sidecar.take is not None
    assert [(cue.at_s, cue.prompt) for cue in sidecar.take.cues] == [(0.0, "calm sea"), (0.3, "storm")]
    lane.write_text("0:00 | calm sea\nstorm\n")
    assert "Line 2" in one_sentence(longwave("render", "infinite", *words))


def test_bench_prints_every_figure() -> None:
    result = longwave("bench", "infinite", "--model", "tone", "--seconds", 3, *QUICK, "--json")
    assert result.exit_code == 0, result.output
    figures = json.loads(result.stdout)
    assert set(figures) >= BENCH_KEYS
    assert (figures["model"], figures["seconds_of_audio"], figures["group_size"]) == ("tone", 3.0, 4)
    assert figures["window_s"] == pytest.approx((figures["buffer"] + 4 * figures["steps"]) * 0.04)
    assert figures["unet_ms"] > 0


def test_bench_has_every_stereo_at_every_bandwidth() -> None:
    words = ("bench", "infinite", "--model", "tone", "--seconds", 0.5, *QUICK, "--kinds")
    rows = json.loads(longwave(*words, "--json").stdout)["rows"]
    kinds = [(row["stereo"], row["bandwidth"]) for row in rows]
    assert kinds == [(stereo, width) for width in ("16k", "48k") for stereo in ("mono", "wide", "twin")]
    assert all(row["rtf"] > 0 and row["decode_ms"] > 0 and row["unet_ms"] > 0 for row in rows)
    head, first, *_ = longwave(*words).stdout.splitlines()
    assert head.split()[:3] == ["stereo", "bandwidth", "rtf"]
    assert first.split()[:2] == ["mono", "16k"]
    assert one_sentence(longwave(*words, "--compare")) == "Give --kinds or --compare, not both."


def test_bench_compares_with_ordinary_clips(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("studio.evaluation.benchmarks.endless.bench_clips.__defaults__", ((1.0, 0.5),))
    result = longwave("bench", "infinite", "--model", "tone", "--seconds", 0.5, *QUICK, "--compare", "--json")
    rows = json.loads(result.stdout)["compare"]
    assert [row["seconds_of_audio"] for row in rows] == [0.5, 1.0]
    assert all(row["time_s"] > 0 and row["peak_rss_mb"] > 0 for row in rows)
    readable = longwave("bench", "infinite", "--model", "tone", "--seconds", 0.5, *QUICK, "--compare")
    assert "time_s" in readable.stdout


SPARSE_KEYS = {"seconds", "method", "kernel_ms", "forward_ms", "peak_mb"}


@pytest.mark.slow
def test_a_sparse_clip_and_its_settings_again(tmp_path: Path) -> None:
    first, second = tmp_path / "a.wav", tmp_path / "b.wav"
    words = (
        "--prompt",
        "waves",
        "--seconds",
        1.3,
        "--seed",
        4,
        "--steps",
        2,
        "--ratio",
        0.2,
        "--no-compensation",
        "--sampler",
        "ddpm",
    )
    result = longwave("render", "sparse", *words, "--block", "up3", "--out", first, "--json")
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["seconds"] == pytest.approx(1.3)
    request = load_preset(first.with_suffix(".json")).request()
    assert (request.mode, request.sampler.kind, request.sampler.method) == ("sparse", "clip", "ddpm")
    assert request.attention.model_dump() == {
        "kind": "lite_focus", "ratio": 0.2, "sampling": "balanced", "focus": True, "compensation": False,
        "blocks": ("up3",),
    }  # fmt: skip
    preset = ("--preset", first.with_suffix(".json"))
    assert longwave("render", "sparse", *preset, "--out", second).exit_code == 0
    samples = soundfile.read(first)[0]
    assert samples.tolist() == soundfile.read(second)[0].tolist()
    dense = longwave("render", "sparse", *preset, "--attention", "dense", "--out", second)
    assert dense.exit_code == 0, dense.output
    assert load_preset(second.with_suffix(".json")).request().attention.kind == "dense"
    assert np.abs(samples - soundfile.read(second)[0]).max() > 100 / 32768


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--prompt", "x", "--ratio", "2"), "--ratio: must be 'auto'"),
        (("--prompt", "x", "--no-focus", "--no-compensation"), "switch one on"),
        (("--prompt", "x", "--block", "attic"), "--block: must be 'mid', or"),
        (("--prompt", "x", "--block", "down1", "--seconds", "1"), "choose from down2"),
        (("--prompt", "x", "--attention", "thin"), "thin"),
        (("--prompt", "x", "--attention", "token_merging", "--ratio", "1"), "--ratio"),
        (("--prompt", "x", "--seconds", "-1"), "--seconds"),
        (("--prompt", "x", "--seconds", "nan"), "--seconds"),
        (("--prompt", "x", "--seconds", "1e9"), "--seconds"),
        (("--prompt", "x", "--steps", "0"), "--steps"),
        (("--prompt", "x", "--model", "tone"), "no attention to make sparse"),
        ((), "prompt is empty"),
    ],
)
def test_a_wrong_sparse_clip_is_one_sentence(words: tuple[str, ...], said: str, tmp_path: Path) -> None:
    result = longwave("render", "sparse", *words, "--outputs", tmp_path)
    assert said.lower() in one_sentence(result).lower()
    assert not list(tmp_path.rglob("*.wav"))


@pytest.mark.slow
def test_bench_sparse_measures_every_method_at_every_length() -> None:
    result = longwave("bench", "sparse", "--seconds", 0.64, 1.28, "--repeats", 1, "--json")
    assert result.exit_code == 0, result.output
    figures = json.loads(result.stdout)
    rows = figures["rows"]
    assert [(row["seconds"], row["method"]) for row in rows] == [
        (seconds, method)
        for seconds in (0.64, 1.28)
        for method in ("dense", "uniform", "balanced", "focus", "compensation", "tome", "tomesd")
    ]
    assert all(set(row) >= SPARSE_KEYS for row in rows)
    assert all(row["kernel_ms"] > 0 and row["forward_ms"] > 0 for row in rows)
    drawing = {"uniform", "balanced", "compensation"}
    assert {row["method"] for row in rows if row["ratio"] == 0.1} == drawing
    assert {row["method"] for row in rows if row["ratio"] is not None} == drawing
    shares = figures["shares"]
    assert [row["seconds"] for row in shares] == [0.64, 1.28]
    for row in shares:
        kinds = ("self_attention", "cross_attention", "convolution", "rest")
        assert sum(row[kind] for kind in kinds) == pytest.approx(1, abs=1e-3)
        assert all(row[kind] > 0 for kind in kinds)


@pytest.mark.slow
def test_bench_sparse_tells_where_the_time_goes_alone() -> None:
    result = longwave("bench", "sparse", "--seconds", 0.64, "--repeats", 1, "--shares")
    assert result.exit_code == 0, result.output
    assert "self_attention" in result.stdout
    assert "kernel_ms" not in result.stdout


@pytest.mark.slow
def test_bench_sparse_measures_the_ratio_and_the_blocks_it_is_given() -> None:
    asked = ("--seconds", 0.64, "--repeats", 1, "--ratio", "0.5", "--block", "mid", "--block", "up3")
    result = longwave("bench", "sparse", *asked)
    assert result.exit_code == 0, result.output
    assert "kernel_ms" in result.stdout
    assert result.stdout.count("0.5 ") >= 2


@pytest.mark.slow
def test_bench_sparse_tells_what_all_steps_of_a_clip_cost() -> None:
    asked = ("--seconds", 0.64, "--end-to-end", "--steps", 6, "--batch", 2, "--repeats", 1, "--json")
    result = longwave("bench", "sparse", *asked)
    assert result.exit_code == 0, result.output
    rows = json.loads(result.stdout)["rows"]
    counted = [(row["deep"], row["predictions"]) for row in rows]
    # At timesteps 831 to 1: the last is below the interval, and begins anew with what is kept.
    assert counted == [(6, 12), (6, 12), (3, 12), (2, 12), (6, 10), (3, 10)]
    assert all(row["took_s"] > 0 for row in rows)
    assert rows[0]["speedup"] == 1


@pytest.mark.parametrize(
    "words", [("--seconds", "0"), ("--seconds", "10", "nan"), ("--model", "tone"), ("--shape", "cube"),
     ("--ratio", "0"), ("--block", "down9"), ("--shares", "--end-to-end")]
)  # fmt: skip
def test_a_wrong_bench_sparse_is_one_sentence(words: tuple[str, ...]) -> None:
    one_sentence(longwave("bench", "sparse", *words))


def test_slope_of_memory_leaves_the_first_minute_out() -> None:
    settling = [(float(t), 500.0 + min(t, 60)) for t in range(180)]
    assert slope_per_minute(settling) == pytest.approx(0.0, abs=1e-9)
    assert slope_per_minute(settling[:60]) == pytest.approx(60.0)
    assert slope_per_minute([(t / 10, 7 + t / 600) for t in range(9)]) == pytest.approx(1.0)
    assert slope_per_minute([(1.0, 5.0)]) == slope_per_minute([]) == 0.0


def test_peak_memory_sees_what_is_gone_again() -> None:
    with PeakMemory("cpu") as peak:
        before = peak.rss_mb
        block = b"\1" * (64 << 20)
        until(lambda: peak.rss_mb > before + 50)
        del block
    assert peak.rss_mb > before + 50
    assert peak.figures()["peak_device_mb"] is None


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--prompt", "rain", "--seconds", "-1"), "--seconds: "),
        (("--prompt", "rain", "--seconds", "nan"), "--seconds: "),
        (("--prompt", "rain", "--seconds", "abc"), "--seconds"),
        (("--prompt", "rain", "--seconds", "1", "--endless"), "not both"),
        (("--prompt", "rain", "--guidance", "nan"), "--guidance: "),
        (("--prompt", "rain", "--skip-factor", "0"), "--skip-factor: "),
        (("--prompt", "rain", "--strategy", "best"), "--strategy: "),
        (("--prompt", "rain", "--seed", "-2"), "--seed: "),
        (("--prompt", "rain", "--device", "toaster"), "--device: "),
        (("--prompt", " "), "Prompt is empty"),
        ((), "Prompt is empty"),
        (("--prompt", "rain", "--model", "no such model"), "no such model"),
        (("--prompt", "rain", "--out", "take.xyz"), "take.xyz"),
        (("--prompt", "rain", "--preset", "no-such-preset"), "no-such-preset"),
        (("--frobnicate",), "--frobnicate"),
    ],
)
def test_wrong_values_end_in_one_sentence(words: tuple[str, ...], says: str) -> None:
    assert says in one_sentence(longwave("render", "infinite", "--model", "tone", *words))


def test_truncated_weights_end_in_one_sentence(tmp_path: Path) -> None:
    for part in ("text_encoder", "tokenizer", "unet", "vae", "vocoder", "scheduler"):
        (tmp_path / part).mkdir()
        (tmp_path / part / "config.json").write_text("{}")
        (tmp_path / part / "diffusion_pytorch_model.safetensors").write_bytes(b"\xff" * 40)
    assert "truncated" in one_sentence(
        longwave("render", "infinite", "--prompt", "rain", "--model", tmp_path, "--out", tmp_path / "a.wav")
    )
    assert "truncated" in one_sentence(longwave("bench", "infinite", "--model", tmp_path))
    assert "truncated" in one_sentence(longwave("models", "verify", tmp_path))
    assert not (tmp_path / "a.wav").exists()


@pytest.mark.parametrize(
    "words",
    [
        ("frob",),
        ("render",),
        ("serve", "--port", "99999"),
        ("serve", "--model", "no such model"),
        ("serve", "--outputs", __file__),
        ("models", "verify", "no such model"),
        ("models", "download", "no such model"),
        ("presets", "validate", __file__),
        ("presets", "show", "nothing"),
        ("train", "vae", "--scale", "0"),
        ("train", "corpus"),
        ("eval", "pocket", "--device", "toaster"),
        ("eval", "sparse", "--seconds", "0"),
        ("eval", "sparse", "--seconds", "10", "1e9"),
        ("eval", "sparse", "--method", "luck"),
        ("eval", "sparse", "--ratio", "2"),
        ("eval", "sparse", "--reuse", "luck"),
        ("eval", "sparse", "--guided-from", "0.5", "--guided-to", "0.5"),
        ("eval", "dual", "--system", "luck"),
        ("eval", "dual", "--w", "nan"),
        ("eval", "dual", "--w", "2", "500"),
        ("eval", "dual", "--clips", "1", "--scenes", "0"),
        ("eval", "voice", "--sentences", "1"),
        ("eval", "voice", "--scene-scale", "nan"),
        ("eval", "voice", "--speech-scale", "-1"),
        ("bench", "dual", "--seconds", "0"),
        ("train", "dcldm", "--manifest", "no such file"),
        ("train", "dcldm", "--manifest", __file__),
        ("models", "describe", "audioldm"),
        ("models", "describe", "dcldm", "--placement", "down4"),
    ],
)
def test_every_command_is_short_about_wrong_words(words: tuple[str, ...]) -> None:
    one_sentence(longwave(*words))


@pytest.mark.parametrize("rate", ["nan", "-1", "0", "inf"])
def test_a_learning_rate_is_a_small_positive_number(rate: str) -> None:
    said = one_sentence(longwave("train", "dcldm", "--manifest", "x", "--learning-rate", rate))
    assert "--learning-rate" in said


@pytest.mark.parametrize("option", ["--seconds", "--ema", "--max-minutes"])
def test_training_takes_numbers_that_are_some(option: str) -> None:
    assert option in one_sentence(longwave("train", "dcldm", "--manifest", "x", option, "nan"))


def test_full_size_counts_are_told() -> None:
    """The paper's 899 M and 877 M."""
    words = ("models", "describe", "dcldm", "--json", "--placement")
    counts = {name: json.loads(longwave(*words, name).stdout)["parameters"] for name in ("mid", "down1+up1")}
    assert {name: round(count / 1e6) for name, count in counts.items()} == {"mid": 899, "down1+up1": 877}


def test_a_shortage_is_told_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OutOfResourcesError("Too many takes are waiting: try again later.")

    monkeypatch.setattr(Studio, "submit", refuse)
    assert "try again later" in one_sentence(longwave("render", "infinite", *TONE))


def test_a_bug_is_no_wrong_value(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(Renderer, "__call__", lambda *_: 1 / 0)
    result = longwave("render", "infinite", *TONE, "--out", tmp_path / "a.wav")
    assert result.exit_code == 1
    assert "Something went wrong inside Longwave" in result.stderr


def test_serve_hands_its_settings_over(tmp_path: Path) -> None:
    served: list[Settings] = []
    words = ("--host", "0.0.0.0", "--port", 8000, "--outputs", tmp_path, "--no-browser", "--model", "tone")
    assert longwave("serve", *words, served=served).exit_code == 0
    wanted = {"host": "0.0.0.0", "port": 8000, "outputs": tmp_path, "open_browser": False, "model_id": "tone"}
    assert served == [replace(Settings(), **wanted)]  # type: ignore[arg-type]
    assert longwave("serve", served=served).exit_code == 0
    assert served[1] == Settings()


def test_models_and_presets_are_listed() -> None:
    assert "pocket/audioldm" in longwave("models", "list").stdout
    models = [json.loads(line) for line in longwave("models", "list", "--json").stdout.splitlines()]
    assert {"id", "licence", "installed"} <= set(models[0])
    assert longwave("models", "verify", "tone").exit_code == 0
    assert longwave("models", "download", "tone").exit_code == 0
    assert "night-crickets" in longwave("presets", "list").stdout
    assert json.loads(longwave("presets", "show", "night-crickets").stdout)["name"] == "Night crickets"
    assert longwave("presets", "validate", *sorted((ROOT / "presets").glob("*.json"))).exit_code == 0


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("render", "infinite"),
        ("bench", "infinite"),
        ("eval", "pocket"),
        ("eval", "sparse"),
        ("eval", "dual"),
        ("eval", "voice"),
        ("render", "dual"),
        ("bench", "dual"),
        ("train", "dcldm"),
        ("models", "describe"),
        ("serve",),
        ("models",),
        ("presets",),
        *(("train", name) for name in ("corpus", "vae", "vocoder", "clap", "unet", "judge", "pocket")),
    ],
)
def test_help_is_there(words: tuple[str, ...]) -> None:
    result = longwave(*words, "--help")
    assert result.exit_code == 0
    assert "Usage: longwave" in result.stdout


def test_version_and_no_words_at_all() -> None:
    assert longwave("--version").stdout.startswith("longwave ")
    assert "render" in longwave().stdout


@contextmanager
def growing_take(out: Path, *more: str) -> Iterator[subprocess.Popen[str]]:
    """An endless take to `out` by a process of its own, some seconds of it made."""
    words = ["render", "infinite", *TONE, *QUICK, "--endless", "--json", "--out", str(out), *more]
    program = [sys.executable, "-m", "studio.app", *words]
    growing = out.with_name(f"{out.stem}.growing.wav")
    # Under nohup, which the tests may run under, it would ignore SIGHUP.
    heed = None if os.name == "nt" else partial(signal.signal, signal.SIGHUP, signal.SIG_DFL)
    with subprocess.Popen(program, cwd=ROOT, stdout=subprocess.PIPE, text=True, preexec_fn=heed) as process:
        try:
            deadline = time.monotonic() + 180  # torch may take long to load on a busy machine
            while not (growing.exists() and growing.stat().st_size > 50_000):
                assert process.poll() is None
                assert time.monotonic() < deadline
                time.sleep(0.05)
            yield process
        finally:
            process.kill()


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="sends a POSIX signal")
@pytest.mark.parametrize(
    "signals",
    [[signal.SIGINT], [signal.SIGTERM], [signal.SIGHUP], [signal.SIGTERM, signal.SIGTERM]],
    ids=["Ctrl-C", "TERM", "HUP", "TERM twice"],
)
def test_whatever_asks_it_to_end_the_take_becomes_its_file(tmp_path: Path, signals: list[int]) -> None:
    out = tmp_path / "take.flac"
    with growing_take(out) as process:
        for number in signals:
            process.send_signal(number)
        stdout, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    figures = json.loads(stdout)
    assert figures["stopped"] is True
    assert soundfile.info(out).duration == pytest.approx(figures["seconds"])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["take.flac", "take.json"]
    record = load_preset(tmp_path / "take.json")
    assert record.take is not None
    assert record.take.status == "stopped"


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="Windows has no such locks")
def test_a_file_that_another_process_writes_is_refused(tmp_path: Path) -> None:
    out = tmp_path / "take.flac"
    with growing_take(out) as process:
        result = longwave("render", "infinite", *TONE, *QUICK, "--seconds", 1, "--out", out)
        assert "Another take is being written" in one_sentence(result)
        process.send_signal(signal.SIGINT)
        stdout, _ = process.communicate(timeout=60)
    assert soundfile.info(out).duration == pytest.approx(json.loads(stdout)["seconds"])


def test_a_file_that_can_t_be_had_is_no_success(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OutOfResourcesError("The disk is full: make room.")

    monkeypatch.setattr("studio.service.takes.writer.convert", full)
    out = tmp_path / "take.flac"
    result = longwave("render", "infinite", *TONE, *QUICK, "--seconds", 1, "--out", out)
    assert result.exit_code == 1
    assert result.stdout == ""
    assert "the sound is whole in" in result.stderr
    assert sf.info(tmp_path / "take.growing.wav").duration == 1.0


@pytest.mark.slow
@pytest.mark.parametrize("encoding", ["cp1252", "latin-1", "cp932"])
def test_output_of_any_encoding_shows_what_it_can(tmp_path: Path, encoding: str) -> None:
    prompt = "rain 🌧 на крыше"
    take = ["--model", "tone", "--prompt", prompt, "--seconds", 0.2, "--outputs", tmp_path]
    longwave("render", "infinite", *take)
    words = [sys.executable, "-m", "studio.app", "library", "list", "--outputs", str(tmp_path)]
    environ = {**os.environ, "PYTHONIOENCODING": encoding}
    done = subprocess.run(words, cwd=ROOT, env=environ, capture_output=True)
    assert done.returncode == 0, done.stderr
    assert b"rain ?" in done.stdout
    wrong = subprocess.run([*words, "--🌧"], cwd=ROOT, env=environ, capture_output=True)
    assert wrong.returncode == 2
    assert b"Traceback" not in wrong.stderr


def test_python_without_docstrings_is_told(tmp_path: Path) -> None:
    program = [sys.executable, "-OO", "-m", "studio.app"]
    words = ["render", "infinite", *TONE, "--seconds", "1", "--outputs", str(tmp_path)]
    done = subprocess.run([*program, *words], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 2
    assert "unset PYTHONOPTIMIZE" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    helped = subprocess.run([*program, "--help"], cwd=ROOT, capture_output=True, text=True)
    assert helped.returncode == 0
    assert "render" in helped.stdout
