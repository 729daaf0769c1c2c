"""Studies that anyone can re-run: `python -m benchmarks.kernels`, `python -m benchmarks.networks`."""
