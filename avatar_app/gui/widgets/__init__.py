"""Controls without knowledge of the program, and the look."""
