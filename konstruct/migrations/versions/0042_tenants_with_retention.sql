-- `tenants_with_retention` is run every hour.
-- There are few tenants, and they change seldom: the index is made in milliseconds.
-- squawk-ignore require-concurrent-index-creation
create index tenants_with_retention on tenants (id) where retention <> '{}';
