"""What a run costs, by rule and by scale, beside what the machine could do."""
