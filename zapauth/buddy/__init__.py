"""The Buddy dialect (paths at the root): it parses requests, calls the core and words the answers."""
