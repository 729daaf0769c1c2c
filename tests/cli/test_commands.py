"""The commands that need no torch, their errors and exit codes."""

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from click.testing import CliRunner, Result

from edgenet.cli import main
from edgenet.runtime import library
from tests.cli.conftest import Place
from tests.runtime import models

QUICK = ["--min-runs", "10", "--min-seconds", "0.05"]
_BLOCK = "import sys\nfor name in ('torch', 'lightning', 'onnxscript', 'matplotlib'): sys.modules[name] = None\n"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return models.run_folder(tmp_path_factory.mktemp("cli") / "tiny-run")


@pytest.fixture(scope="module")
def result_file(folder: Path) -> Path:
    file = folder.with_name("result.json")
    assert call("bench", folder, *QUICK, "--json", file).exit_code == 0
    return file


def call(*words: object) -> Result:
    return CliRunner().invoke(main, [str(word) for word in words])


def refused(*words: object) -> str:
    done = call(*words)
    assert done.exit_code == 1, done.output
    assert done.stdout == ""
    # Besides progress there is one line.
    (line,) = [line for line in done.stderr.splitlines() if " % " not in line]
    assert line.startswith("Error: ")
    return line


def test_bench_prints_a_table_a_row_a_path(folder: Path) -> None:
    done = call("bench", folder, *QUICK)
    assert done.exit_code == 0
    assert "tiny on digits, input 1x64" in done.stdout
    assert "portable" in done.stdout
    assert ("native" in done.stdout.split("size:")[0]) == library.available()


def test_json_to_standard_output_is_nothing_but_json(folder: Path) -> None:
    done = call("bench", folder / "full.onnx", *QUICK, "--json", "-")
    assert json.loads(done.stdout)["rows"][0]["scheme"] == "full"
    assert "latency" in done.stderr


def test_json_csv_and_plot_are_written_where_asked(folder: Path, tmp_path: Path) -> None:
    done = call("bench", folder, *QUICK, "--json", tmp_path / "r.json", "--csv", tmp_path / "r.csv")
    assert done.exit_code == 0
    rows = list(csv.DictReader((tmp_path / "r.csv").read_text().splitlines()))
    assert [row["scheme"] for row in rows] == [
        row["scheme"] for row in json.loads((tmp_path / "r.json").read_text())["rows"]
    ]
    assert (tmp_path / "r.png").read_bytes().startswith(b"\x89PNG")


def test_a_page_is_written_where_asked(folder: Path, tmp_path: Path) -> None:
    done = call("bench", folder / "full.onnx", *QUICK, "--html", tmp_path / "r.html")
    assert done.exit_code == 0
    assert f"Wrote {tmp_path / 'r.html'}." in done.stderr
    assert "tiny on digits, input 1x64" in (tmp_path / "r.html").read_text()


def test_a_baseline_is_compared_with(folder: Path, result_file: Path) -> None:
    done = call("bench", folder, *QUICK, "--baseline", result_file)
    assert done.exit_code == 0
    assert "second / first" in " ".join(done.stdout.split())
    assert "this run" in done.stdout


def test_bench_without_a_path_takes_the_newest_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    models.run_folder(tmp_path / "runs" / "old")
    models.run_folder(tmp_path / "runs" / "new")
    monkeypatch.chdir(tmp_path)
    done = call("bench", *QUICK)
    assert done.exit_code == 0
    assert "Measuring the newest run, runs/new." in done.stderr


def test_input_shapes_reach_the_network_and_leave_accuracy_out(folder: Path) -> None:
    done = call("bench", folder / "full.onnx", *QUICK, "--input-shape", "input:3,64", "--json", "-")
    (row,) = json.loads(done.stdout)["rows"]
    assert row["input"] == [3, 64]
    assert row["macs"] == 3 * 64 * models.CLASSES
    assert row["accuracy"] is None


def test_a_profile_an_8_bit_version_and_no_accuracy_are_had_by_options(folder: Path) -> None:
    done = call("bench", folder / "full.onnx", *QUICK, "--profile", "--quantize", "int8", "--no-accuracy")
    assert done.exit_code == 0
    assert "tiny full plain: where the time goes" in done.stdout
    assert "tiny int8 plain: where the time goes" in done.stdout
    assert "100.0 %" not in done.stdout


def test_a_file_too_large_for_a_profile_is_named(tmp_path: Path) -> None:
    model = onnx.load(models.plain(tmp_path / "inside.onnx"))
    onnx.save(model, tmp_path / "net.onnx", save_as_external_data=True, location="weights.bin", size_threshold=0)
    os.truncate(tmp_path / "weights.bin", 2**31)
    done = call("bench", tmp_path / "net.onnx", *QUICK, "--profile")
    assert done.exit_code == 0, done.output
    sentence = "net.onnx has no profile: the copy that is profiled may have 2 GiB at most; profile a smaller version."
    assert sentence in done.stderr.splitlines()


def test_inputs_of_ones_own_reach_the_network(folder: Path, tmp_path: Path) -> None:
    np.savez(tmp_path / "inputs.npz", input=np.zeros((2, models.INPUTS), np.float32))
    done = call("bench", folder / "full.onnx", *QUICK, "--inputs", tmp_path / "inputs.npz", "--json", "-")
    assert json.loads(done.stdout)["rows"][0]["input"] == [2, 64]


def test_inspect_shows_layers(folder: Path) -> None:
    done = call("inspect", folder / "xnor.onnx")
    assert done.exit_code == 0
    assert "XnorLinear" in done.stdout
    as_json = json.loads(call("inspect", folder / "xnor.onnx", "--json", "-").stdout)
    assert (as_json["binary_macs"], as_json["layers"][0]["weight_bits"]) == (256, 1)


def test_compare_takes_files_and_run_folders(folder: Path, result_file: Path) -> None:
    (folder / "report.json").write_text(result_file.read_text())
    done = call("compare", result_file, folder)
    assert done.exit_code == 0
    assert "tiny full plain" in done.stdout
    as_json = json.loads(call("compare", result_file, folder, "--json", "-").stdout)
    assert as_json["rows"][0]["changes"][0]["verdict"] == "same"


def test_compare_fails_for_ci_where_a_result_is_worse_beyond_doubt(result_file: Path, tmp_path: Path) -> None:
    result = json.loads(result_file.read_text())
    for row in result["rows"]:
        row.update(valid=True, flags=[])
    (tmp_path / "valid.json").write_text(json.dumps(result))
    for row in result["rows"]:
        row["file_bytes"] *= 2
    (tmp_path / "worse.json").write_text(json.dumps(result))
    pair = (tmp_path / "valid.json", tmp_path / "worse.json")
    passed = call("compare", *pair, "--fail-if", "slower:5%", "--fail-if", "loss:0")
    assert passed.exit_code == 0, passed.output
    failed = call("compare", *pair, "--fail-if", "slower:5%", "--fail-if", "larger:50%")
    assert failed.exit_code == 1
    assert "second / first" in " ".join(failed.stdout.split())
    (line,) = failed.stderr.splitlines()
    assert "worse.json fails against" in line
    assert "tiny full plain is larger by 100.0%" in line


def test_a_disturbed_row_does_not_fail_a_check_of_speed_and_is_said_not_to_be_judged(
    result_file: Path, tmp_path: Path
) -> None:
    result = json.loads(result_file.read_text())
    for row in result["rows"]:
        row.update(valid=True, flags=[])
    (tmp_path / "before.json").write_text(json.dumps(result))
    row = result["rows"][0]
    row["latency_ms"].update({key: 9 * row["latency_ms"][key] for key in ("p50", "mean")}, windows=[])
    words = ("compare", tmp_path / "before.json", tmp_path / "after.json", "--fail-if", "slower:5%")
    (tmp_path / "after.json").write_text(json.dumps(result))
    assert call(*words).exit_code == 1
    row.update(valid=False, flags=["disturbed: the governor changed"])
    (tmp_path / "after.json").write_text(json.dumps(result))
    done = call(*words)
    assert done.exit_code == 0, done.output
    assert "not judged" in done.stdout
    (line,) = done.stderr.splitlines()
    assert line == (
        f"tiny full plain was not judged by --fail-if slower: {tmp_path / 'after.json'} is not valid (disturbed: the "
        "governor changed); measure again on a quiet machine."
    )


def test_what_there_is_to_choose_from_is_listed() -> None:
    assert "resnet18" in call("models").stdout
    assert "digits" in call("data").stdout
    assert "cpu" in call("devices").stdout


def test_doctor_says_whether_the_native_path_is_used() -> None:
    done = call("doctor")
    assert done.exit_code == 0
    expected = "used: a test node ran on 1 native kernel" if library.available() else "not used. The portable path"
    assert expected in done.stdout
    assert "C++ compiler" in done.stdout
    assert "training:" in done.stdout


DEBIAN_PACKAGES = {
    "qemu-aarch64": "qemu-user libstdc++6-arm64-cross",
    "qemu-system-arm": "qemu-system-arm",
    "arm-none-eabi-gcc": "gcc-arm-none-eabi libnewlib-arm-none-eabi",
    "llvm-mca": "llvm-19",
    "ssh": "openssh-client",
    "adb": "adb",
    "node": "nodejs",
}


def test_doctor_says_what_devices_need_and_which_package_brings_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    for name, version in (("adb", ""), ("llvm-mca", "LLVM version 14.0.6")):
        (tmp_path / name).write_text(f"#!/bin/sh\necho {version}\n")
        (tmp_path / name).chmod(0o755)
    lines = {
        name: text.strip() for name, _, text in (line.partition(":") for line in call("doctor").output.splitlines())
    }
    assert lines.pop("adb") == str(tmp_path / "adb")
    assert lines["llvm-mca"].startswith("none of version 19 or newer; needed only for edgenet bench --device arm64")
    for name, packages in DEBIAN_PACKAGES.items():
        assert name == "adb" or lines[name].endswith(f"(Debian: apt-get install {packages})")


def test_doctor_says_how_to_get_what_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = tmp_path / library.FILE_NAME
    broken.write_bytes(b"no library")
    monkeypatch.setenv(library.ENVIRONMENT_VARIABLE, str(broken))
    done = call("doctor")
    assert done.exit_code == 0
    assert "install a C++ compiler" in done.stdout


def test_doctor_says_that_the_library_named_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(library.ENVIRONMENT_VARIABLE, str(tmp_path / "none.so"))
    done = call("doctor")
    assert done.exit_code == 0
    lines = {name: text.strip() for name, _, text in (line.partition(":") for line in done.stdout.splitlines())}
    reason = f"{library.ENVIRONMENT_VARIABLE} names {tmp_path / 'none.so'}, which is not a file; unset it"
    assert lines["operator library"].startswith(f"none. {reason}")
    assert lines["native path"].startswith(f"not used. {reason}")
    assert "plots" in lines


def test_bad_input_of_bench_is_one_sentence(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "note.onnx").write_text("no network")
    (tmp_path / "broken.json").write_text("{")
    file = folder / "full.onnx"
    assert "nowhere does not exist" in refused("bench", "nowhere")
    assert "holds no .onnx file" in refused("bench", tmp_path / "empty")
    assert "note.onnx" in refused("bench", tmp_path / "note.onnx")
    assert "no device 'toaster'; there is cpu" in refused("bench", file, "--device", "toaster")
    assert "is no JSON" in refused("bench", file, "--baseline", tmp_path / "broken.json")
    assert "cannot be read" in refused("bench", file, "--baseline", tmp_path / "none.json")
    assert "name:1,3,224,224" in refused("bench", file, "--input-shape", "input:a,b")
    assert "[1, 5] does not fit the file's input 'input' [batch, 64]" in refused(
        "bench", file, "--input-shape", "input:1,5"
    )
    spoilt = models.run_folder(tmp_path / "spoilt")
    (spoilt / "samples.npz").write_text("no samples")
    assert "samples.npz holds no samples" in refused("bench", spoilt)
    assert "no input 'picture'; its inputs are input" in refused("bench", file, "--input-shape", "picture:1,64")
    assert "name the result .json" in refused("bench", file, "--json", tmp_path / "result.png")
    assert "none.npz is not a file" in refused("bench", file, "--inputs", tmp_path / "none.npz")
    for option in ("--json", "--csv", "--html"):
        assert "cannot be written" in refused("bench", file, option, tmp_path / "no" / "folder.json")
        assert "cannot be written" in refused("bench", file, option, tmp_path / "empty")


def test_bad_input_of_the_others_is_one_sentence(folder: Path, tmp_path: Path, result_file: Path) -> None:
    (tmp_path / "note.onnx").write_text("no network")
    assert "nowhere.onnx" in refused("inspect", "nowhere.onnx")
    assert "note.onnx" in refused("inspect", tmp_path / "note.onnx")
    assert "no input shape" in refused("inspect", folder / "full.onnx", "--input-shape", "x")
    assert "cannot be read" in refused("compare", result_file, tmp_path / "none.json")
    assert "is no JSON" in refused("compare", tmp_path / "note.onnx", result_file)


def test_a_terminal_that_lacks_characters_gets_a_table_all_the_same(result_file: Path) -> None:
    script = "from edgenet.cli import main\nmain()"
    done = subprocess.run(
        [sys.executable, "-c", script, "compare", result_file, result_file],
        env={**os.environ, "PYTHONIOENCODING": "ascii"}, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "latency" in done.stdout


def test_who_reads_only_the_beginning_of_a_listing_gets_no_error(place: Place) -> None:
    with place.start("data") as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == ""
        assert process.wait(60) in (0, 1)


def test_debug_shows_where_an_error_comes_from() -> None:
    done = CliRunner().invoke(main, ["bench", "nowhere", "--debug"])
    assert isinstance(done.exception, ValueError)


@pytest.mark.parametrize(
    "words",
    [
        ["bench", "--threads", "0"],
        ["bench", "--min-seconds", "0"],
        ["bench", "--quantize", "int4"],
        ["compare", "a.json", "b.json", "--fail-if", "slower"],
        ["nothing"],
        ["inspect"],
    ],
)
def test_wrong_usage_exits_with_2(words: list[str]) -> None:
    assert CliRunner().invoke(main, words).exit_code == 2


def test_without_torch_a_run_is_measured_and_training_says_what_it_needs(folder: Path) -> None:
    script = f"{_BLOCK}from edgenet.cli import main\nmain()"
    measured = subprocess.run(
        [sys.executable, "-c", script, "bench", folder, *QUICK], capture_output=True, text=True, check=True
    )
    assert "100.0 %" in measured.stdout
    refused_ = subprocess.run([sys.executable, "-c", script, "binarize", "lenet5"], capture_output=True, text=True)
    assert refused_.returncode == 1
    assert "pip install '.[train]' in a clone of edgenet" in refused_.stderr


@pytest.mark.parametrize("words", [["--help"], ["models"], ["data"], ["bench", "--help"]])
def test_what_should_be_quick_imports_nothing_heavy(words: list[str]) -> None:
    script = (
        "import atexit, sys\n"
        "heavy = {'numpy', 'onnx', 'onnxruntime', 'torch', 'rich', 'matplotlib'}\n"
        "atexit.register(lambda: print('heavy:', sorted(heavy & set(sys.modules))))\n"
        "from edgenet.cli import main\n"
        "main()"
    )
    done = subprocess.run([sys.executable, "-c", script, *words], capture_output=True, text=True, check=True)
    assert done.stdout.endswith("heavy: []\n")


def test_the_installed_command_answers(place: Place) -> None:
    done = place.run("--version")
    assert done.returncode == 0
    assert "0.1.0" in done.stdout
