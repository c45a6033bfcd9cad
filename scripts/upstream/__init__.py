"""Upstream segment 1A: generator, ingest, scorer and freeze guard."""
