"""`python -m benchmarks.memory`: what a loaded network holds, full precision and binary, native and portable."""
