"""Segment 1B: state laws, upstream generator, scorers and governance behind the rules."""

import sys


class _WithoutPandas:
    """Import finder that knows no pandas.

    pyarrow imports pandas, where it is installed, with its first array: a quarter of a second that
    every job would pay and no rule needs.
    """

    @staticmethod
    def find_spec(name: str, path: object = None, target: object = None) -> None:
        if name == "pandas":
            raise ModuleNotFoundError("the jobs of the rules do without pandas", name=name)


# Only in the process of a rule's job: tests and notebooks may want it.
if hasattr(sys.modules["__main__"], "snakemake"):
    sys.meta_path.insert(0, _WithoutPandas)

__version__ = "0.1.0"
