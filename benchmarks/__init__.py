"""Studies that anyone can re-run, each with its table, JSON and plots.

`python -m benchmarks.kernels`: every operator against ONNX Runtime's fp32, and how near it is to the machine's limits.
`python -m benchmarks.peers`: operators and whole networks against every other way to run them.
`python -m benchmarks.growth`: time a multiply-add as threads, batch, image, channels or sequence grow.
`python -m benchmarks.memory`: what loaded networks hold.
`python -m benchmarks.arm`: the inner loops of the Arm kernels against fp32's, predicted.
"""
