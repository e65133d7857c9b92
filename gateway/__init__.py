"""Where machines come in: channel webhooks and health checks over HTTP."""
