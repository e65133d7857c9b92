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
