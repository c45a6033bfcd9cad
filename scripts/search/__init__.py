"""Bounded searches over the policies of a run: ``calibrate`` and ``recover`` are one engine."""
