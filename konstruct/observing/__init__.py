"""How the product is watched: metrics without tenants, and traces without a word of what somebody said.

Knows the API of OpenTelemetry and no SDK: whether anything is exported is settled in ``adapters/telemetry``.
"""
