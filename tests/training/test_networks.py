import torch

from edgenet.training.networks import find_network


def test_thresholds_set_for_a_network_of_the_registry_are_in_its_report():
    model = find_network("resnet18").build("xnor", 10, calibration=torch.randn(8, 3, 32, 32))
    reasons = {row.name: row.reason for row in model.binarization_report}
    first = "layer1.0.conv1"
    assert reasons[first].startswith("one-sided input: thresholds of ")
    channels = int(model.get_submodule(first).threshold.count_nonzero())
    assert reasons[first] == f"one-sided input: thresholds of {channels} channels set to their means"
