"""Labels made by teacher networks."""
