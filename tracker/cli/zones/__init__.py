"""`tracker zones`: zones.yaml drawn in a window, or taken from the polygons of other tools."""
