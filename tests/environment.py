"""The names of the environment variables that the settings read. This module can be imported without settings."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SETTINGS_NAMES = frozenset(
    re.findall(r"\b(?:env\.\w+|_[a-z]\w*)\(\s*\"([A-Z][A-Z0-9_]*)\"", (ROOT / "zapauth" / "settings.py").read_text())
)
