"""Where people come in, with a browser. Machines use the gateway, which this package never imports."""
