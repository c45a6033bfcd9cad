"""Grids, polygons, the reference snapshot and the population surface."""
