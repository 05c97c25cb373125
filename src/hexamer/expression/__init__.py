"""What this person would express: cohorts, models of genotypes and of sequences, and how well they predict."""
