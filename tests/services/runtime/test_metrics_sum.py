"""Sums of the metrics of several processes."""

from prometheus_client.parser import text_string_to_metric_families

from services.runtime.metrics_sum import add_up

FIRST = """\
# HELP crm_http_seconds Time to answer
# TYPE crm_http_seconds histogram
crm_http_seconds_bucket{le="0.1",route="/a"} 2.0
crm_http_seconds_bucket{le="+Inf",route="/a"} 3.0
crm_http_seconds_count{route="/a"} 3.0
crm_http_seconds_sum{route="/a"} 0.5
# HELP crm_events_appended_total Events written to the log
# TYPE crm_events_appended_total counter
crm_events_appended_total{event_type="lead.noted"} 4.0
# HELP process_start_time_seconds Start time
# TYPE process_start_time_seconds gauge
process_start_time_seconds 100.0
"""
SECOND = (
    FIRST.replace('route="/a"', 'route="/b"').replace("} 4.0", "} 5.0").replace(" 100.0", " 90")
)


def read(text: bytes) -> dict[tuple[str, str], float]:
    return {
        (sample.name, ",".join(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(text.decode())
        for sample in family.samples
    }


def test_samples_with_the_same_labels_are_added_and_others_are_kept() -> None:
    summed = read(add_up([FIRST, SECOND]))
    assert summed["crm_events_appended_total", "lead.noted"] == 9
    assert summed["crm_http_seconds_count", "/a"] == summed["crm_http_seconds_count", "/b"] == 3
    assert summed["process_start_time_seconds", ""] == 90


def test_the_metrics_of_one_process_are_not_changed() -> None:
    assert read(add_up([FIRST])) == read(FIRST.encode())


def test_without_an_answer_there_are_no_metrics() -> None:
    assert read(add_up([])) == {}


def test_openmetrics_keeps_the_exemplars_and_adds_the_values() -> None:
    exemplar = ' # {trace_id="0af7651916cd43dd8448eb211c80319c"} 0.05 1796143676.0'
    first = FIRST.replace("} 2.0", "} 2.0" + exemplar).replace("_appended_total E", "_appended E")
    first = first.replace("# TYPE crm_events_appended_total", "# TYPE crm_events_appended")
    plain = first.replace(exemplar, "")
    summed = add_up([plain + "# EOF\n", first + "# EOF\n"], is_open_metrics=True).decode()
    assert f'crm_http_seconds_bucket{{le="0.1",route="/a"}} 4.0{exemplar}'[:80] in summed
    assert 'crm_events_appended_total{event_type="lead.noted"} 8.0' in summed
    assert "0af7651916cd43dd8448eb211c80319c" in summed
