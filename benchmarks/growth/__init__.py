"""`python -m benchmarks.growth`: time a multiply-add as threads, batch, image, channels or sequence grow."""
