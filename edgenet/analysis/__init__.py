"""What trained networks look at and how easily they are misled, by their gradients. Needs torch and the checkpoints."""
