"""`/healthz` and `/readyz`: what a load balancer and an orchestrator ask."""
