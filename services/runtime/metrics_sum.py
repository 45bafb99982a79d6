"""Sums of the metrics of several processes, in the text format of Prometheus."""

from collections.abc import Callable, Iterable, Iterator, Sequence

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import Metric
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector

_JOIN: dict[str, Callable[[Iterable[float]], float]] = {
    "python_info": max,
    "process_start_time_seconds": min,
}
"""Metrics that are not added: a constant, and the time since which the service runs."""


class _Sums(Collector):
    def __init__(self, metrics: Sequence[Metric]) -> None:
        self._metrics = metrics

    def collect(self) -> Iterator[Metric]:
        yield from self._metrics


def add_up(texts: Sequence[str]) -> bytes:
    """Return the sum of each sample over the texts of all processes."""
    families: dict[str, Metric] = {}
    values: dict[str, dict[tuple[str, tuple[tuple[str, str], ...]], list[float]]] = {}
    for text in texts:
        for family in text_string_to_metric_families(text):
            families.setdefault(family.name, family)
            samples = values.setdefault(family.name, {})
            for sample in family.samples:
                key = (sample.name, tuple(sample.labels.items()))
                samples.setdefault(key, []).append(sample.value)
    registry = CollectorRegistry()
    registry.register(_Sums([
        _joined(family, values[name]) for name, family in families.items()
    ]))  # fmt: skip
    return generate_latest(registry)


def _joined(
    family: Metric, values: dict[tuple[str, tuple[tuple[str, str], ...]], list[float]]
) -> Metric:
    join = _JOIN.get(family.name, sum)
    joined = Metric(family.name, family.documentation, family.type)
    for (name, labels), parts in values.items():
        joined.add_sample(name, dict(labels), join(parts))
    return joined
