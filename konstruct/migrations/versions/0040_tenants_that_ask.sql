-- `tenants_that_ask` is run every fifteen seconds.
create index tenants_that_ask on tenants (id) where satisfaction ->> 'enabled' = 'true' and deleted_at is null;
