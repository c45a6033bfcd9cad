"""The reference part of the documentation, made from schemas, contracts and docstrings."""
