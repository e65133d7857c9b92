"""What employees can do besides talking: one interface, and a module for each kind of tool."""
