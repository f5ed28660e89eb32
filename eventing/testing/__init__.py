"""What a plug-in's author tests with: conformance suites and a clock. The extra `testing` installs what they need."""
