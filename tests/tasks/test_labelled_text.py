"""Tables of labels and texts."""

import subprocess
import sys

import numpy as np
import pytest

from edgenet.errors import EdgenetError
from edgenet.tasks import load_sequences

HAM = [f"see you at {hour} o'clock, bring {what}" for hour in range(5) for what in ("cake", "wine", "nothing", "it")]
SPAM = [f'WIN {prize} now "free"' for prize in ("cash", "cars", "a trip", "phones", "gold")]
ROWS = [("ham", text) for text in HAM] + [("spam", text) for text in SPAM]


def write(path, rows, between="\t"):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{between.join(row)}\n" for row in rows), encoding="utf-8")
    return path


def texts(data, split):
    return [data.source_vocabulary.decode(sample) for sample in split.raw]


def test_a_table_is_split_within_each_class(tmp_path):
    data = load_sequences(write(tmp_path / "sms.tsv", ROWS))
    assert (data.name, data.task, data.classes) == ("sms", "sequence-classification", ["ham", "spam"])
    assert np.bincount(data.train.targets).tolist() == [16, 4]
    assert np.bincount(data.test.targets).tolist() == [4, 1]


def test_texts_go_with_their_labels(tmp_path):
    data = load_sequences(write(tmp_path / "sms.tsv", ROWS), minimum_count=1)
    for split in (data.train, data.test):
        for text, target in zip(texts(data, split), split.targets, strict=True):
            assert text.startswith(("see", "win")[target])


def test_the_vocabulary_knows_the_training_texts_only(tmp_path):
    folder = tmp_path / "sms"
    write(folder / "train.tsv", [("ham", "old words"), ("spam", "old money")])
    write(folder / "test.tsv", [("spam", "new money")])
    data = load_sequences(folder, columns=(0, 1), minimum_count=1)
    assert data.source_vocabulary.tokens[4:] == ("old", "money", "words")
    assert texts(data, data.test) == ["<unk> money"]


def test_the_label_is_the_column_with_fewer_values_whichever_it_is(tmp_path):
    there = load_sequences(write(tmp_path / "a.tsv", ROWS))
    back = load_sequences(write(tmp_path / "b.tsv", [(text, label) for label, text in ROWS]))
    assert back.classes == there.classes
    assert texts(back, back.test) == texts(there, there.test)


def test_a_first_row_that_names_its_columns_decides(tmp_path):
    rows = [("id", "text", "label"), *((str(number), text, label) for number, (label, text) in enumerate(ROWS))]
    data = load_sequences(write(tmp_path / "a.tsv", rows))
    assert data.classes == ["ham", "spam"]
    assert len(data.train) + len(data.test) == len(ROWS)


@pytest.mark.parametrize("columns", [(2, 1), ("kind", "body")])
def test_columns_are_taken_as_given(columns, tmp_path):
    body = [(str(number), text, label) for number, (label, text) in enumerate(ROWS)]
    rows = body if columns == (2, 1) else [("id", "body", "kind"), *body]
    data = load_sequences(write(tmp_path / "a.tsv", rows), columns=columns)
    assert data.classes == ["ham", "spam"]


def test_quotes_belong_to_a_message_in_tsv_and_to_the_table_in_csv(tmp_path):
    tsv = load_sequences(write(tmp_path / "a.tsv", [(label, f'"{text}') for label, text in ROWS]), minimum_count=1)
    assert all(text.startswith('"') for text in texts(tsv, tsv.train))
    rows = [(label, f'"{text.replace(chr(34), "")}, yes"') for label, text in ROWS] + [
        ("spam", f'"line\nof {n}"') for n in range(9)
    ]
    csv = load_sequences(write(tmp_path / "a.csv", rows, ","), minimum_count=1)
    assert not any(text.startswith('"') for text in texts(csv, csv.train))
    assert "line of 8" in texts(csv, csv.train) + texts(csv, csv.test)


def test_a_message_may_hold_any_character_but_tab_and_line_feed(tmp_path):
    rows = [(label, f"{text} \u2028 \x85 £") for label, text in ROWS]
    data = load_sequences(write(tmp_path / "a.tsv", rows))
    assert len(data.train) + len(data.test) == len(ROWS)


def test_equal_messages_are_never_both_learnt_and_tested(tmp_path):
    data = load_sequences(write(tmp_path / "a.tsv", ROWS * 3), minimum_count=1)
    assert not set(texts(data, data.train)) & set(texts(data, data.test))


def test_texts_need_nothing_but_numpy(tmp_path):
    table = write(tmp_path / "sms.tsv", ROWS)
    code = (
        "import sys\n"
        "for name in ('torch', 'mlxtend', 'PIL', 'pooch', 'sacrebleu', 'scipy', 'onnx'): sys.modules[name] = None\n"
        "from edgenet.tasks import load_sequences\n"
        "sys.exit(len(load_sequences(sys.argv[1]).train) != 20)"
    )
    assert subprocess.run([sys.executable, "-c", code, str(table)], check=False).returncode == 0


@pytest.mark.parametrize(
    ("content", "options", "message"),
    [
        ("", {}, r"a\.tsv is empty"),
        ("\n\n", {}, r"a\.tsv has no two columns parted by tabs"),
        ("ham see you\n", {"task": "sequence-classification"}, r"a\.tsv has no two columns parted by tabs"),
        ("ham\tone\nham\ttwo\tthree\n", {}, r"a\.tsv, row 2 has 3 columns, the first has 2"),
        ("a\tone\nb\ttwo\n", {}, "which column is the label cannot be told, they have 2 and 2 different values in 2"),
        ("ham\tone\nham\ttwo\nham\tthree\n", {}, "has one class only, 'ham'"),
        ("a\tx\na\ty\n" * 2 + "b\tz\n", {}, "class 'b' has one sample only"),
        ("ham\tone\n", {"columns": ("label", "text")}, r"a\.tsv has no column 'label'"),
        ("ham\tone\n", {"columns": (0, 2)}, r"a\.tsv has no column 2"),
        ("ham\tone\n", {"language": "en"}, "cannot be loaded with options"),
        (b"ham\t\xff\xfe\n", {}, r"a\.tsv cannot be read as UTF-8"),
    ],
)
def test_tables_that_do_not_serve_are_refused(content, options, message, tmp_path):
    (tmp_path / "a.tsv").write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(EdgenetError, match=message):
        load_sequences(tmp_path / "a.tsv", **{"task": "sequence-classification", **options})


def test_a_class_that_only_the_test_has_is_refused(tmp_path):
    write(tmp_path / "train.tsv", [("ham", "one"), ("spam", "two")])
    write(tmp_path / "test.tsv", [("eggs", "three")])
    with pytest.raises(EdgenetError, match=r"class 'eggs' of .* is not in its training split"):
        load_sequences(tmp_path, columns=(0, 1))
