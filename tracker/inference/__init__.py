"""Networks of every runtime behind one interface, export to LiteRT, and a cache of exports."""
