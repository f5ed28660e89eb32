"""What a plug-in's author tests with: conformance suites and a clock. Needs pytest, pytest-asyncio and hypothesis."""
