"""Segment 1B: state laws, upstream generator, scorers and governance behind the rules."""

import sys

# Only in the process of a rule's job: tests and notebooks may want pandas.
if hasattr(sys.modules["__main__"], "snakemake"):
    from scripts.lightness import keep_pandas_out

    keep_pandas_out()
