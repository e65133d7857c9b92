"""Connecting channels from the portal: Slack by OAuth, WhatsApp by values that are checked as they are typed."""
