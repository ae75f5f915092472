"""Which pixels of a frame belong to the classes of interest."""
