"""Read a server's figures as Prometheus does."""

import urllib.request
from collections.abc import Iterable, Mapping
from typing import Any

from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

Series = tuple[str, frozenset[tuple[str, str]]]


class Figures:
    """The figures of one scrape."""

    def __init__(self, samples: Iterable[Sample]) -> None:
        self.series: Mapping[Series, float] = {
            (sample.name, frozenset(sample.labels.items())): sample.value for sample in samples
        }

    def __call__(self, name: str, **labels: str) -> float:
        """Return the sum of the series of that name that have these labels; 0, if there is none."""
        wanted = labels.items()
        return sum(
            value for (given, pairs), value in self.series.items() if given == name and wanted <= dict(pairs).items()
        )

    def names(self) -> set[str]:
        return {name for name, _ in self.series}

    def labels(self) -> dict[str, set[str]]:
        """Return the values of each label."""
        values: dict[str, set[str]] = {}
        for _, pairs in self.series:
            for label, value in pairs:
                values.setdefault(label, set()).add(value)
        return values


def scrape(port: int) -> Figures:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=30) as answer:
        families = text_string_to_metric_families(answer.read().decode())
        return Figures(sample for family in families for sample in family.samples)


class Since:
    """What has been counted since this was made."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._before = scrape(port)

    def __call__(self, name: str, **labels: Any) -> float:
        return scrape(self._port)(name, **labels) - self._before(name, **labels)
