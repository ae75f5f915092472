"""Settings of a run, and building its stages from them."""
