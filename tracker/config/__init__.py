"""Settings of a run, and the objects made of them."""
