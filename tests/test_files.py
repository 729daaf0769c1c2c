"""Files are there whole or not at all, whoever writes them."""

import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from edgenet import bench, report
from edgenet.cli import base
from edgenet.files import write_whole
from tests.report.results import result

WRITERS: list[Callable[[Path], None]] = [
    lambda path: bench.write_json(result(), path),
    lambda path: bench.write_csv(result(), path),
    lambda path: base.write_json(result(), str(path)),
    lambda path: report.plot(result(), path),
    lambda path: write_whole(path, b"bytes"),
    lambda path: write_whole(path, lambda temporary: temporary.write_bytes(b"filled") and None),
]


@pytest.fixture
def private() -> Iterator[None]:
    before = os.umask(0o027)
    yield
    os.umask(before)


@pytest.mark.parametrize("write", WRITERS)
def test_a_file_is_replaced_and_not_written_over(tmp_path: Path, write: Callable[[Path], None]) -> None:
    path = tmp_path / "result"
    path.write_text("old")
    # Another name of the old content keeps it only where the new one is a file of its own.
    (tmp_path / "old").hardlink_to(path)
    write(path)
    assert (tmp_path / "old").read_text() == "old"
    assert path.read_bytes() not in (b"", b"old")
    assert {file.name for file in tmp_path.iterdir()} == {"result", "old"}


def test_what_fails_half_way_leaves_what_was_there(tmp_path: Path) -> None:
    def fail(path: Path) -> None:
        path.write_text("half")
        raise KeyboardInterrupt

    (tmp_path / "result").write_text("old")
    with pytest.raises(KeyboardInterrupt):
        write_whole(tmp_path / "result", fail)
    assert [(file.name, file.read_text()) for file in tmp_path.iterdir()] == [("result", "old")]


@pytest.mark.usefixtures("private")
def test_the_umask_decides_who_may_read(tmp_path: Path) -> None:
    write_whole(tmp_path / "result", "text")
    assert stat.S_IMODE((tmp_path / "result").stat().st_mode) == 0o640


def test_a_link_is_followed_and_a_pipe_is_written_to(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "result")
    write_whole(tmp_path / "link", "text")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "result").read_text() == "text"
    reading, writing = os.pipe()
    write_whole(f"/dev/fd/{writing}", "täxt")
    assert os.read(reading, 100) == "täxt".encode()
    os.close(reading)
    os.close(writing)


def test_an_error_names_the_file_that_was_asked_for(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError) as caught:
        write_whole(tmp_path / "no" / "result", "text")
    assert caught.value.filename == str(tmp_path / "no" / "result")
