"""The Buddy dialect (root paths): only words."""
