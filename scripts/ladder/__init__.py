"""The ladder of postures, the case for reopening, and margins on further seeds."""
