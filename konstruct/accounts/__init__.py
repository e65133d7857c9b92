"""People who sign in: who they are, what proves it, which tenants they belong to and what they may do there."""
