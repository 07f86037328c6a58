"""The server's figures for Prometheus: docs/monitoring.md.

`figures` declares them. Each process of the server counts in files of its own (`files`), and the main process serves
the sum of all of them on METRICS_PORT (`page`).
"""
