import warnings

import pytest
import torch
import torch.nn.functional as F
from torch import nn

import edgenet.nn as enn
from edgenet.errors import EdgenetError
from edgenet.nn.binarization import BinarizationWarning


def small_net() -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(),
        nn.Conv2d(8, 8, 3, groups=8), nn.Conv2d(8, 16, 1), nn.ReLU(),
        nn.Conv2d(16, 16, 3, padding=1, padding_mode="reflect"), nn.Flatten(),
        nn.Linear(16 * 6 * 6, 12), nn.Linear(12, 4),
    )  # fmt: skip


BATCH = torch.linspace(-2, 2, 2 * 3 * 10 * 10).view(2, 3, 10, 10)


class Residual(nn.Module):
    """Layers registered in another order than they run in."""

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(8, 2)
        self.downsample = nn.Sequential(nn.Conv2d(4, 8, 1))
        self.body = nn.Conv2d(4, 8, 3, padding=1)
        self.pointwise = nn.Conv2d(8, 8, 1)
        self.stem = nn.Conv2d(3, 4, 3)

    def forward(self, x):
        x = self.stem(x)
        x = self.pointwise(F.relu(self.body(x))) + self.downsample(x)
        return self.head(x.mean((2, 3)))


def as_rows(report):
    return {row.name: (row.action, row.scheme, row.reason) for row in report}


def test_report_says_what_became_of_every_layer_and_why():
    model = small_net()
    report = enn.binarize(model, "bwn", calibration=BATCH)
    assert as_rows(report) == {
        "0": ("quantized", "int8", "first layer"),
        "3": ("kept", "full", "depthwise convolution: too few weights an output to be worth a bit"),
        "4": ("binarized", "bwn", ""),
        "6": ("kept", "full", "padding mode 'reflect': binary convolutions pad with zeros"),
        "8": ("binarized", "bwn", ""),
        "9": ("quantized", "int8", "last layer"),
    }
    assert model.binarization_report is report
    assert [row.name for row in report.binarized] == ["4", "8"]
    assert isinstance(model[4], enn.BinaryConv2d)
    assert "7,040 of 9,680 weights are binary" in str(report)


def test_ends_are_found_in_the_order_of_the_data_flow():
    rows = as_rows(enn.binarize(Residual(), "xnor", ends="binary", calibration=BATCH))
    assert rows["stem"] == ("binarized", "bwn", "first layer")
    assert rows["head"] == ("binarized", "bwn", "last layer")
    assert rows["downsample.0"] == ("binarized", "bwn", "1x1 shortcut projection")
    assert rows["body"][:2] == ("binarized", "xnor")
    assert rows["pointwise"][1] == "xnor"


@pytest.mark.parametrize("scheme", ["bwn", "xnor"])
def test_ends_can_be_of_8_bits(scheme):
    model = Residual()
    before = dict(model.named_parameters())
    report = enn.binarize(model, scheme, ends="int8", calibration=BATCH)
    rows = as_rows(report)
    assert rows["stem"] == ("quantized", "int8", "first layer")
    assert rows["head"] == ("quantized", "int8", "last layer")
    assert rows["downsample.0"] == ("quantized", "int8", "1x1 shortcut projection")
    assert rows["body"][:2] == rows["pointwise"][:2] == ("binarized", scheme)
    assert [type(layer) for layer in (model.stem, model.head, model.downsample[0])] == [
        enn.Int8Conv2d, enn.Int8Linear, enn.Int8Conv2d,
    ]  # fmt: skip
    assert [row.name for row in report.quantized] == ["stem", "downsample.0", "head"]
    assert all(dict(model.named_parameters())[name] is parameter for name, parameter in before.items())
    assert f"352 of 508 weights are binary, 156 have 8 bits ({scheme}, ends int8)" in str(report)


def test_ends_with_too_many_weights_an_output_for_8_bits_are_kept():
    model = nn.Sequential(nn.Conv2d(3, 8, 19), nn.Conv2d(8, 8, 3), nn.Flatten(), nn.Linear(8 * 10 * 10, 4))
    rows = as_rows(enn.binarize(model, "bwn", ends="int8", calibration=torch.randn(2, 3, 30, 30)))
    assert rows["0"] == ("kept", "full", "first layer: its 1,083 weights an output are more than the 1,040 of 8 bits")
    assert rows["3"] == ("quantized", "int8", "last layer")


def test_convolutions_over_sequences_have_binary_and_8_bit_versions():
    model = nn.Sequential(nn.Conv1d(6, 16, 5), nn.ReLU(), nn.Conv1d(16, 16, 3), nn.Conv1d(16, 2, 1))
    report = enn.binarize(model, "xnor", calibration=torch.randn(32, 6, 20))
    assert as_rows(report) == {
        "0": ("quantized", "int8", "first layer"),
        "2": ("binarized", "xnor", "one-sided input: thresholds of 16 channels set to their means"),
        "3": ("quantized", "int8", "last layer"),
    }
    assert [type(model[index]) for index in (0, 2, 3)] == [enn.Int8Conv1d, enn.BinaryConv1d, enn.Int8Conv1d]
    assert model(torch.randn(2, 6, 20)).shape == (2, 2, 14)


def test_ends_that_have_no_binary_version_have_none_of_8_bits():
    model = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1, padding_mode="reflect"), nn.Conv2d(8, 8, 3), nn.Conv2d(8, 2, 1))
    rows = as_rows(enn.binarize(model, "bwn", ends="int8", filter_fn=lambda _, name: name != "2", calibration=BATCH))
    assert rows["0"] == ("kept", "full", "padding mode 'reflect': binary convolutions pad with zeros")
    assert rows["2"] == ("kept", "full", "filter_fn")


def test_activations_of_8_bits_are_for_convolutions_with_float_ones():
    expected = {
        "bwn": [("stem", "first layer, 8-bit activations"), ("body", "8-bit activations"), ("head", "last layer")],
        "xnor": [("stem", "first layer, 8-bit activations"), ("body", ""), ("head", "last layer")],
    }
    for scheme, reasons in expected.items():
        model = Residual()
        report = enn.binarize(model, scheme, ends="binary", activations="int8", calibration=BATCH)
        found = {row.name: row.reason.partition("one-sided")[0] for row in report}
        assert [(name, found[name]) for name, _ in reasons] == reasons
        assert model.stem.activations == "int8"
        assert model.body.activations == ("int8" if scheme == "bwn" else "fp32")
        assert f"({scheme}, ends binary, activations int8)" in str(report)


def test_one_sided_inputs_get_thresholds_that_let_information_through():
    relu_net = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Conv2d(8, 8, 3), nn.Flatten(), nn.Linear(8 * 36, 4))
    batch = torch.randn(8, 3, 10, 10)
    report = enn.binarize(relu_net, "xnor", calibration=batch)
    assert report.binarized[0].reason == "one-sided input: thresholds of 8 channels set to their means"
    seen = enn.sign(relu_net[1](relu_net[0](batch)), threshold=relu_net[2].threshold.view(-1, 1, 1))
    assert (seen == 1).float().mean((0, 2, 3)).gt(0.05).all()
    assert (seen == -1).float().mean((0, 2, 3)).gt(0.05).all()


def test_one_sided_inputs_without_thresholds_warn_and_are_the_reason():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.body = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 8))
            self.unused = nn.Linear(3, 3)
            self.head = nn.Linear(8, 2)

        def forward(self, x):
            return self.head(self.body(x))

    model = Net()
    with pytest.warns(BinarizationWarning, match=r"one-sided input, .* has no thresholds in body\.2: "):
        report = enn.binarize(model, "xnor", calibration=torch.randn(256, 4), threshold=False)
    rows = as_rows(report)
    assert rows["body.2"] == ("binarized", "xnor", "one-sided input in 8 channels, and no thresholds")
    assert rows["unused"] == ("binarized", "xnor", "not reached by the calibration batch")


def test_two_sided_inputs_need_no_thresholds():
    model = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.Linear(8, 8), nn.Linear(8, 2))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        report = enn.binarize(model, "xnor", calibration=torch.randn(64, 4), threshold=False)
    assert as_rows(report)["2"] == ("binarized", "xnor", "")


def test_parameters_stay_the_same_objects_and_outputs_keep_their_shape():
    model = small_net()
    before = dict(model.named_parameters())
    enn.binarize(model, "xnor", calibration=BATCH)
    after = dict(model.named_parameters())
    assert all(after[name] is parameter for name, parameter in before.items())
    assert sorted(after.keys() - before.keys()) == ["4.threshold", "8.threshold"]
    assert model(BATCH).shape == (2, 4)


def test_xnor_without_a_calibration_batch_warns_and_later_is_a_promise():
    with pytest.warns(BinarizationWarning, match="no calibration batch"):
        enn.binarize(small_net(), "xnor")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        enn.binarize(small_net(), "xnor", calibration="later")
        enn.binarize(small_net(), "bwn")


def test_finding_nothing_to_binarise_warns():
    with pytest.warns(BinarizationWarning, match="nothing to binarise"):
        enn.binarize(nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2)), "bwn")


def test_filter_keeps_layers_and_is_named_as_the_reason():
    report = enn.binarize(small_net(), "bwn", filter_fn=lambda layer, name: name != "8")
    assert as_rows(report)["8"] == ("kept", "full", "filter_fn")


class OwnLSTM(nn.LSTM):
    """A layer of the user's own."""


def test_layers_without_a_binary_version_are_named():
    class Attention(nn.Module):
        def __init__(self):
            super().__init__()
            self.embedding = nn.Embedding(10, 8)
            self.encoder = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
            self.positions = nn.Embedding(4, 8, max_norm=1.0)
            self.lstm = nn.LSTM(8, 12, proj_size=8, batch_first=True)
            self.own_lstm = OwnLSTM(8, 8, batch_first=True)
            self.relu_rnn = nn.RNN(8, 8, nonlinearity="relu", batch_first=True)
            self.tied = nn.Linear(8, 10)
            self.tied.weight = self.embedding.weight
            self.normed = nn.utils.parametrizations.weight_norm(nn.Linear(10, 6))
            self.head = nn.Linear(6, 2)

        def forward(self, x):
            x = self.embedding(x) + self.positions(torch.arange(x.shape[1]))
            x = self.lstm(self.encoder(x))[0]
            x = self.relu_rnn(self.own_lstm(x)[0])[0]
            return self.head(self.normed(self.tied(x[:, -1])))

    with pytest.warns(BinarizationWarning, match="nothing"):
        rows = as_rows(enn.binarize(Attention(), "xnor", calibration=torch.arange(8).view(2, 4)))
    assert {name: reason for name, (_, _, reason) in rows.items()} == {
        "embedding": "shares its weights with tied",
        "positions": "an embedding that renormalises its rows (max_norm)",
        "encoder.self_attn": "no binary MultiheadAttention",
        "encoder.self_attn.out_proj": "NonDynamicallyQuantizableLinear is a subclass of Linear with a life of its own",
        "encoder.linear1": "TransformerEncoderLayer reads its weights past the layer",
        "encoder.linear2": "TransformerEncoderLayer reads its weights past the layer",
        "lstm": "LSTM with projections (proj_size) has no binary version",
        "own_lstm": "OwnLSTM is a subclass of LSTM with a life of its own",
        "relu_rnn": "RNN with relu: binary Elman networks have tanh",
        "tied": "shares its weights with embedding",
        "normed": "ParametrizedLinear is a subclass of Linear with a life of its own",
        "head": "last layer",
    }


@pytest.mark.parametrize("kind", [nn.RNN, nn.LSTM, nn.GRU])
def test_a_recurrent_network_is_replaced_whole_and_reported_half_by_half(kind):
    class Reader(nn.Module):
        def __init__(self):
            super().__init__()
            self.rnn = kind(5, 8, 2, batch_first=True)
            self.head = nn.Linear(8, 3)

        def forward(self, x):
            return self.head(self.rnn(x)[0][:, -1])

    batch = torch.randn(16, 6, 5)
    for ends, first in (
        ("fp32", ("kept", "full", "first layer")),
        ("int8", ("quantized", "int8", "first layer")),
        ("binary", ("binarized", "bwn", "first layer")),
    ):
        model = Reader()
        report = enn.binarize(model, "xnor", ends=ends, calibration=batch)
        rows = as_rows(report)
        assert {row.kind for row in report} == {kind.__name__, "Linear"}
        assert rows["rnn.layers.0.input"] == first
        assert rows["rnn.layers.0.hidden"] == rows["rnn.layers.1.hidden"] == ("binarized", "xnor", "")
        assert model(batch).shape == (16, 3)


def test_a_layer_used_twice_is_replaced_in_both_places():
    shared = nn.Linear(4, 4)
    model = nn.Sequential(nn.Linear(4, 4), shared, nn.Tanh(), shared, nn.Linear(4, 4))
    enn.binarize(model, "bwn", calibration=torch.randn(2, 4))
    assert model[1] is model[3]
    assert isinstance(model[1], enn.BinaryLinear)


def test_binarising_twice_changes_nothing_the_second_time():
    model = small_net()
    enn.binarize(model, "bwn", calibration=BATCH)
    with pytest.warns(BinarizationWarning, match="nothing"):
        report = enn.binarize(model, "bwn", calibration=BATCH)
    assert as_rows(report)["4"] == ("kept", "bwn", "binary already")


def test_ends_of_8_bits_stay_so_the_second_time():
    model = small_net()
    enn.binarize(model, "bwn", ends="int8", calibration=BATCH)
    with pytest.warns(BinarizationWarning, match="nothing"):
        report = enn.binarize(model, "bwn", ends="fp32", calibration=BATCH)
    assert as_rows(report)["0"] == ("kept", "int8", "8-bit already")


def test_unknown_activations_are_refused():
    with pytest.raises(EdgenetError, match="unknown activations 'int4': use 'fp32' or 'int8'"):
        enn.binarize(small_net(), "bwn", activations="int4")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((small_net(), "full"), "unknown scheme 'full'"),
        ((small_net(), "bwn", "int4"), "unknown ends 'int4'"),
        ((nn.Linear(2, 2), "bwn"), "wrap a single layer"),
    ],
)
def test_wrong_use_is_refused(arguments, message):
    model, scheme, *ends = arguments
    with pytest.raises(EdgenetError, match=message):
        enn.binarize(model, scheme, ends=ends[0] if ends else "fp32")


def test_a_lone_sample_is_too_small_a_batch_for_normalisation():
    model = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 4), nn.BatchNorm1d(4), nn.Linear(4, 2))
    with pytest.raises(EdgenetError, match="at least 2 samples"):
        enn.binarize(model, "bwn", calibration=torch.zeros(1, 3))


def test_calibration_makes_the_running_statistics_those_of_the_batch():
    model = small_net()
    enn.binarize(model, "bwn", calibration="later")
    enn.calibrate(model.train(), BATCH)
    features = model[0](BATCH)
    torch.testing.assert_close(model[1].running_mean, features.mean((0, 2, 3)))
    torch.testing.assert_close(model[1].running_var, features.var((0, 2, 3)))
    assert model[1].momentum == 0.1
    assert all(module.training for module in model.modules())


def test_a_later_calibration_is_in_the_report_as_well():
    model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 8), nn.Linear(8, 2))
    report = enn.binarize(model, "xnor", calibration="later")
    assert as_rows(report)["2"][2] == ""
    for _ in range(2):
        enn.calibrate(model, torch.randn(16, 4))
        assert as_rows(report)["2"][2] == "one-sided input: thresholds of 8 channels set to their means"
