"""Look for the static files once in each process of the suite.

Each test client loads the middleware, and WhiteNoise then looks for all static files. This takes as long as a page.
"""

from typing import Any

from whitenoise.middleware import WhiteNoiseMiddleware

# The files by what they depend on: their addresses, and the headers of their answers.
_found: dict[tuple[Any, ...], dict[str, Any]] = {}


def install() -> None:
    """Let every middleware of this process share what the first one has found."""
    look = WhiteNoiseMiddleware.add_files_from_finders

    def look_once(self: WhiteNoiseMiddleware) -> None:
        key = (self.static_prefix, self.max_age, self.allow_all_origins, self.charset, self.add_headers_function)
        if key not in _found:
            before = dict(self.files)
            look(self)
            _found[key] = {url: file for url, file in self.files.items() if before.get(url) is not file}
        self.files.update(_found[key])

    WhiteNoiseMiddleware.add_files_from_finders = look_once
