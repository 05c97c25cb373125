"""Which bases matter, and why: attention, mutagenesis, probabilities, projections."""
