"""The register of metrics about lagmon's own upkeep: its configuration, and who comes to its pages.

They stand on the page of metrics beside those of `lagmon.metrics`, whatever becomes of a cluster.
"""

from __future__ import annotations

from lagmon.metrics import Kind, Metric

CONFIG_RELOADED = Metric(
    "lagmon_config_last_reload_successful",
    Kind.GAUGE,
    "1 if the configuration was good when it was read last; otherwise the one before holds.",
)
CONFIG_RELOADED_AT = Metric(
    "lagmon_config_last_reload_success_timestamp_seconds",
    Kind.GAUGE,
    "When a good configuration was read last, in seconds since the epoch.",
)
WEB_CONFIG_RELOADED = Metric(
    "lagmon_web_config_last_reload_successful",
    Kind.GAUGE,
    "1 if the web configuration file and its certificates are good, or there is none.",
)
WEB_CONNECTIONS = Metric(
    "lagmon_web_connections",
    Kind.GAUGE,
    "Connections to the pages that are open.",
)
WEB_TURNED_AWAY = Metric(
    "lagmon_web_turned_away_total",
    Kind.COUNTER,
    "Connections to the pages that were ended or not let in, by reason.",
    ("reason",),
)

REGISTER: tuple[Metric, ...] = (
    CONFIG_RELOADED_AT,
    CONFIG_RELOADED,
    WEB_CONFIG_RELOADED,
    WEB_CONNECTIONS,
    WEB_TURNED_AWAY,
)
