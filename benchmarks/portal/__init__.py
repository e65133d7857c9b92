"""How long the portal's pages take in a business in which very much has happened, and how Postgres answers them."""
