"""Sums of the metrics of several processes, in the text format of Prometheus or in OpenMetrics."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeAlias

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import Metric
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics
from prometheus_client.openmetrics.parser import (
    text_string_to_metric_families as openmetrics_families,
)
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector
from prometheus_client.samples import Sample

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


def add_up(texts: Sequence[str], *, is_open_metrics: bool = False) -> bytes:
    """Return the sum of each sample over the texts of all processes, in the format of the texts.

    OpenMetrics has exemplars: of the processes' ones for a sample, the first is kept.
    """
    parse = openmetrics_families if is_open_metrics else text_string_to_metric_families
    families: dict[str, Metric] = {}
    values: dict[str, _Samples] = {}
    for text in texts:
        for family in parse(text):
            families.setdefault(family.name, family)
            samples = values.setdefault(family.name, {})
            for sample in family.samples:
                key = (sample.name, tuple(sample.labels.items()))
                samples.setdefault(key, []).append(sample)
    registry = CollectorRegistry()
    registry.register(_Sums([
        _joined(family, values[name]) for name, family in families.items()
    ]))  # fmt: skip
    generate = generate_openmetrics if is_open_metrics else generate_latest
    summed: bytes = generate(registry)
    return summed


_Samples: TypeAlias = dict[tuple[str, tuple[tuple[str, str], ...]], list[Sample]]
"""Name and labels → the samples of the processes."""


def _joined(family: Metric, values: _Samples) -> Metric:
    join = _JOIN.get(family.name, sum)
    joined = Metric(family.name, family.documentation, family.type)
    for (name, labels), parts in values.items():
        exemplar = next((part.exemplar for part in parts if part.exemplar), None)
        value = join(part.value for part in parts)
        joined.add_sample(name, dict(labels), value, exemplar=exemplar)
    return joined
