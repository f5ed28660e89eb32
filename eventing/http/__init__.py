"""HTTP/1.1 for the data plane: small and strict, on httptools and asyncio protocols."""
