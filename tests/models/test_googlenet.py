"""GoogLeNet's intermediate classifiers take part in training, and in nothing else."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from edgenet.errors import EdgenetError
from edgenet.models import create, get_entry, load_pretrained
from edgenet.models.googlenet import SignPooling
from edgenet.models.layers import AuxiliaryOutputs
from edgenet.training import Recipe
from edgenet.training.loop import AUXILIARY_SHARE, TrainingLoop, auxiliary_loss
from edgenet.training.objectives import TensorBatch, get_objective

SMALL = get_entry("googlenet").small


def make(num_classes=4, scheme="full", **options):
    return create("googlenet", num_classes, scheme, **{**SMALL, **options})


def is_auxiliary(key):
    return key.startswith(("aux1.", "aux2."))


def test_intermediate_classifiers_answer_in_training_alone():
    model, images = make(), torch.randn(2, 3, 32, 32)
    outputs = model.train()(images)
    assert isinstance(outputs, AuxiliaryOutputs)
    assert [tuple(logits.shape) for logits in (outputs.logits, *outputs.auxiliary)] == [(2, 4)] * 3
    assert model.eval()(images).shape == (2, 4)
    assert make(auxiliary=False).train()(images).shape == (2, 4)


def test_their_losses_count_three_tenths_each():
    logits, targets = torch.randn(3, 2, 4), torch.tensor([1, 3])
    expected = AUXILIARY_SHARE * (F.cross_entropy(logits[1], targets) + F.cross_entropy(logits[2], targets))
    found = auxiliary_loss(AuxiliaryOutputs(logits[0], (logits[1], logits[2])), targets)
    torch.testing.assert_close(found, expected)
    assert AUXILIARY_SHARE == 0.3
    assert auxiliary_loss(logits[0], targets) == 0
    assert auxiliary_loss((logits[0], torch.zeros(1)), targets) == 0


def test_a_step_of_training_counts_them():
    model, images, targets = make(), torch.randn(4, 3, 32, 32), torch.arange(4)
    loop = TrainingLoop(
        model.train(), get_objective("image-classification"), Recipe(1, 1e-3), "full", 0, 1, first_epoch=0,
        teacher=None, moments=None, on_event=print, on_epoch_end=lambda epoch, optimizer: False,
    )  # fmt: skip
    torch.manual_seed(1)
    loss = loop.training_step(TensorBatch(images, targets), 0)
    torch.manual_seed(1)
    outputs = model(images)
    torch.testing.assert_close(loss, F.cross_entropy(outputs.logits, targets) + auxiliary_loss(outputs, targets))


@pytest.mark.parametrize("scheme", ["bwn", "xnor"])
def test_they_keep_full_precision(scheme):
    report = make(scheme=scheme).binarization_report
    rows = [row for row in report if is_auxiliary(row.name)]
    assert {(row.action, row.reason) for row in rows} == {("kept", "used in training only")}
    assert len(rows) == 6
    assert all(row.action != "kept" for row in report if not is_auxiliary(row.name))


def test_a_callers_filter_still_counts():
    model = make(scheme="bwn", binary_options={"filter_fn": lambda layer, name: not name.startswith("inception3a")})
    kept = {row.name.split(".")[0]: row.reason for row in model.binarization_report.kept}
    assert kept == {"inception3a": "filter_fn", "aux1": "used in training only", "aux2": "used in training only"}


def test_pooling_for_xnor_is_normalised_so_that_signs_differ():
    pooling = SignPooling(8, 3, 2)
    pooled = pooling(torch.randn(16, 8, 12, 12))
    assert pooled.shape == (16, 8, 6, 6)
    assert 0.4 < (pooled >= 0).float().mean() < 0.6


def test_weights_for_other_classes_leave_out_all_three_classifiers():
    model, pretrained = make(4), make(9)
    notes = load_pretrained(model, pretrained.state_dict())
    named = ["aux1.fc2.weight", "aux1.fc2.bias", "aux2.fc2.weight", "aux2.fc2.bias", "fc.weight", "fc.bias"]
    assert [note.split(" ")[0] for note in notes] == named
    assert torch.equal(model.aux1.fc1.weight, pretrained.aux1.fc1.weight)


def test_weights_without_intermediate_classifiers_load_and_the_report_says_so():
    pretrained = make(auxiliary=False)
    model = make()
    notes = load_pretrained(model, pretrained.state_dict())
    assert notes == [f"{name} starts untrained: the weights lack it" for name in ("aux1", "aux2")]
    assert torch.equal(model.fc.weight, pretrained.fc.weight)
    damaged = {key: tensor for key, tensor in make().state_dict().items() if key != "aux1.fc1.weight"}
    with pytest.raises(EdgenetError, match=r"the weights lack 'aux1\.fc1\.weight'"):
        load_pretrained(model, damaged)


def test_every_inception_module_joins_its_four_paths():
    model = create("googlenet", divisor=1)
    module = model.inception3a.eval()
    x = torch.randn(1, 192, 8, 8)
    widths = [path(x).shape[1] for path in (module.branch1, module.branch2, module.branch3, module.branch4)]
    assert widths == [64, 128, 32, 32]
    assert module(x).shape == (1, sum(widths), 8, 8)
    assert isinstance(module.branch4[0], nn.MaxPool2d)


def test_modules_for_xnor_add_their_input_to_their_first_outputs():
    module = make(scheme="xnor").inception3a.eval()
    x = torch.randn(2, 24, 6, 6)
    paths = [path(x) for path in (module.branch1, module.branch2, module.branch3, module.branch4)]
    joined = torch.cat(paths, 1)
    y = module(x)
    torch.testing.assert_close(y[:, :24], joined[:, :24] + x)
    assert torch.equal(y[:, 24:], joined[:, 24:])
