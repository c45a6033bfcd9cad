"""Figures and pages made from scorecards."""
