"""The page in a browser: nothing to complain of, nothing beyond the edge of a phone, and it can be printed."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from edgenet import report
from tests.report.test_page import full_result

pytestmark = pytest.mark.devices

_ASK = """<script>
const wide = [...document.querySelectorAll("main *")].filter(e => e.getBoundingClientRect().right > innerWidth + 0.5);
const colour = getComputedStyle(document.body).backgroundColor;
document.title = `${innerWidth} ${document.documentElement.scrollWidth} ${wide.length} ${colour}`;
</script></body>"""


def browse(*arguments: str) -> subprocess.CompletedProcess[str]:
    browser = shutil.which("chromium-headless-shell") or shutil.which("chromium")
    assert browser, "This test needs a browser; install the Debian package chromium-headless-shell."
    base = [browser, "--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr"]
    return subprocess.run([*base, *arguments], capture_output=True, text=True, check=True, timeout=120)


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("page") / "page.html"
    told = full_result()
    # Names as long as those that exporters write.
    told["rows"][2]["profile"][0]["layer"] = "/model/encoder/layer.11/attention/output/dense/MatMul_quantized" * 2
    told["rows"][0]["flags"].append("disturbed: " + "other work took 12 ms; " * 6)
    report.write_html(told, file)
    return file


@pytest.mark.parametrize("width", [390, 1280])
def test_nothing_is_wider_than_the_window_and_the_console_stays_empty(page: Path, width: int) -> None:
    asking = page.with_name(f"asking-{width}.html")
    asking.write_text(page.read_text().replace("</body>", _ASK))
    done = browse("--dump-dom", f"--window-size={width},900", asking.as_uri())
    title = re.search(r"<title>(\d+) (\d+) (\d+) (.*?)</title>", done.stdout)
    assert title is not None
    window, content, wider = map(int, title.groups()[:3])
    assert window == width
    assert content <= width
    assert wider == 0
    assert "CONSOLE" not in done.stderr


def test_it_is_dark_where_the_reader_wants_it_dark(page: Path) -> None:
    asking = page.with_name("asking.html")
    asking.write_text(page.read_text().replace("</body>", _ASK))
    colours = [
        re.search(r"rgb\(\d+, \d+, \d+\)", browse("--dump-dom", *dark, asking.as_uri()).stdout)
        for dark in ([], ["--blink-settings=preferredColorScheme=0"])
    ]
    assert [colour and colour.group() for colour in colours] == ["rgb(246, 247, 249)", "rgb(15, 19, 24)"]


def test_it_prints_on_a_few_pages(page: Path) -> None:
    printed = page.with_suffix(".pdf")
    browse(f"--print-to-pdf={printed}", "--no-pdf-header-footer", page.as_uri())
    pages = re.findall(rb"/Type\s*/Page\b", printed.read_bytes())
    assert 1 <= len(pages) <= 4
