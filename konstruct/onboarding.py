"""The first three steps of a tenant: a channel, an employee, a message; how far they are is read from what is there."""
