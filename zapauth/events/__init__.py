"""The stream of events: services learn at once which sessions have ended."""
