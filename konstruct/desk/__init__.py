"""The desk: who the agents are, when they work, and what is done while a handoff waits for one of them."""
