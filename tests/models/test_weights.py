import os
import pickle

import pytest
import torch
from safetensors.torch import save_file

from edgenet.errors import EdgenetError
from edgenet.models import create, load_pretrained, read_state_dict


class Malicious:
    """Pickled, it makes a folder as soon as it is read."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("wrap", [lambda s: s, lambda s: {"state_dict": s}, lambda s: {"model": s, "epoch": 3}])
@pytest.mark.parametrize("prefix", ["", "module."])
def test_pth_files_are_read_whatever_they_are_wrapped_in(tmp_path, wrap, prefix):
    state = create("lenet5").state_dict()
    torch.save(wrap({prefix + name: tensor for name, tensor in state.items()}), tmp_path / "net.pth")
    read = read_state_dict(tmp_path / "net.pth")
    assert read.keys() == state.keys()
    assert all(torch.equal(read[name], state[name]) for name in state)


def test_safetensors_files_are_read(tmp_path):
    state = create("lenet5").state_dict()
    save_file(state, tmp_path / "net.safetensors")
    assert read_state_dict(tmp_path / "net.safetensors").keys() == state.keys()


@pytest.mark.parametrize("legacy", [True, False])
def test_a_pth_that_would_run_code_is_refused_and_does_not(tmp_path, legacy):
    content = {"weight": torch.zeros(1), "extra": Malicious(tmp_path / "proof")}
    torch.save(content, tmp_path / "net.pth", _use_new_zipfile_serialization=not legacy)
    with pytest.raises(EdgenetError, match="no PyTorch weights file, or holds more than tensors and would run code"):
        read_state_dict(tmp_path / "net.pth")
    assert not (tmp_path / "proof").exists()


def test_a_plain_pickle_is_refused_and_does_not_run(tmp_path):
    (tmp_path / "net.pt").write_bytes(pickle.dumps(Malicious(tmp_path / "proof"), protocol=2))
    with pytest.raises(EdgenetError, match="refused"):
        read_state_dict(tmp_path / "net.pt")
    assert not (tmp_path / "proof").exists()


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("missing.pth", None, "no weights at"),
        ("noise.safetensors", b"\x00" * 64, "no safetensors file"),
        ("noise.pth", b"\x00" * 64, "refused|cannot be read"),
        ("empty.pth", b"", "refused|cannot be read"),
        ("text.pth", b"root:x:0:0:root:/root:/bin/bash", "refused|cannot be read"),
    ],
)
def test_files_that_are_no_weights_are_refused_in_one_sentence(tmp_path, name, content, message):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(EdgenetError, match=message) as refusal:
        read_state_dict(tmp_path / name)
    assert "\n" not in str(refusal.value)


def test_a_pth_without_a_state_dict_is_refused(tmp_path):
    torch.save([1, 2], tmp_path / "list.pth")
    with pytest.raises(EdgenetError, match="holds no state dict"):
        read_state_dict(tmp_path / "list.pth")


def test_another_number_of_classes_leaves_out_the_last_layer_and_says_so():
    pretrained, model = create("resnet18", 1000), create("resnet18", 10)
    head = model.fc.weight.clone()
    left_out = load_pretrained(model, pretrained.state_dict())
    assert [sentence.split(" ")[0] for sentence in left_out] == ["fc.weight", "fc.bias"]
    assert "[1000, 512] in the weights, [10, 512] in the network" in left_out[0]
    assert torch.equal(model.fc.weight, head)
    assert torch.equal(model.layer3[1].conv2.weight, pretrained.layer3[1].conv2.weight)


def test_weights_of_another_network_are_refused_by_name():
    model = create("lenet5")
    with pytest.raises(EdgenetError, match=r"'conv9\.weight', which the network does not have"):
        load_pretrained(model, {"conv9.weight": torch.zeros(1)})
    with pytest.raises(EdgenetError, match=r"'conv1\.weight' has another shape"):
        load_pretrained(model, {"conv1.weight": torch.zeros(1)})
    state = dict(model.state_dict())
    del state["fc2.weight"]
    with pytest.raises(EdgenetError, match=r"lack 'fc2\.weight': are they of this network\?"):
        load_pretrained(model, state)
    del state["fc1.weight"]
    with pytest.raises(EdgenetError, match=r"lack 'fc1\.weight' and 1 more: are they of this network\?"):
        load_pretrained(model, state)
