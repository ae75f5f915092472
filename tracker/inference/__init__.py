"""What runs networks, for every stage that has one: export, cache, LiteRT."""
