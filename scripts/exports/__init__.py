"""The egress in formats that other tools ask for."""
