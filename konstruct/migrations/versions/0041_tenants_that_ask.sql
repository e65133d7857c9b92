-- `tenants_that_ask` is run every fifteen seconds.
-- There are few tenants, and they change seldom: the index is made in milliseconds.
-- squawk-ignore require-concurrent-index-creation
create index tenants_that_ask on tenants (id) where satisfaction ->> 'enabled' = 'true' and deleted_at is null;
