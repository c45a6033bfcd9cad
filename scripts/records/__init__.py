"""What runs are called, and how the files that they wrote are held against their records."""
