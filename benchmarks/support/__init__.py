"""What several benchmarks need: a folder, a running product, a Slack that talks to it, and clocks."""
