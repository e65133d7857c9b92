"""When people are brought in: an employee's rules, what they look at, and which of them fires. Without I/O."""
