"""The steps that workflows call, one class a topic: contract in, core call, contract out."""
