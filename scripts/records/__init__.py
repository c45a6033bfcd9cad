"""What runs are called, what their code is, and how their files are held against records."""
