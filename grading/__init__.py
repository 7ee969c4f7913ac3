"""How a submission becomes a grade. Imports checks, never student code; nothing imports this but its command line."""
