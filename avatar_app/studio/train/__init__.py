"""Training: one loop for all networks, and a module for each."""
