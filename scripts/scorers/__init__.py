"""Metrics, gates, scorecards and the certificate."""
