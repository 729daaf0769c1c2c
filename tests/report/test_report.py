"""Tables and pages as people see them."""

import io
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from edgenet import bench, report
from edgenet.errors import EdgenetError
from edgenet.report import cells
from edgenet.report.plot import draw
from edgenet.runtime.inspection import inspect
from tests.report.results import result
from tests.runtime import models

TABLE = """\
resnet18 on digits, input 1x3x32x32
cpu: AMD EPYC, avx512, 1 thread, ONNX Runtime 1.32.0, edgenet 0.1.0
scheme  path         size  smaller   memory  latency           faster  accuracy  loss
─────────────────────────────────────────────────────────────────────────────────────
full    plain     44.7 MB        -   134 MB  4.31 ms                -    98.5 %     -
bwn     native    2.23 MB    20.0x  6.69 MB  4.91 ms  0.88x 0.86–0.90    98.1 %   0.4
xnor    native    2.26 MB    19.8x  6.78 MB  1.21 ms  3.56x 3.54–3.58    97.3 %   1.2
xnor !  portable  2.26 MB    19.8x  6.78 MB  5.20 ms  0.83x 0.81–0.85    97.3 %   1.2
! resnet18 xnor portable: too few runs: 9 of 50; throttled.
resnet18 bwn native is slower than full: it takes 1.14 times as long.
resnet18 xnor portable is slower than full: it takes 1.21 times as long.
"""


def printed(part: object, width: int = 100) -> str:
    stream = io.StringIO()
    Console(file=stream, width=width).print(part)
    return stream.getvalue()


def test_the_table_fits_100_columns_and_reads_as_it_should() -> None:
    text = printed(report.table(result()))
    assert text.startswith(TABLE)
    assert max(map(len, text.splitlines())) <= 100


def test_on_80_columns_only_the_interval_moves_to_a_line_of_its_own() -> None:
    text = printed(report.table(result()), 80)
    assert max(map(len, text.splitlines())) <= 80
    assert "…" not in text
    assert "xnor    native    2.26 MB    19.8x  6.78 MB  1.21 ms       3.56x    97.3 %   1.2" in text


def on_two_devices() -> dict[str, Any]:
    both = result()
    both["rows"] += [{**row, "device": "ssh://pi@raspberrypi"} for row in result()["rows"]]
    both["environments"]["ssh://pi@raspberrypi"] = {**both["environments"]["cpu"], "cpu": "Cortex-A72", "isa": "neon"}
    return both


def test_several_devices_share_a_table_that_names_them() -> None:
    text = printed(report.table(on_two_devices()))
    assert text.count("scheme") == text.count("resnet18 on digits") == 1
    assert "cpu: AMD EPYC, avx512" in text
    assert "ssh://pi@raspberrypi: Cortex-A72, neon" in text
    lines = [line.split()[:2] for line in text.splitlines()]
    assert lines.count(["cpu", "full"]) == lines.count(["pi@raspberrypi", "full"]) == 1
    assert "! resnet18 xnor portable on cpu: too few runs" in text
    narrow = printed(report.table(on_two_devices()), 80)
    assert max(map(len, narrow.splitlines())) <= 80
    assert "3.54–3.58" in narrow
    page = report.markdown(on_two_devices())
    assert "| device | scheme | path | size | memory |" in page
    assert "| pi@raspberrypi | full | plain | 44.7 MB |" in page


def test_the_portable_path_is_explained_where_there_was_no_library() -> None:
    without = result(isa=None, operators=None)
    without["rows"] = [row for row in without["rows"] if row["path"] != "native"]
    text = " ".join(printed(report.table(without)).split())
    assert "The portable path ran on cpu, without operator library; to get it, install a C++ compiler" in text
    assert "operator library" not in printed(report.table(result()))


def test_the_page_has_table_plot_environment_and_command() -> None:
    page = report.markdown(result(), "plot.png")
    assert "## resnet18 on digits, input 1x3x32x32, cpu" in page
    assert "| xnor | native | 2.26 MB | 19.8x | 6.78 MB | 1.21 ms | 3.56x 3.54–3.58 | 97.3 % | 1.2 |" in page
    assert "](plot.png)" in page
    assert "isa avx512" in page
    assert "by `edgenet bench 'my run'`, seed 0" in page


def test_a_compressed_network_that_is_slower_is_said_to_be_slower_and_one_that_may_not_be_is_not() -> None:
    told = result()
    told["rows"][1]["speedup"].update(low=0.9, high=1.01)
    assert "resnet18 bwn native is slower" not in report.markdown(told)
    assert "- resnet18 xnor portable is slower than full: it takes 1.21 times as long." in report.markdown(told)


def test_what_takes_more_instructions_or_more_predicted_cycles_is_said_to_be_slower() -> None:
    told = result()
    for row in told["rows"]:
        row["speedup"] = None
    told["rows"][1]["microcontroller"] = {"instructions_ratio": {"over": "full", "value": 0.8}}
    ratios = {"cortex-a53": 0.5, "cortex-a72": 0.999, "neoverse-n1": 0.625}
    told["rows"][2]["predicted"] = {"cores": {core: {"full_over_this": ratio} for core, ratio in ratios.items()}}
    told["rows"][3]["predicted"] = {"cores": {"cortex-a53": {"full_over_this": 3.0}}}
    assert [note for note in cells.notes(told) if "slower" in note] == [
        "resnet18 bwn native is slower than full: it takes 1.25 times as many instructions.",
        "resnet18 xnor native is slower than full: it takes 2.00 times as many cycles on cortex-a53 and 1.60 times as "
        "many cycles on neoverse-n1 (predicted).",
    ]
    told["rows"][1]["microcontroller"]["instructions_ratio"]["value"] = 5.6
    assert not any("bwn" in note for note in cells.notes(told))


def layer(name: str, milliseconds: float, **changes: Any) -> dict[str, Any]:
    values = {
        "layer": name, "operator": "Conv", "ms": milliseconds, "share": milliseconds / 10, "weight_bytes": 1000,
        "precision": "32x32", "macs": 5000, "binary_macs": 0, "fused": [], "kernels": 1,
    }  # fmt: skip
    return {**values, **changes}


def test_a_profile_shows_the_slowest_layers_what_is_left_and_all() -> None:
    profiled = result()
    xnor = {"precision": "1x1", "macs": 0, "binary_macs": 64_000, "fused": ["BatchNormalization", "QuantizeLinear"]}
    profiled["rows"][2]["profile"] = [
        *(layer(f"small{i}", 0.1) for i in range(20)), layer("slow", 6.0, **xnor), layer("medium", 2.0),
    ]  # fmt: skip
    tables = report.profile_tables(profiled)
    assert tables is not None
    text = printed(tables)
    assert "resnet18 xnor native: where the time goes" in text
    lines = [line.split() for line in text.splitlines()]
    assert [
        "slow",
        "Conv",
        "6.00",
        "ms",
        "60.0%",
        "1.00",
        "kB",
        "1x1",
        "64.0",
        "k",
        "binary",
        "BatchNormalization",
    ] in lines
    assert ["12", "others", "1.20", "ms", "12.0%", "12.0", "kB", "-", "60.0", "k"] in lines
    assert ["all", "10.0", "ms", "100.0%", "22.0", "kB", "-", "105", "k", "+", "64.0", "k", "binary"] in lines
    assert max(map(len, text.splitlines())) <= 100
    assert report.profile_tables(result()) is None


def test_rows_of_a_microcontroller_have_columns_of_their_own() -> None:
    measured = result()
    found = dict.fromkeys(("flash_ratio", "instructions_ratio")) | {
        "flash_bytes": 14_512, "ram_bytes": 6_604, "instructions": 352_310, "same_class": 1.0, "samples": 50,
        "max_abs_error": 2e-6,
    }  # fmt: skip
    found["flash_ratio"] = {"over": "full", "value": 17.2}
    row = {**measured["rows"][0], "scheme": "xnor", "path": "c", "latency_ms": None, "microcontroller": found}
    measured["rows"] = [{**row, "accuracy": None}]
    text = printed(report.table(measured), 100)
    assert "xnor    c     14.5 kB    17.2x  6.60 kB         352 k      -  100.0% of 50  2e-06\n" in text
    assert "emulated, which says nothing of time" in " ".join(text.split())
    assert "| xnor | c | 14.5 kB | 17.2x | 6.60 kB | 352 k | - | 100.0% of 50 | 2e-06 |" in report.markdown(measured)
    measured["rows"] = [{**row, "accuracy": {**row["accuracy"], "samples": 50, "loss_vs_full": 0.02}}]
    text = printed(report.table(measured), 100)
    assert "352 k      -  100.0% of 50  2e-06    98.5 %   2.0\n" in text
    measured["rows"].append({**measured["rows"][0], "device": "cortex-m55"})
    measured["environments"]["cortex-m55"] = measured["environments"]["cpu"]
    text = printed(report.table(measured), 100)
    assert max(map(len, text.splitlines())) <= 100
    assert "fewer    same class  error  accuracy\n" in text
    assert "| device | scheme | path | flash |" in report.markdown(measured)
    assert "\n| --- | --- | --- | ---: |" in report.markdown(measured)


def test_rows_without_accuracy_or_reference_have_dashes() -> None:
    bare = result()
    bare["rows"] = [{**bare["rows"][0], "accuracy": None, "latency_ms": None, "rss_load_peak_bytes": None}]
    assert cells.row(bare["rows"][0])[4:] == ("89.4 MB", "-", "-", "-", "-")


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0 B"), (999, "999 B"), (1000, "1.00 kB"), (22_840, "22.8 kB"), (999_600, "1.00 MB"), (4.5e9, "4.50 GB")],
)
def test_sizes_have_three_digits(value: float, text: str) -> None:
    assert cells.size(value) == text


def test_short_times_are_in_microseconds() -> None:
    assert [cells.milliseconds(value) for value in (0.0333, 0.35, 12.34, 1234.0)] == [
        "33.3 µs",
        "0.35 ms",
        "12.3 ms",
        "1234 ms",
    ]


def test_the_plot_is_a_png_of_some_size(tmp_path: Path) -> None:
    report.plot(result(), tmp_path / "plot.png")
    content = (tmp_path / "plot.png").read_bytes()
    assert content.startswith(b"\x89PNG")
    assert len(content) > 10_000


def test_the_plot_has_a_circle_a_file_with_areas_as_file_sizes_and_names_apart() -> None:
    figure = draw(result())
    (axes,) = figure.axes
    areas = [circle.get_sizes()[0] for circle in axes.collections]
    assert areas == pytest.approx([3000, 3000 * 2.26 / 44.7, 3000 * 2.23 / 44.7])
    assert axes.get_xscale() == "log"
    names = [text.get_text() for text in axes.texts]
    assert sorted(names) == ["bwn, 2.23 MB", "full, 44.7 MB", "xnor, 2.26 MB"]
    boxes = [super(type(text), text).get_window_extent() for text in axes.texts]
    assert not any(a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[:i])
    assert all(axes.bbox.containsx(box.x0) and axes.bbox.containsx(box.x1) for box in boxes)


def two_runs() -> dict:
    """Return the rows of two runs of one network, the second somewhat less accurate."""
    both, second = result(), result()["rows"]
    for name, rows in (("a", both["rows"]), ("b", second)):
        for row in rows:
            row["file"] = f"{name}/{row['file']}"
    for row in second:
        row["accuracy"]["value"] -= 0.02
    both["rows"] += second
    return both


def test_two_runs_of_a_network_have_a_table_each() -> None:
    text = printed(report.table(two_runs()))
    first, second = text.index("a: resnet18 on digits"), text.index("b: resnet18 on digits")
    assert text[first:second].count("native ") == text[second : text.index("! a:")].count("native ") == 2
    assert "! b: resnet18 xnor portable: too few runs" in text
    page = report.markdown(two_runs())
    assert "## a: resnet18 on digits, input 1x3x32x32, cpu" in page
    assert "## b: resnet18 on digits, input 1x3x32x32, cpu" in page


def test_two_runs_of_a_network_are_six_circles_with_names_that_tell_the_run() -> None:
    (axes,) = draw(two_runs()).axes
    assert len(axes.collections) == 6
    names = {text.get_text().partition(",")[0] for text in axes.texts}
    assert names == {f"{run}: {scheme}" for run in "ab" for scheme in ("full", "bwn", "xnor")}


def test_without_accuracy_there_is_nothing_to_plot(tmp_path: Path) -> None:
    bare = result()
    for row in bare["rows"]:
        row["accuracy"] = None
    with pytest.raises(EdgenetError, match="nothing to plot"):
        report.plot(bare, tmp_path / "plot.png")


def test_without_matplotlib_a_sentence_says_how_to_get_it_and_torch_is_never_needed() -> None:
    script = (
        "import sys\n"
        "for name in ('torch', 'lightning', 'onnxscript', 'matplotlib'): sys.modules[name] = None\n"
        "from edgenet import report\n"
        "from tests.report.results import result\n"
        "report.table(result()), report.markdown(result())\n"
        "try: report.plot(result(), 'plot.png')\n"
        "except ValueError as error: print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)
    assert done.stdout == "Plots need matplotlib; get it with pip install '.[plot]' in a clone of edgenet.\n"


def test_a_comparison_shows_both_sides_and_a_verdict() -> None:
    before, after = result(), result(isa="avx2")
    after["rows"][2]["speedup"] = {"over": "full", "median": 5.0, "low": 4.9, "high": 5.1}
    after["rows"].pop(1)
    text = printed(report.comparison_table(bench.compare(before, after), "a.json", "b.json"))
    lines = [line.split() for line in text.splitlines()]
    assert ["faster", "than", "full", "3.56x", "5.00x", "1.40", "1.37–1.44", "better"] in lines
    assert ["resnet18", "bwn", "native", "only", "in", "a.json"] in lines
    assert "cpu: isa was avx512, is avx2" in text
    assert "…" not in printed(report.comparison_table(bench.compare(before, after), "a.json", "b.json"), 80)


def test_a_comparison_says_what_is_not_judged_and_which_result_is_to_blame() -> None:
    before, after = result(), result()
    after["rows"][2].update(valid=False, flags=["throttled"])
    shown = report.comparison_table(bench.compare(before, after), "a.json", "b.json")
    text = " ".join(printed(shown).split())
    assert "3.56x 3.56x - not judged" in text
    assert "resnet18 xnor native: times are not judged, b.json is not valid (throttled)." in text
    assert "resnet18 xnor portable: times are not judged, a.json is not valid (too few runs" in text
    assert "upper bound" not in text
    assert "…" not in printed(shown, 80)


def test_a_comparison_of_emulated_devices_shows_flash_ram_instructions_and_predictions_as_such() -> None:
    told = result()
    told["rows"][2].update(
        microcontroller={"flash_bytes": 14_500, "ram_bytes": 6_600, "instructions": 352_000},
        predicted={"cores": {"cortex-a72": {"cycles": 1_230_000}}},
    )
    shown = report.comparison_table(bench.compare(told, told), "a.json", "b.json")
    text = " ".join(printed(shown).split())
    assert "flash 14.5 kB 14.5 kB 1.00 same RAM 6.60 kB 6.60 kB 1.00 same instructions 352 k 352 k 1.00 same" in text
    assert "predicted cycles, cortex-a72 1.23 M 1.23 M 1.00 same" in text
    assert "Cycles are predicted, kernel only, upper bound of the speed." in text
    assert "…" not in printed(shown, 80)


def test_an_inspection_lists_layers_and_totals(tmp_path: Path) -> None:
    file = models.xnor(tmp_path / "net.onnx")
    text = printed(report.inspection_table(inspect(file), file), 160)
    assert "XnorLinear" in text
    assert "328 parameters, 256 of them one bit" in text
    assert "256 binary ones = 4 operations" in text
