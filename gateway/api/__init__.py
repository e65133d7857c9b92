"""The REST API, for programs of a tenant: each request carries a key, and each route names the scope that it takes."""
