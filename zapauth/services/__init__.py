"""What other services call: the standard doors for tokens, the push gate, the stream of events. One error shape."""
