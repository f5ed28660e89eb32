"""What a plug-in's author tests with: conformance suites and a clock. Needs pytest and pytest-asyncio."""
