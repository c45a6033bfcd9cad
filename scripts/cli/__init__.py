"""The commands of ``segment1b``: what is done to a run tree beside making its files."""
