"""The ladder of postures, margins on further seeds, and the calibration of policies."""
