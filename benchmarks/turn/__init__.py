"""What a turn costs, from Slack's webhook to the reply, beside the least that the engine can do."""
