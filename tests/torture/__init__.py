"""The product under load, with everything that can be taken from it taken away."""
