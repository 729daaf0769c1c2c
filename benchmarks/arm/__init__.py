"""`python -m benchmarks.arm`: multiply-adds a cycle of the Arm kernels' inner loops, predicted by llvm-mca."""
