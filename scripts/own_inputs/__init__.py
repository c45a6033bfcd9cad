"""A user's own population raster and country polygons in place of the shipped ones."""
