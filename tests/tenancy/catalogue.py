"""What the database's own catalogue says about the walls between tenants, and people: each finding is one hole."""

from collections.abc import Mapping
from typing import Any, Final

PREDICATE: Final = (
    "({} = ( SELECT (NULLIF(current_setting('app.tenant_id'::text, true), ''::text))::uuid AS \"nullif\"))"
)
"""For tables of people, with their setting in place of the tenants'."""

# Tables that belong to no tenant and no person. The product may write all but the first, and read none.
OF_NOBODY: Final = ["alembic_version", "quarantined_events", "mails", "ceremonies", "stripe_events"]

# The deployment's own: every tenant reads them, and what is of a tenant or a person never changes them.
OF_ALL: Final = ["plans", "price_maps", "restorations"]
OF_ALL_PREDICATE: Final = (
    "( SELECT ((NULLIF(current_setting('app.tenant_id'::text, true), ''::text) IS NULL)"
    " AND (NULLIF(current_setting('app.user_id'::text, true), ''::text) IS NULL)))"
)

# Each says which tenant or person somebody is: they are what those are found by, and would mean nothing within one.
UNIQUE_ACROSS_TENANTS: Final = [
    *["tenants(slug)", "connections(kind, account)", "api_keys(digest)", "invitations(digest)"],
    *["users(email)", "user_sessions(digest)", "account_tokens(digest)", "billing_accounts(customer_id)"],
    *["passkeys(credential_id)", "linked_accounts(issuer, subject)"],
]

# What was once written there is never changed.
APPEND_ONLY: Final = [
    *["audit_events", "audit_heads", "audit_seals", "audit_seal_leaves"],
    *["employee_versions", "employee_pictures", "usage"],
]

# The audit trail, which is written through the auditor's functions alone, and what they may do to it.
TRAIL: Final = ["audit_events", "audit_heads", "audit_seals", "audit_seal_leaves"]
AUDITORS_OWN: Final = [
    *["audit_events INSERT", "audit_seal_leaves INSERT"],
    *["audit_heads SELECT", "audit_heads INSERT", "audit_seals SELECT", "audit_seals INSERT"],
    *["audit_heads.seq UPDATE", "audit_heads.hash UPDATE", "audit_heads.sealed_seq UPDATE"],
    "audit_seals.anchored_at UPDATE",
]

# The tables whose rows the product removes: channels that no employee is bound to any more, and what is forgotten.
REMOVABLE: Final = [
    *["employee_bindings", "contact_aliases", "contact_keys", "contact_words"],
    *["conversation_summaries", "memories", "memory_vectors", "early_changes"],
    *["knowledge_documents", "knowledge_contents", "knowledge_chunks", "knowledge_vectors"],
    *["files", "file_removals", "slack_attempts", "whatsapp_drafts", "canned_replies", "ratings"],
    "inbox_marks",
    *["model_keys", "steps", "handoffs", "judgements"],
    # What a tenant that is deleted leaves behind hangs on these.
    *["connections", "employees", "employee_pictures", "tools", "knowledge_sources", "api_keys", "tenant_keys"],
    *["rehearsals", "retention_runs", "contact_erasures", "audit_checks"],
    "rehearsed_steps",
    *["users", "user_sessions", "user_devices", "account_tokens", "memberships", "invitations"],
    *["authenticators", "recovery_codes", "passkeys", "linked_accounts"],
    *["billing_accounts", "plan_months", "budget_months", "budget_holds", "threshold_alerts", "metered_usage"],
    "plans",
]

# What look-ups may do besides reading: carry on what is of nobody, and clear up what opens nothing any more.
ROUTERS_OWN: Final = [
    *["quarantined_events DELETE", "mails UPDATE", "mails DELETE"],
    *["account_tokens DELETE", "user_sessions DELETE"],
    *["ceremonies INSERT", "ceremonies DELETE"],
    *["stripe_events INSERT", "stripe_events UPDATE", "stripe_events DELETE"],
]

# All that look-ups across tenants may read: ids, names of accounts, states and times. No content, no secret.
SEEN_ACROSS_TENANTS: Final = [
    *[
        "tenants.id",
        "tenants.slug",
        "tenants.name",
        "tenants.retention",
        "tenants.satisfaction",
        "tenants.deleted_at",
        "tenants.cleared_at",
        "tenants.requires_second_factor",
    ],
    *["users.id", "users.email", "users.name"],
    *[f"user_sessions.{name}" for name in ("user_id", "id", "digest", "created_at", "last_seen_at")],
    *[f"account_tokens.{name}" for name in ("user_id", "id", "digest", "expires_at")],
    *[f"memberships.{name}" for name in ("tenant_id", "user_id", "role", "created_at")],
    *[f"invitations.{name}" for name in ("tenant_id", "id", "digest", "expires_at")],
    # Of nobody, and sealed.
    *[f"mails.{name}" for name in ("id", "sealed", "due_at", "attempts", "created_at")],
    *["authenticators.user_id", "authenticators.confirmed_at", "tenant_keys.tenant_id"],
    *[f"passkeys.{name}" for name in ("user_id", "id", "credential_id")],
    *[f"linked_accounts.{name}" for name in ("user_id", "id", "issuer", "subject")],
    *[f"ceremonies.{name}" for name in ("digest", "kind", "sealed", "expires_at")],
    *[f"connections.{name}" for name in ("tenant_id", "id", "key", "kind", "account", "external")],
    *[f"connections.{name}" for name in ("status", "status_reason", "status_changed_at")],
    *["connections.renew_at", "connections.renewing_until"],
    *[f"messages.{name}" for name in ("tenant_id", "id", "conversation_id", "turn_id")],
    *[f"messages.{name}" for name in ("author", "purpose", "state", "created_at", "swept_at")],
    *["messages.sending_at", "messages.settled_at"],
    *[f"conversations.{name}" for name in ("tenant_id", "id", "memory_due_at", "memory_claimed_until")],
    *["conversations.contact_said_at", "contacts.tenant_id", "contacts.id", "contacts.erased_at"],
    *["contacts.connection_id", "contacts.name_due_at"],
    *[f"rehearsals.{name}" for name in ("tenant_id", "conversation_id", "contact_id", "created_at")],
    *[f"tools.{name}" for name in ("tenant_id", "id", "kind", "status", "looked_at")],
    *[f"api_keys.{name}" for name in ("tenant_id", "id", "digest", "scopes", "last_used_at", "revoked_at")],
    *[f"approvals.{name}" for name in ("tenant_id", "id", "state", "created_at", "announced_at", "decided_at")],
    *[f"approvals.{name}" for name in ("reported_at", "expires_at", "swept_at")],
    *[f"handoffs.{name}" for name in ("tenant_id", "id", "state", "created_at", "attended_at")],
    *[f"handoffs.{name}" for name in ("next_due_at", "swept_at")],
    *["file_removals.tenant_id", "file_removals.due_at"],
    *["early_changes.tenant_id", "early_changes.created_at"],
    *[f"consults.{name}" for name in ("tenant_id", "id", "created_at", "announced_at", "settled_at")],
    *[f"consults.{name}" for name in ("reported_at", "expires_at", "swept_at")],
    *[f"knowledge_sources.{name}" for name in ("tenant_id", "id", "next_sync_at")],
    *[f"knowledge_chunks.{name}" for name in ("tenant_id", "id", "embedded_with")],
    *[f"memories.{name}" for name in ("tenant_id", "id", "contact_id", "embedded_with", "superseded_at")],
    # What could not be processed has no tenant; it is looked through for erased contacts, and told to nobody.
    *["quarantined_events.created_at", "quarantined_events.channel", "quarantined_events.body"],
    *["audit_heads.tenant_id", "audit_heads.is_moved", "audit_seals.tenant_id", "audit_seals.anchored_at"],
    "audit_seals.sealed_at",
    *[f"stripe_events.{name}" for name in ("id", "type", "customer_id", "subscription_id", "created_at")],
    *[f"stripe_events.{name}" for name in ("received_at", "handled_at", "outcome")],
    *[f"billing_accounts.{name}" for name in ("tenant_id", "customer_id", "problem")],
    *[f"metered_usage.{name}" for name in ("tenant_id", "state", "settled_at")],
    *["threshold_alerts.tenant_id", "threshold_alerts.mailed_at"],
]

# The tables of tenants, and of people, with the column that says whose a row is. A partition is one more table: the row
# security of its parent does not hold when it is read directly.
_OWNED: Final = """
    with owned as (
      select c.oid, c.relname::text as name, c.relrowsecurity, c.relforcerowsecurity,
             a.attname::text as tenant, a.attnum, a.attnotnull, a.atttypid,
             case when c.relname = 'users' or a.attname = 'user_id' then 'app.user_id' else 'app.tenant_id' end as whose
      from pg_class c
      join pg_attribute a on a.attrelid = c.oid and not a.attisdropped
       and a.attname = case
         when c.relname in ('tenants', 'users') then 'id'
         when exists (
           select from pg_attribute t where t.attrelid = c.oid and t.attname = 'tenant_id' and not t.attisdropped
         ) then 'tenant_id'
         else 'user_id'
       end
      where c.relkind in ('r', 'p') and c.relnamespace = 'public'::regnamespace
    )
"""

_CHECKS: Final[Mapping[str, tuple[str, tuple[Any, ...]]]] = {
    "is a schema that is not looked into here": (
        "select nspname::text from pg_namespace where nspname !~ '^pg_' and nspname <> all ($1)",
        (["public", "information_schema"],),
    ),
    "belongs to no tenant": (
        _OWNED
        + """
        select relname::text from pg_class
        where relkind in ('r', 'p') and relnamespace = 'public'::regnamespace
          and oid not in (select oid from owned) and relname <> all ($1)
        """,
        ([*OF_NOBODY, *OF_ALL],),
    ),
    "has no forced row security": (
        _OWNED
        + """
        select name from owned where not (relrowsecurity and relforcerowsecurity)
        union all
        select relname::text from pg_class
        where relnamespace = 'public'::regnamespace and relname = any ($1)
          and not (relrowsecurity and relforcerowsecurity)
        """,
        (OF_NOBODY[1:],),
    ),
    "lacks a policy of both kinds for the product": (
        _OWNED
        + """
        select name || ' ' || kind from owned cross join (values ('PERMISSIVE'), ('RESTRICTIVE')) kinds (kind)
        where not exists (
          select from pg_policies p
          where p.schemaname = 'public' and p.tablename = name and p.permissive = kind and p.cmd = 'ALL'
            and p.roles = '{konstruct_app}'
            and p.qual = replace(replace($1, '{}', tenant), 'app.tenant_id', whose)
            and p.with_check = replace(replace($1, '{}', tenant), 'app.tenant_id', whose)
        )
        """,
        (PREDICATE,),
    ),
    "is everybody's to change": (
        """
        select relname::text from pg_class
        where relnamespace = 'public'::regnamespace and relname = any ($1) and not relrowsecurity
        """,
        (OF_ALL,),
    ),
    "is a policy that nobody asked for": (
        _OWNED
        + """
        select p.tablename || '.' || p.policyname
        from pg_policies p left join owned o on p.tablename = o.name and p.schemaname = 'public'
        where case
          when p.tablename = any ($4) and p.roles = '{konstruct_app}' then p.cmd <> 'INSERT'
          when p.tablename = any ($4) then p.roles <> '{konstruct_router}'
          when p.tablename = any ($5) and p.roles = '{konstruct_app}' then
            p.permissive <> 'PERMISSIVE' or case p.cmd when 'SELECT' then p.qual <> 'true' when 'ALL' then
              p.qual is distinct from $6 or p.with_check is distinct from $6 else true end
          when p.roles = '{konstruct_router}' then p.cmd <> 'SELECT' and p.tablename || ' ' || p.cmd <> all ($3)
          when p.roles = '{konstruct_app}' or (p.roles = '{konstruct_auditor}' and o.name = any ($2)) then
            p.qual is distinct from replace(replace($1, '{}', o.tenant), 'app.tenant_id', o.whose)
            or p.with_check is distinct from replace(replace($1, '{}', o.tenant), 'app.tenant_id', o.whose)
          else true
        end
        """,
        (PREDICATE, TRAIL, ROUTERS_OWN, OF_NOBODY, OF_ALL, OF_ALL_PREDICATE),
    ),
    "may have rows of nobody": (
        _OWNED + "select name from owned where not attnotnull or atttypid <> 'uuid'::regtype",
        (),
    ),
    "has no primary key that begins with the tenant": (
        _OWNED
        + """
        select name from owned where not exists (
          select from pg_constraint k where k.conrelid = owned.oid and k.contype = 'p' and k.conkey[1] = owned.attnum
        )
        """,
        (),
    ),
    "is a foreign key that may lead to another tenant": (
        _OWNED
        + """
        select child.name || '.' || k.conname
        from pg_constraint k
        join owned child on child.oid = k.conrelid
        join owned parent on parent.oid = k.confrelid
        where k.contype = 'f' and child.whose = parent.whose
          and (array_position(k.conkey, child.attnum) is null
            or array_position(k.conkey, child.attnum) is distinct from array_position(k.confkey, parent.attnum))
        """,
        (),
    ),
    "is unique across tenants": (
        _OWNED
        + """
        , unique_index as (
          select name || '(' || (
              select string_agg(coalesce(a.attname, '?'), ', ' order by place)
              from unnest(i.indkey::int2[]) with ordinality keys (key, place)
              left join pg_attribute a on a.attrelid = i.indrelid and a.attnum = key
            ) || ')' as what
          from owned join pg_index i on i.indrelid = owned.oid
          where (i.indisunique or i.indisexclusion) and i.indkey[0] <> owned.attnum
        )
        select what from unique_index where what <> all ($1)
        """,
        (UNIQUE_ACROSS_TENANTS,),
    ),
    "is read with its owner's eyes": (
        """
        select relname::text from pg_class
        where relnamespace = 'public'::regnamespace and relkind in ('v', 'm', 'f')
          and (relkind <> 'v'
            or not coalesce(reloptions, '{}') && array['security_invoker=true', 'security_invoker=on'])
        """,
        (),
    ),
    "is a function that runs as its owner, not made as a look-up is": (
        """
        select p.oid::regprocedure::text from pg_proc p
        where p.prosecdef and p.pronamespace <> 'pg_catalog'::regnamespace
          and not (
            p.proowner::regrole::text
              = case when p.proname like 'audit\\_%' then 'konstruct_auditor' else 'konstruct_router' end
            and p.proconfig is not distinct from array['search_path=pg_catalog, pg_temp']
            and p.proacl is not null
            and not exists (
              select from aclexplode(p.proacl) granted
              where granted.grantee not in (p.proowner, 'konstruct_app'::regrole)
            )
          )
        """,
        (),
    ),
    "is a role with powers": (
        """
        select rolname::text from pg_roles
        where rolname in ('konstruct_app', 'konstruct_owner', 'konstruct_router', 'konstruct_auditor')
          and (rolsuper or rolbypassrls or rolcreaterole or rolcreatedb or rolreplication
               or rolcanlogin <> (rolname = 'konstruct_app'))
        """,
        (),
    ),
    "is a role that the product can become": (
        "select roleid::regrole::text from pg_auth_members where member = 'konstruct_app'::regrole",
        (),
    ),
    "is owned by the product": (
        """
        select pg_describe_object(classid, objid, objsubid) from pg_shdepend
        where refclassid = 'pg_authid'::regclass and refobjid = 'konstruct_app'::regrole and deptype = 'o'
          and dbid in (0, (select oid from pg_database where datname = current_database()))
        """,
        (),
    ),
    "is not owned by the owner": (
        """
        select relname::text from pg_class
        where relnamespace = 'public'::regnamespace and relkind in ('r', 'p', 'v', 'm', 'S')
          and relowner <> 'konstruct_owner'::regrole
        """,
        (),
    ),
    "is granted to the product or to everybody": (
        """
        select c.relname || ' ' || granted.privilege_type
        from pg_class c, aclexplode(c.relacl) granted
        where c.relnamespace = 'public'::regnamespace
          and (granted.grantee = 0
            or granted.grantee = 'konstruct_app'::regrole and (
              granted.privilege_type not in ('SELECT', 'INSERT', 'UPDATE', 'DELETE')
              or granted.is_grantable
              or granted.privilege_type = 'DELETE' and c.relname <> all ($1)))
        union all
        select c.relname || ' UPDATE' from pg_class c
        where c.relnamespace = 'public'::regnamespace and c.relname = any ($2)
          and has_any_column_privilege('konstruct_app', c.oid, 'UPDATE')
        union all
        select 'reads ' || c.relname from pg_class c
        where c.relnamespace = 'public'::regnamespace and c.relkind = 'r' and c.relname = any ($3)
          and has_any_column_privilege('konstruct_app', c.oid, 'SELECT')
        union all
        select 'default of ' || defaclrole::regrole || ' ' || granted.privilege_type
        from pg_default_acl, aclexplode(defaclacl) granted
        where granted.grantee in (0, 'konstruct_app'::regrole)
        union all
        select 'creates in ' || nspname from pg_namespace
        where nspname = 'public' and has_schema_privilege('konstruct_app', oid, 'create')
        """,
        (REMOVABLE, APPEND_ONLY, OF_NOBODY),
    ),
    "is seen across tenants": (
        """
        select c.relname || '.' || a.attname
        from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
        where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p', 'v', 'm')
          and has_column_privilege('konstruct_router', c.oid, a.attnum, 'SELECT')
          and c.relname || '.' || a.attname <> all ($1)
        union all
        select c.relname || ' ' || power
        from pg_class c cross join (values ('INSERT'), ('UPDATE'), ('DELETE'), ('TRUNCATE')) powers (power)
        where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p')
          and has_table_privilege('konstruct_router', c.oid, power)
          and c.relname || ' ' || power <> all ($2)
        """,
        (SEEN_ACROSS_TENANTS, ROUTERS_OWN),
    ),
    "writes the audit trail past its functions": (
        """
        select c.relname || ' ' || granted.privilege_type
        from pg_class c, aclexplode(c.relacl) granted
        where c.relnamespace = 'public'::regnamespace and c.relname = any ($1)
          and granted.grantee = 'konstruct_app'::regrole and granted.privilege_type <> 'SELECT'
        union all
        select granted.what from (
          select c.relname || ' ' || g.privilege_type as what
          from pg_class c, aclexplode(c.relacl) g
          where c.relnamespace = 'public'::regnamespace and g.grantee = 'konstruct_auditor'::regrole
          union all
          select c.relname || '.' || a.attname || ' ' || g.privilege_type
          from pg_class c join pg_attribute a on a.attrelid = c.oid, aclexplode(a.attacl) g
          where c.relnamespace = 'public'::regnamespace and g.grantee = 'konstruct_auditor'::regrole
        ) granted where granted.what <> all ($2)
        """,
        (TRAIL, AUDITORS_OWN),
    ),
    # BEFORE (2) with DELETE (8) and UPDATE (16) for each row (1), and with TRUNCATE (32); A is ALWAYS. Of heads and
    # seals some columns go on, which the triggers leave out.
    "lets the audit trail be changed": (
        """
        select name || ' ' || wanted from unnest($1::text[]) name, (values (1 + 2 + 8 + 16), (2 + 32)) kinds (wanted)
        where not exists (
          select from pg_trigger t join pg_proc p on p.oid = t.tgfoid
          where t.tgrelid = ('public.' || name)::regclass and t.tgenabled = 'A' and t.tgtype = wanted
            and (t.tgattr = ''::int2vector or name in ('audit_heads', 'audit_seals'))
            and t.tgqual is null and p.prosrc ~ '^\\s*begin\\s+raise exception [^;]*;\\s*end\\s*$'
        )
        """,
        (TRAIL,),
    ),
}


async def findings(connection: Any) -> list[str]:
    """Each as ``what: why``; none when the walls stand. ``connection``: asyncpg's, of an administrator."""
    found = []
    for why, (query, arguments) in _CHECKS.items():
        found += [f"{row[0]} {why}" for row in await connection.fetch(query, *arguments)]
    return found
