"""Scores and their intervals, batched over leading axes; no state. Start at catalogue.py."""
