"""The packages of others that the project uses: a list of them (SBOM), and their known vulnerabilities."""

from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LOCKS = ROOT / "locks"
