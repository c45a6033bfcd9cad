"""The build of the reference snapshot; never imported at run time."""
