"""Speed against peers, in one process and one run, as ratios."""
