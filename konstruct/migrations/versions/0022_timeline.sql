-- What a conversation cost is added up wherever it is shown; and lists of conversations are narrowed down.
create index usage_of_conversation on usage (tenant_id, conversation_id, created_at);
create index conversations_of_employee on conversations (tenant_id, employee_id, last_message_at desc, id desc)
  where not is_rehearsal;
create index conversations_of_connection on conversations (tenant_id, connection_id, last_message_at desc, id desc)
  where not is_rehearsal;
create index conversations_with_people on conversations (tenant_id, last_message_at desc, id desc)
  where not is_rehearsal and owner <> 'employee';
create index messages_failed on messages (tenant_id, conversation_id) where state = 'failed' and direction = 'outbound';
