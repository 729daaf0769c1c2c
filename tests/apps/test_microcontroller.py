"""The firmware, built as its README says and run on emulated boards, prints the class that ONNX Runtime gives."""

import runpy
import shutil
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner

from edgenet.bench.devices import cortex_m
from edgenet.cli import main
from tests.apps.conftest import APPS, ROOT, Digits, program

FOLDER = APPS / "microcontroller"
MCUS = sorted(cortex_m._CORES)
_header = runpy.run_path(str(FOLDER / "digit.py"))["header"]


def make(folder: Path, *words: str, said: str = "run") -> subprocess.CompletedProcess[str]:
    command = [program("make", "make"), "--no-print-directory", "-C", str(folder), f"CLONE={ROOT}", *words, said]
    return subprocess.run(command, text=True, capture_output=True, check=False)


@pytest.fixture
def app(tmp_path: Path) -> Path:
    """A copy of the app, as a person makes who puts another digit into it."""
    return Path(shutil.copytree(FOLDER, tmp_path / "app", ignore=shutil.ignore_patterns("*.elf")))


@pytest.fixture(scope="module")
def network(digits: Digits) -> Path:
    """The folder of the network as C, beside its checkpoint."""
    done = CliRunner().invoke(main, ["export", str(digits.run / "xnor.safetensors"), "--format", "c"])
    assert done.exit_code == 0, done.output
    return digits.run / "xnor-c"


@pytest.mark.devices
@pytest.mark.parametrize("mcu", MCUS)
def test_the_class_of_onnx_runtime_is_printed(app: Path, network: Path, digits: Digits, mcu: str) -> None:
    program("arm-none-eabi-gcc", "gcc-arm-none-eabi")
    program("qemu-system-arm", "qemu-system-arm")
    # The digits are in the order of their classes.
    chosen = range(5, len(digits.pixels), 25 if mcu == "cortex-m4" else 120)
    printed = []
    for number in chosen:
        (app / "digit.h").write_text(_header(digits.pixels[number, :, :, 0].tolist(), f"digit {number}"))
        done = make(app, f"NETWORK={network}", f"MCU={mcu}")
        assert done.returncode == 0, done.stderr
        printed.append(done.stdout.splitlines()[-1])
    assert printed == [str(digits.expected()[number]) for number in chosen]
    assert len(set(printed)) > 1


@pytest.mark.devices
def test_a_board_of_its_own_gets_its_memory_and_is_told_when_it_is_too_small(app: Path, network: Path) -> None:
    program("arm-none-eabi-gcc", "gcc-arm-none-eabi")
    board = ("FLASH_ORIGIN=0x08000000", "FLASH=64K", "RAM_ORIGIN=0x20000000", "STACK=2K", f"NETWORK={network}")
    done = make(app, *board, "RAM=20K", said="digit.elf")
    assert done.returncode == 0, done.stderr
    sections = subprocess.run(["arm-none-eabi-size", "-A", app / "digit.elf"], text=True, capture_output=True).stdout
    assert str(0x08000000) in sections
    done = make(app, *board, "RAM=4K", said="digit.elf")
    assert done.returncode != 0
    assert "region `RAM' overflowed by" in done.stderr


@pytest.mark.parametrize("mcu", MCUS)
def test_a_core_is_compiled_for_and_emulated_as_edgenet_bench_does(app: Path, tmp_path: Path, mcu: str) -> None:
    for name in ("lenet5.c", "lenet5.h", "lenet5_weights.h"):
        (tmp_path / name).touch()
    core = cortex_m._CORES[mcu]
    said = make(app, "--dry-run", f"NETWORK={tmp_path}", f"MCU={mcu}").stdout
    assert f"-mthumb {' '.join(core.flags)} -O2" in said
    assert f"-M {core.board} " in said
    assert core.flash >= 512 << 10 <= core.ram


def test_what_is_missing_is_said(app: Path, tmp_path: Path) -> None:
    done = make(app, f"NETWORK={tmp_path}")
    assert done.returncode != 0
    assert "edgenet export runs/lenet5/xnor.safetensors --format c" in done.stdout
    done = make(app, "MCU=cortex-m9")
    assert done.returncode != 0
    assert "no options for MCU=cortex-m9; name one of cortex-m0 cortex-m3" in done.stderr


def test_the_digit_is_what_its_script_writes(capsys: pytest.CaptureFixture[str]) -> None:
    text = (FOLDER / "digit.h").read_text()
    number = text.partition(",")[0].split()[-1]
    runpy.run_path(str(FOLDER / "digit.py"))["main"](int(number))
    assert capsys.readouterr().out == text
