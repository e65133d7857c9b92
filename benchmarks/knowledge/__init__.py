"""How well knowledge is found: made-up businesses' documents, and what their customers ask in twelve languages."""
