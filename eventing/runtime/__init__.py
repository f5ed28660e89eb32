"""The composition root: puts the parts together, starts them in order and ends them in order."""
