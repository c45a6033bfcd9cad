"""The reference snapshot: its build, its validation, and its surface in memory."""
