"""States S0 to S9, one module each, and the laws that they share."""
