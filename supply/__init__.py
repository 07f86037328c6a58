"""What the project takes from others: the list of it (SBOM), and its known vulnerabilities."""

from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LOCKS = ROOT / "locks"
