"""Data sets fetched over HTTP from a server on this machine."""

import sys
from dataclasses import replace
from hashlib import md5

import numpy as np
import pytest

from edgenet.errors import EdgenetError
from edgenet.tasks.cifar import ARCHIVE, load_cifar10
from edgenet.tasks.idx import ARCHIVES, IdxArchive, load_idx
from tests.tasks.archives import grey_images, write_cifar, write_idx
from tests.tasks.server import serve


def checksums(folder):
    return {path.name: md5(path.read_bytes()).hexdigest() for path in sorted(folder.iterdir())}


@pytest.fixture(autouse=True)
def no_data_folder(monkeypatch, tmp_path):
    monkeypatch.delenv("EDGENET_DATA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def home(tmp_path):
    return write_idx(tmp_path / "home")


def mnist_at(address: str, home) -> IdxArchive:
    return replace(ARCHIVES["mnist"], home=address, md5=checksums(home))


def test_a_fresh_set_is_fetched_into_the_cache_and_the_second_time_found_there(home, tmp_path):
    with serve(home) as (address, asked):
        first = load_idx(mnist_at(address, home))
        assert sorted(asked) == sorted(f"/{name}" for name in checksums(home))
        second = load_idx(mnist_at(address, home))
    assert len(asked) == 4
    np.testing.assert_array_equal(first.train.raw[:, 0, 2:30, 2:30], grey_images("train")[0])
    np.testing.assert_array_equal(second.train.raw, first.train.raw)
    assert checksums(tmp_path / "cache" / "edgenet" / "data" / "mnist") == checksums(home)


def test_a_data_folder_gets_the_download_and_then_serves_without_the_network(home, tmp_path):
    own = tmp_path / "own"
    own.mkdir()
    with serve(home) as (address, _):
        load_idx(mnist_at(address, home), data_dir=own)
    assert checksums(own / "mnist") == checksums(home)
    assert len(load_idx(mnist_at(address, home), data_dir=own).test) == 10


def test_what_is_cached_is_used_offline(home):
    with serve(home) as (address, _):
        load_idx(mnist_at(address, home))
    assert len(load_idx(mnist_at(address, home)).train) == 20


def test_a_damaged_download_is_refused_and_not_kept(home, tmp_path):
    published = checksums(home)
    (home / "t10k-labels-idx1-ubyte.gz").write_bytes(b"something else")
    with serve(home) as (address, _):
        archive = replace(ARCHIVES["mnist"], home=address, md5=published)
        with pytest.raises(EdgenetError, match=r"t10k-labels-idx1-ubyte\.gz of mnist arrived damaged, its MD5 is not"):
            load_idx(archive)
    kept = checksums(tmp_path / "cache" / "edgenet" / "data" / "mnist")
    assert kept == {name: value for name, value in published.items() if name in kept}
    assert "t10k-labels-idx1-ubyte.gz" not in kept


def test_a_file_of_the_cache_that_went_bad_is_fetched_anew(home, tmp_path):
    with serve(home) as (address, asked):
        load_idx(mnist_at(address, home))
        cached = tmp_path / "cache" / "edgenet" / "data" / "mnist" / "train-images-idx3-ubyte.gz"
        cached.write_bytes(b"rotten")
        load_idx(mnist_at(address, home))
    assert asked.count("/train-images-idx3-ubyte.gz") == 2
    assert checksums(cached.parent) == checksums(home)


def test_without_a_connection_one_sentence_says_what_to_do(home):
    with serve(home) as (address, _):
        pass
    with pytest.raises(EdgenetError) as error:
        load_idx(mnist_at(address, home))
    message = str(error.value)
    assert f"{address}train-images-idx3-ubyte.gz of mnist cannot be downloaded (ConnectionError): try again" in message
    assert "train-labels-idx1-ubyte.gz" in message
    assert "--data-dir, EDGENET_DATA" in message
    assert "\n" not in message


def test_a_file_that_has_moved_is_named(home):
    archive = mnist_at("", home)
    (home / "train-labels-idx1-ubyte.gz").unlink()
    with (
        serve(home) as (address, _),
        pytest.raises(EdgenetError, match=r"train-labels-idx1-ubyte\.gz of mnist cannot be downloaded \(HTTPError\)"),
    ):
        load_idx(replace(archive, home=address))


def test_a_place_that_cannot_be_written_is_named(home, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    with serve(home) as (address, _), pytest.raises(EdgenetError, match=r"mnist cannot be put into .*file/edgenet"):
        load_idx(mnist_at(address, home))


def test_without_pooch_one_sentence_says_how_to_get_it_or_do_without(monkeypatch):
    monkeypatch.setitem(sys.modules, "pooch", None)
    with pytest.raises(
        EdgenetError,
        match=r"pip install '\.\[data\]' in a clone of edgenet, or put train-images-idx3-ubyte\.gz, .* into",
    ):
        load_idx(ARCHIVES["mnist"])


def test_cifar10_is_fetched_as_its_binary_archive(tmp_path):
    home = write_cifar(tmp_path / "home", "binary", packed=True)
    with serve(home) as (address, asked):
        data = load_cifar10(archive=replace(ARCHIVE, home=address, md5=checksums(home)))
    assert asked == ["/cifar-10-binary.tar.gz"]
    assert (len(data.train), len(data.test)) == (20, 4)
