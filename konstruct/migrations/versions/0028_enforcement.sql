-- Bytes of what is searched of a document: what plans limit.
alter table knowledge_documents add column text_bytes bigint not null default 0;
alter table knowledge_documents no force row level security;
alter table knowledge_chunks no force row level security;
update knowledge_documents d set text_bytes = found.bytes
  from (
    select c.tenant_id, c.document_id, sum(octet_length(c.text)) as bytes
    from knowledge_chunks c group by c.tenant_id, c.document_id
  ) found
  where found.tenant_id = d.tenant_id and found.document_id = d.id;
alter table knowledge_chunks force row level security;
alter table knowledge_documents force row level security;

-- A key also says whether its tenant is billed: only then is it asked whether its plan includes the API.
set local check_function_bodies = off;
drop function find_api_key(bytea);
create function find_api_key(of_digest bytea)
  returns table (tenant_id uuid, key_id uuid, scopes jsonb, last_used_at timestamptz, is_billed boolean)
  language sql stable security definer set search_path = pg_catalog, pg_temp
  as $$
    select k.tenant_id, k.id, k.scopes, k.last_used_at,
      exists (select from public.billing_accounts a where a.tenant_id = k.tenant_id)
    from public.api_keys k where k.digest = of_digest and k.revoked_at is null
  $$;
revoke all on function find_api_key(bytea) from public;
grant execute on function find_api_key(bytea) to konstruct_app;
alter function find_api_key(bytea) owner to konstruct_router;
