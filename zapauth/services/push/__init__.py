"""The push gate: whom a push may reach now. For services that send pushes."""
