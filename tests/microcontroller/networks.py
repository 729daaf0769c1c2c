"""Exported networks whose C is compared with them: not trained, but with the statistics of real data."""

import numpy as np
import torch
from torch import nn

import edgenet
from edgenet.microcontroller import compile_network
from edgenet.microcontroller.host import HostProgram
from edgenet.microcontroller.samples import compare, random_samples
from edgenet.models import create
from edgenet.nn import Int8Conv2d, calibrate
from edgenet.runtime import InferenceSession
from edgenet.tasks import load, load_sequences
from tests.exporter.networks import SequenceClassifier


def export(network, inputs, path, lengths=None, metadata=None):
    """Export a network after it has seen some inputs."""
    arguments = (inputs,) if lengths is None else (inputs, lengths)
    network.train()
    with torch.no_grad():
        network(*arguments)
    calibrate(network, arguments)
    given = inputs if lengths is None else {"input": inputs, "lengths": lengths}
    edgenet.export(network.eval(), inputs[:1], path, samples=given, metadata=metadata)
    return path


def lenet5(scheme, path, ends="int8"):
    """LeNet-5 and the digits that it is compared on, one sample each."""
    torch.manual_seed(1)
    images = load("digits", (1, 32, 32)).test.inputs()[:300]
    name = {"model": "lenet5", "data": "digits"}
    export(create("lenet5", 10, scheme, ends=ends), torch.from_numpy(images[:64]), path, metadata=name)
    return path, [{"input": image[None]} for image in images[64:]]


def frame_classifier(cell, scheme, path, bidirectional=False):
    """A recurrent classifier and the spoken vowels that it is compared on, each as long as it is."""
    torch.manual_seed(1)
    batch = load_sequences("japanese-vowels").test.batch(np.arange(48))
    lengths = torch.from_numpy(batch.lengths)
    options = {"cell": cell, "bidirectional": bidirectional, "hidden_size": 20, "in_channels": 12}
    export(create("frame_classifier", 9, scheme, **options), torch.from_numpy(batch.inputs), path, lengths)
    samples = [{"input": x[None, :length]} for x, length in zip(batch.inputs, batch.lengths, strict=True)]
    return path, samples


def cifar_resnet(path):
    """A small ResNet for CIFAR, whose shortcuts leave out pixels and add channels, and what it is compared on."""
    torch.manual_seed(1)
    x = torch.randn(48, 3, 16, 16)
    export(create("resnet20", 10, "xnor", ends="int8", input_size=16, depth=1, width=8), x, path)
    return path, [{"input": image[None]} for image in x.numpy()]


def sequence_classifier(scheme, path):
    """Convolutions over sequences, and what they are compared on."""
    torch.manual_seed(1)
    network, x = SequenceClassifier(), torch.randn(64, 6, 64)
    if scheme != "full":
        edgenet.binarize(network, scheme, calibration=x)
    export(network, x, path)
    return path, [{"input": sequence[None]} for sequence in x.numpy()]


def wide_stem(path):
    """8-bit layers whose kernels have rows of 7 and 9 numbers, of 8 and 7 outputs, and what they are compared on."""
    torch.manual_seed(1)
    layers = [Int8Conv2d(3, 8, 7, stride=2, padding=3), nn.ReLU(), Int8Conv2d(8, 7, (3, 9), padding=(1, 4))]
    x = torch.randn(24, 3, 17, 18)
    export(nn.Sequential(*layers, nn.Flatten(), nn.Linear(7 * 81, 5)), x, path)
    return path, [{"input": image[None]} for image in x.numpy()]


def text_network(name, scheme, path, embeddings=None):
    """A network over tokens, of a vocabulary of 50, and random texts of 1 to 13 tokens."""
    torch.manual_seed(1)
    options = {"binary_options": {"embeddings": embeddings}} if embeddings else {}
    size = {} if name == "language_model" else {"vocabulary_size": 50}
    classes = 50 if name == "language_model" else 7
    network = create(name, classes, scheme, ends="int8", hidden_size=20, embedding_size=40, **size, **options)
    tokens, *_, lengths = network.eval().example_inputs(16)
    calibrate(network, (tokens, lengths) if size else (tokens, None, lengths))
    samples = {"input": tokens.numpy(), "lengths": lengths.numpy()}
    edgenet.export(network, tokens, path, samples=samples, metadata={"model": name})
    graph = compile_network(path).graph
    return path, [feeds for steps in range(1, 14) for feeds in random_samples(graph, steps, 3)]


def compared(path, samples, steps=None):
    """How the C of a file, built here, compares with the file in ONNX Runtime."""
    program = compile_network(path, steps=steps)
    with HostProgram(program) as host:
        return compare(InferenceSession(path), program.graph, samples, lambda number: host.run(samples[number]))
