"""Segment 1B: state laws, upstream generator, scorers and governance behind the rules."""
