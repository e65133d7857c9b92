-- `tries`: attempts at reading a document that began, and ended without a word, as with the process that made them.
alter table knowledge_documents add column tries smallint not null default 0;
