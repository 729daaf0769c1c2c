"""`edgenet data`: the list, and what a set or a file of one's own holds."""

from dataclasses import replace
from hashlib import md5

import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image

from edgenet.cli import main
from edgenet.tasks import idx
from edgenet.tasks.catalog import TASKS, list_data, list_own_data
from tests.tasks.archives import write_idx
from tests.tasks.server import serve
from tests.tasks.test_labelled_text import ROWS
from tests.tasks.test_labelled_text import write as write_table
from tests.tasks.test_recordings import HERTZ, record


@pytest.fixture(autouse=True)
def no_data_folder(monkeypatch, tmp_path):
    monkeypatch.delenv("EDGENET_DATA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def call(*words: object) -> Result:
    return CliRunner().invoke(main, ["data", *map(str, words)])


def lines(*words: object) -> list[list[str]]:
    done = call(*words)
    assert done.exit_code == 0, done.output
    return [line.split() for line in done.stdout.splitlines()]


def test_every_set_is_listed_with_size_source_and_licence():
    text = call().stdout
    for entry in list_data():
        for part in (entry.name, entry.description, entry.size, entry.source, entry.licence):
            assert part in text
    assert "label<TAB>text" in text


def test_every_task_has_a_set_of_its_own_or_takes_the_users_files():
    assert {task for entry in [*list_data(), *list_own_data()] for task in entry.tasks} == set(TASKS)


def test_a_built_in_set_is_described():
    text = lines("japanese-vowels")
    assert text[0] == ["japanese-vowels,", "for", "sequence-classification"]
    assert text[1] == ["train", "270", "samples,", "7", "to", "26", "steps", "x", "12"]
    assert lines("digits", "--task", "sequence-classification")[1] == ["train", "4,000", "samples,", "28x28"]


def test_files_are_taken_for_what_they_look_like(tmp_path):
    table = write_table(tmp_path / "sms.tsv", ROWS)
    assert lines(table)[0] == ["sms,", "for", "sequence-classification"]
    assert lines(table)[3] == ["classes", "2:", "'ham',", "'spam'"]
    for label, hertz in HERTZ.items():
        for index in (0, 7):
            record(tmp_path / "spoken" / f"{label}_ann_{index}.wav", hertz)
    assert lines(tmp_path / "spoken")[0][-1] == "sequence-classification"
    assert lines(tmp_path / "spoken", "--task", "sequence-labelling")[0][-1] == "sequence-labelling"
    for name in ("red", "green"):
        (tmp_path / "images" / name).mkdir(parents=True)
        for number in range(2):
            Image.new("RGB", (8, 8), name).save(tmp_path / "images" / name / f"{number}.png")
    (tmp_path / "images" / "notes.txt").write_text("where they come from")
    assert lines(tmp_path / "images")[0][-1] == "image-classification"
    captions = [(f"{name}/{number}.png", f"all {name}") for name in ("red", "green") for number in range(2)]
    assert lines(write_table(tmp_path / "images" / "captions.tsv", captions))[0][-1] == "image-captioning"
    (tmp_path / "poem.txt").write_text("".join(f"verse {number}\n" for number in range(50)))
    assert lines(tmp_path / "poem.txt")[0][-1] == "language-modelling"
    (tmp_path / "poem").mkdir()
    for language in ("en", "de"):
        (tmp_path / "poem" / f"train.{language}").write_text("".join(f"{number} {language}\n" for number in range(50)))
    assert lines(tmp_path / "poem", "--languages", "de-en")[0] == ["poem-de-en,", "for", "sequence-to-sequence"]
    named = lines(tmp_path / "poem", "--languages", "en", "--task", "language-modelling")
    assert named[0] == ["poem-en,", "for", "language-modelling"]


def test_columns_and_patterns_are_passed_on(tmp_path):
    rows = [(text, str(number), label) for number, (label, text) in enumerate(ROWS)]
    table = write_table(tmp_path / "sms.tsv", rows)
    assert "'ham', 'spam'" in call(table, "--columns", "2,0").stdout
    for label, hertz in HERTZ.items():
        for index in (0, 7):
            record(tmp_path / "spoken" / f"{index}-{label}.wav", hertz)
    assert "'high', 'low'" in call(tmp_path / "spoken", "--pattern", "{index}-{label}").stdout


def test_a_downloaded_set_goes_where_the_data_folder_is(tmp_path, monkeypatch):
    home = write_idx(tmp_path / "home")
    own = tmp_path / "own"
    own.mkdir()
    sums = {path.name: md5(path.read_bytes()).hexdigest() for path in home.iterdir()}
    with serve(home) as (address, _):
        monkeypatch.setitem(idx.ARCHIVES, "mnist", replace(idx.ARCHIVES["mnist"], home=address, md5=sums))
        assert lines("mnist", "--data-dir", own)[1] == ["train", "20", "samples,", "1x32x32"]
    monkeypatch.setenv("EDGENET_DATA", str(own))
    assert lines("mnist")[2] == ["test", "10", "samples,", "1x32x32"]


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda path: path.write_bytes(np.random.default_rng(0).bytes(100)), "arrived damaged, its MD5 is not"),
        (lambda path: path.unlink(), "cannot be downloaded (HTTPError): try again, or put"),
    ],
)
def test_a_download_that_fails_is_one_sentence(damage, message, tmp_path, monkeypatch):
    home = write_idx(tmp_path / "home")
    sums = {path.name: md5(path.read_bytes()).hexdigest() for path in home.iterdir()}
    damage(home / "train-images-idx3-ubyte.gz")
    with serve(home) as (address, _):
        monkeypatch.setitem(idx.ARCHIVES, "mnist", replace(idx.ARCHIVES["mnist"], home=address, md5=sums))
        done = call("mnist")
    assert done.exit_code == 1
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("Error: ")]
    assert message in line
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("words", [["--columns", "1"], ["--columns", "a,"], ["--languages", "a-b-c"], ["--task", "x"]])
def test_wrong_usage_exits_with_2(words):
    assert call("digits", *words).exit_code == 2
