"""What executes a network: LiteRT on CPUs, XLA through TensorFlow elsewhere."""
