"""What the parts of the program promise each other. Depends on numpy alone."""
