"""Exported networks whose C is compared with them: not trained, but with the statistics of real data."""

import numpy as np
import torch

import edgenet
from edgenet.microcontroller import compile_network
from edgenet.microcontroller.host import HostProgram
from edgenet.microcontroller.samples import compare, random_samples
from edgenet.models import create
from edgenet.nn import calibrate
from edgenet.runtime import InferenceSession
from edgenet.tasks import load, load_sequences


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
