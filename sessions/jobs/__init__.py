"""Work after the answer, such as a mail, in a durable queue in the same database (docs/architecture.md)."""
