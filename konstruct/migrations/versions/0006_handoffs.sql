alter table tenants add column desk jsonb not null default '{}';
