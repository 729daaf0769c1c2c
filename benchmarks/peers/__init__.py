"""`python -m benchmarks.peers`: our operators and networks against every other way to run them."""
