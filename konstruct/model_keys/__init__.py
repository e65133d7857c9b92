"""Tenants' own access to providers of models: tried before it is kept, sealed, and never shown again.

Where a tenant has its own, the deployment's is not used for that provider: when the tenant's is refused, either, but
where the tenant said that it may be.
"""
