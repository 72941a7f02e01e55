"""Studies: which loss should I train with? Scores of many runs in, an honest answer out."""
