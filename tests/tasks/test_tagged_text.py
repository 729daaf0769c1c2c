"""Sentences with a label a token, from the user's files."""

import pytest

from edgenet.errors import EdgenetError
from edgenet.tasks import load_sequences
from edgenet.tasks.catalog import LABELLING
from edgenet.tasks.loading import guess_task

NAMES = ("Anna", "Ben", "Carl", "Dora", "Emil")


def sentences(count=10):
    return (
        "\n\n".join(f"{NAMES[i % 5]}\tPER\nsaw\tO\n{NAMES[(i + i // 5 + 1) % 5]}\tPER\n{i}\tNUM" for i in range(count))
        + "\n"
    )


def test_sentences_are_tokens_and_a_class_each(tmp_path):
    (tmp_path / "text.conll").write_text(sentences())
    data = load_sequences(tmp_path / "text.conll", minimum_count=1)
    assert (data.name, data.task, data.classes) == ("text", LABELLING, ["NUM", "O", "PER"])
    assert (len(data.train), len(data.test)) == (8, 2)
    batch = data.train.batch()
    assert batch.inputs.shape == batch.targets.shape == (8, 4)
    assert batch.targets.tolist() == [[2, 1, 2, 0]] * 8
    assert data.source_vocabulary.decode(batch.inputs[0]).split()[1] == "saw"
    again = load_sequences(tmp_path / "text.conll", minimum_count=1)
    assert (again.test.batch().inputs == data.test.batch().inputs).all()


def test_columns_of_conll_and_documents_are_read(tmp_path):
    text = "-DOCSTART- -X- -X- O\n\nEU NNP B-NP B-ORG\nrejects VBZ B-VP O\n\n\nGerman JJ B-NP B-MISC\n\nx y O\n"
    (tmp_path / "train.txt").write_text(text)
    (tmp_path / "test.txt").write_text("EU NNP B-NP B-ORG\n")
    (tmp_path / "dev.txt").write_text("rejects VBZ B-VP O\r\n")
    data = load_sequences(tmp_path, LABELLING, minimum_count=1)
    assert data.classes == ["B-MISC", "B-ORG", "O"]
    assert data.train.raw.lengths.tolist() == [2, 1, 1]
    assert len(data.validation) == 1
    assert data.source_vocabulary.tokens[-4:] == ("EU", "German", "rejects", "x")


def test_what_files_are_for_is_seen_by_their_names(tmp_path):
    for name in ("train.conll", "test.conll"):
        (tmp_path / name).write_text(sentences())
    assert guess_task(tmp_path) == guess_task(tmp_path / "train.conll") == LABELLING


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"a.conll": "Anna\tPER\nsaw\n"}, r"a\.conll, line 2 has no label behind 'saw': write token<TAB>label"),
        ({"a.conll": "\n\n"}, "holds no tokens"),
        ({"a.conll": "x\tO\n\ny\tO\n\nz\tO\n"}, "has one label only, 'O'"),
        ({"train.conll": "x\tO\ny\tP\n", "test.conll": "x\tQ\n"}, "label 'Q' of .* is not in its training split"),
        ({"train.conll": "x\tO\ny\tP\n"}, r"needs train\.conll and test\.conll"),
    ],
)
def test_bad_files_are_refused(tmp_path, files, message):
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    path = tmp_path / "a.conll" if "a.conll" in files else tmp_path
    with pytest.raises(EdgenetError, match=message):
        load_sequences(path, LABELLING)
