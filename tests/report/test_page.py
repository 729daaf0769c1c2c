"""The page that needs nothing else, as text; tests/report/test_page_in_browser.py opens it."""

import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from edgenet import report
from edgenet.bench.devices.prediction import LABEL
from edgenet.report import bubbles, cells, predictions
from tests.report.results import result
from tests.report.test_report import layer, two_runs

_EMPTY = {"meta", "link"}


class Page(HTMLParser):
    """Checks that every element is closed where it should be, and keeps the text and what the page refers to."""

    def __init__(self, content: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.words: list[str] = []
        self.references: list[str] = []
        self.counts: dict[str, int] = {}
        self.feed(content)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.counts[tag] = self.counts.get(tag, 0) + 1
        self.references += [value or "" for name, value in attrs if name in ("href", "src")]
        if tag not in _EMPTY:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.counts[tag] = self.counts.get(tag, 0) + 1

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag, f"</{tag}> closes what is not open"

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] != "style":
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


def full_result() -> dict[str, Any]:
    """A result with all that a page can show."""
    told = result()
    for row in told["rows"]:
        middle = row["latency_ms"]["p50"]
        row["latency_ms"].update(
            windows=[middle] * 5, quantiles=[middle * (0.9 + 0.01 * number) for number in range(21)]
        )
        row.update(weight_bytes=row["file_bytes"] - 1000, activation_peak_bytes=123_000, throughput_per_s=777.0)
    told["rows"][2]["profile"] = [layer("conv2", 6.0, precision="1x1", macs=0, binary_macs=64_000, fused=["Relu"])]
    told["rows"][2]["profile"] += [layer("softmax", 4.0, precision=None, macs=None, binary_macs=None, weight_bytes=0)]
    told["rows"][2]["energy_mj"] = 1.25
    points = [{"epsilon": 0.0, "value": 0.97}, {"epsilon": 8 / 255, "value": 0.412}]
    told["rows"][0]["robustness"] = {"metric": "top1", "samples": 1000, "accuracies": points}
    return told


def test_the_page_is_well_formed_and_refers_to_nothing_outside() -> None:
    content = report.html(full_result())
    page = Page(content)
    assert page.open == []
    assert page.references == ["data:,"]
    assert "script" not in page.counts
    assert "url(" not in content
    assert "@import" not in content


def test_all_figures_of_the_table_are_on_the_page() -> None:
    told = full_result()
    text = Page(report.html(told)).text
    for row in told["rows"]:
        assert " ".join(cells.row(row)) in text
    for heading in cells.HEADINGS:
        assert heading in text
    assert "5.20 ms" in text
    assert cells.EXPLANATION in text


def test_latency_memory_layers_energy_environment_and_doubts_are_on_the_page() -> None:
    text = Page(report.html(full_result())).text
    assert "load 9.00 ms, first run 8.00 ms, least 1.21 ms" in text
    assert "777 a second, 1.25 mJ a run" in text
    assert "activations, at most full 123 kB" in text
    assert "process while loading full 134 MB" in text
    assert "conv2 Conv 6.00 ms 60.0% 1x1 bits; 1.00 kB; 64.0 k binary multiply-adds; with Relu" in text
    assert "isa avx512" in text
    assert "! resnet18 xnor portable: too few runs: 9 of 50; throttled." in text
    assert "resnet18 xnor portable is slower than full: it takes 1.21 times as long." in text
    assert "by edgenet bench 'my run' , seed 0" in text


def test_what_a_network_gains_and_loses_stands_in_large_figures() -> None:
    text = Page(report.html(full_result())).text
    assert "xnor native 3.56x as fast 19.8x smaller 1.2 points lost" in text
    assert "xnor portable ! 1.21x as long 19.8x smaller" in text


def test_accuracy_under_attack_is_on_the_page_where_it_was_measured() -> None:
    text = Page(report.html(full_result())).text
    assert "Accuracy under attack" in text
    assert "8/255" in text
    assert "41.2 %" in text
    assert "Accuracy under attack" not in Page(report.html(result())).text


def test_rows_of_several_devices_share_a_table_and_tell_theirs() -> None:
    told = full_result()
    other = [{**row, "device": "ssh://pi@board"} for row in told["rows"][:1]]
    told["rows"] += other
    told["environments"]["ssh://pi@board"] = {**told["environments"]["cpu"], "cpu": "Cortex-A72"}
    text = Page(report.html(told)).text
    assert "device scheme path size memory" in text
    assert "full on ssh://pi@board" in text
    assert "full on cpu" in text
    assert "cpu Cortex-A72" in text


def on_cortex() -> dict[str, Any]:
    """Three schemes on a microcontroller, bwn with more instructions than full."""
    told = result()
    del told["rows"][3]
    for row, flash, instructions in zip(told["rows"], (250e3, 15e3, 14.5e3), (2e6, 2.5e6, 4e5), strict=True):
        row.update(device="cortex-m4", path="c", latency_ms=None, speedup=None, rss_load_peak_bytes=None)
        row.update(rss_run_bytes=None, weight_bytes=row["file_bytes"] - 1000)
        row["accuracy"]["samples"] = 50
        row["microcontroller"] = {
            "flash_bytes": flash, "ram_bytes": 11e3, "stack_bytes": 1000, "instructions": instructions, "samples": 50,
            "same_class": 1.0, "max_abs_error": 2e-6, "flash_ratio": None, "instructions_ratio": None,
        }  # fmt: skip
        if row["scheme"] != "full":
            row["microcontroller"]["flash_ratio"] = {"over": "full", "value": 250e3 / flash}
            row["microcontroller"]["instructions_ratio"] = {"over": "full", "value": 2e6 / instructions}
    told["environments"] = {"cortex-m4": {"cpu": "emulated Cortex-M4", "compiler": "gcc", "edgenet": "0.1.0"}}
    return told


def test_of_a_microcontroller_flash_and_instructions_stand_in_large_figures_not_the_file() -> None:
    text = Page(report.html(on_cortex())).text
    assert "xnor c 5.00x fewer instructions 17.2x smaller in flash 1.2 points lost" in text
    assert "bwn c 1.25x as many instructions 16.7x smaller in flash 0.4 points lost" in text
    assert "19.8x" not in text
    assert "bwn c is slower than full: it takes 1.25 times as many instructions." in text


def test_of_a_microcontroller_flash_ram_and_instructions_are_bars_and_their_columns_are_explained() -> None:
    text = Page(report.html(on_cortex())).text
    assert "flash full c 250 kB bwn c 15.0 kB" in text
    assert "RAM full c 11.0 kB" in text
    assert "Instructions full c 2.00 M bwn c 2.50 M xnor c 400 k" in text
    assert "of the whole program, start-up included" in text
    assert "98.5 %" in text
    for words in ("highest resident set", "Of a process", "weights full", "Latency"):
        assert words not in text


def on_arm64() -> dict[str, Any]:
    """Three schemes on emulated cores, bwn slower on one of them."""
    told = result()
    del told["rows"][3]
    ratios = {"full": (None, None), "bwn": (0.8, 1.5), "xnor": (4.0, 5.0)}
    for row in told["rows"]:
        row.update(device="arm64", latency_ms=None, speedup=None, rss_load_peak_bytes=None, rss_run_bytes=None)
        row["verified"] = {"agreement": 0.995, "max_abs_error": 1e-6, "samples": 200, "against": "this machine"}
        cores = {
            core: {"instructions": 3e6, "cycles": round(4e6 / (ratio or 1))}
            | ({"full_over_this": ratio} if ratio else {})
            for core, ratio in zip(("cortex-a53", "cortex-a72"), ratios[row["scheme"]], strict=True)
        }
        row["predicted"] = {"label": LABEL, "cores": cores}
    told["environments"] = {"arm64": {"cpu": "emulated cortex-a53, cortex-a72", "operators": "0.1.0"}}
    return told


def test_of_emulated_cores_agreement_and_predictions_are_on_the_page_and_labelled() -> None:
    text = Page(report.html(on_arm64())).text
    assert "scheme path as here instructions cortex-a53 cortex-a72" in text
    assert "xnor native 99.5% of 200 3.00 M 1.00 M (4.00x) 800 k (5.00x)" in text
    assert predictions.EXPLANATION in text
    assert "cortex-a53 full 4.00 M bwn native 5.00 M" in text
    assert f"Of one inference: {LABEL} of the speed." in text
    assert "xnor native 4.00x fewer cycles on cortex-a53, predicted 19.8x smaller" in text
    assert "bwn native 1.25x as many cycles on cortex-a53, predicted" in text
    assert "Of a process" not in text
    assert LABEL not in Page(report.html(full_result())).text


def test_without_predicted_cycles_the_agreement_is_there_all_the_same() -> None:
    told = on_arm64()
    for row in told["rows"]:
        row["predicted"]["cores"] = {}
    text = Page(report.html(told)).text
    assert "xnor native 99.5% of 200 -" in text
    assert "Cycles" not in text
    assert "xnor native 19.8x smaller" in text


@pytest.mark.parametrize("told", [on_cortex(), on_arm64()], ids=["microcontroller", "arm64"])
def test_the_page_of_an_emulated_device_is_well_formed_and_its_bars_are_within_their_tracks(
    told: dict[str, Any],
) -> None:
    content = report.html(told)
    assert Page(content).open == []
    widths = [float(value) for value in re.findall(r"width: ([\d.]+)%", content)]
    assert len(widths) >= 9
    assert all(0 < width <= 100 for width in widths)


def test_what_others_named_is_written_as_text() -> None:
    told = full_result()
    for row in told["rows"]:
        row["model"] = "<script>alert('hi')</script>"
    page = Page(report.html(told))
    assert "script" not in page.counts
    assert "<script>alert('hi')</script>" in page.text


def test_what_is_not_known_is_left_out() -> None:
    told = result()
    for row in told["rows"]:
        keep = {"device", "model", "scheme", "path", "file", "file_bytes", "valid", "flags", "input"}
        row.update({key: None for key in row if key not in keep})
    page = Page(report.html(told))
    assert "Latency" not in page.text
    assert "svg" not in page.counts
    assert "file full 44.7 MB" in page.text


def test_the_chart_has_a_circle_a_file_with_areas_as_sizes_and_names_apart() -> None:
    chart = bubbles.chart(result()["rows"])
    assert chart is not None
    assert [bubble.name for bubble in chart.bubbles] == ["full", "xnor", "bwn"]
    radii = [bubble.radius for bubble in chart.bubbles]
    assert radii[1] ** 2 / radii[0] ** 2 == pytest.approx(2.26 / 44.7)
    assert chart.bubbles[1].x < chart.bubbles[0].x == chart.bubbles[2].x
    assert chart.bubbles[0].y < chart.bubbles[2].y < chart.bubbles[1].y
    assert [text for _, text in chart.lines] == sorted(text for _, text in chart.lines)
    assert chart.vertical == "accuracy, %"


@pytest.mark.parametrize("rows", [result()["rows"], two_runs()["rows"]], ids=["one run", "two runs"])
def test_no_name_lies_upon_another_or_outside(rows: list[dict[str, Any]]) -> None:
    chart = bubbles.chart(rows)
    assert chart is not None
    boxes = [bubbles.box((b.text_x, b.text_y), b.anchor, b.name) for b in chart.bubbles]
    assert not any(bubbles.overlap(a, b) for i, a in enumerate(boxes) for b in boxes[:i])
    assert all(bubbles.outside(box) == 0 for box in boxes)


def test_where_less_is_better_up_is_less() -> None:
    told = result()
    for row, value in zip(told["rows"], (1.2, 1.3, 1.5, 1.5), strict=True):
        row["accuracy"].update(metric="bits_per_character", value=value)
    chart = bubbles.chart(told["rows"])
    assert chart is not None
    assert chart.bubbles[0].y < chart.bubbles[2].y < chart.bubbles[1].y


def test_every_mark_and_bar_lies_within_its_track() -> None:
    content = report.html(full_result())
    places = [float(value) for value in re.findall(r"(?:left|width): (-?[\d.]+)%", content)]
    assert len(places) > 30
    assert all(0 <= place <= 100 for place in places)


def test_without_jinja2_a_sentence_says_how_to_get_it_and_torch_is_never_needed(tmp_path: Path) -> None:
    script = (
        "import sys\n"
        "for name in ('torch', 'lightning', 'onnxscript', 'matplotlib'): sys.modules[name] = None\n"
        "from edgenet import report\n"
        "from tests.report.results import result\n"
        f"report.write_html(result(), {str(tmp_path / 'page.html')!r})\n"
        "sys.modules['jinja2'] = None\n"
        "try: report.html(result())\n"
        "except ValueError as error: print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)
    assert done.stdout == "The page needs jinja2; get it with pip install '.[html]' in a clone of edgenet.\n"
    assert (tmp_path / "page.html").read_text().startswith("<!doctype html>")
