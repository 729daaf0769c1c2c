"""`python -m benchmarks.kernels`: our operators against ONNX Runtime's fp32, each on every instruction set."""
