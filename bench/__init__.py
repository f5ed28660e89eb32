"""What the engine costs and how fast it is: `python -m bench`, described in docs/performance.md."""
