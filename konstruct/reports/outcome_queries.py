"""What reports of outcomes ask Postgres, each in one statement that adds up over four ways of looking at it."""

from string import Template
from typing import Any, Final

from sqlalchemy import ARRAY, BindParameter, DateTime, Interval, TextClause, Uuid, bindparam, text

# Each is added up for everything, for bars, for employees and for connections in one go.
_SETS: Final = "grouping sets ((), (bar), (employee_id), (connection_id))"
_WHO: Final = (
    "not c.is_rehearsal and (cast(:employee_id as uuid) is null or c.employee_id = :employee_id)"
    " and (cast(:connection_id as uuid) is null or c.connection_id = :connection_id)"
)


def _times(seconds: str) -> str:
    return (
        f"count({seconds}), percentile_cont(array[0.5, 0.9]) within group (order by {seconds}),"
        f" cast(avg({seconds}) as double precision)"
    )


_OPENED: Final = """
with opened as materialized (
  select width_bucket(h.created_at, :edges) as bar, c.employee_id, c.connection_id, h.cause, h.rule, h.target, h.state,
    h.ended_how,
    case when h.cause <> 'agent'
      then cast(extract(epoch from h.first_claimed_at - h.created_at) as double precision) end as to_person,
    case when h.cause <> 'agent'
      then cast(extract(epoch from h.replied_at - h.created_at) as double precision) end as to_reply,
    exists (
      select from handoffs e
      where e.conversation_id = h.conversation_id and e.id <> h.id
        and e.ended_at <= h.created_at and e.ended_at > h.created_at - cast(:again as interval)
    ) as is_again
  from handoffs h
  join conversations c on c.id = h.conversation_id
  where h.state in ('waiting', 'owned', 'over') and h.created_at >= :start and h.created_at < :end and $who
)
"""
_COUNTED: Final = """
  count(*), count(*) filter (where state = 'waiting'), count(*) filter (where state = 'owned'),
  count(*) filter (where ended_how = 'resolved'), count(*) filter (where ended_how = 'handed_back'),
  count(*) filter (where ended_how = 'nobody_came'), count(*) filter (where ended_how = 'erased'),
  count(*) filter (where is_again), $to_person, $to_reply
"""


def _query(sql: str) -> TextClause:
    """With what several of them have in common put in."""
    counted = Template(_COUNTED).substitute(to_person=_times("to_person"), to_reply=_times("to_reply"))
    opened = Template(_OPENED).substitute(who=_WHO)
    whole = Template(sql).substitute(who=_WHO, sets=_SETS, opened=opened, counted=counted, waited=_times("waited"))
    moments = {name: bindparam(name, type_=DateTime(timezone=True)) for name in ("start", "end", "until")}
    typed: dict[str, BindParameter[Any]] = {
        **moments,
        "again": bindparam("again", type_=Interval),
        "edges": bindparam("edges", type_=ARRAY(DateTime(timezone=True))),
        "employee_id": bindparam("employee_id", type_=Uuid),
        "connection_id": bindparam("connection_id", type_=Uuid),
    }
    return text(whole).bindparams(*(each for name, each in typed.items() if f":{name}" in whole))


HANDLED: Final = _query("""
with asked as materialized (
  select conversation_id, min(created_at) as at, min(seq) as seq
  from messages
  where author = 'contact' and state not in ('refused', 'stopped') and created_at >= :start and created_at < :end
  group by conversation_id
), replied as materialized (
  select a.conversation_id, min(r.settled_at) as at,
    bool_or(r.author = 'employee') as by_employee, bool_or(r.author = 'agent') as by_agent
  from asked a
  join messages r on r.conversation_id = a.conversation_id and r.seq > a.seq
  where r.direction = 'outbound' and r.purpose = 'reply' and r.state = 'sent' and r.author in ('employee', 'agent')
    and r.created_at >= :start and r.created_at < :until
  group by a.conversation_id
), people as materialized (
  select distinct conversation_id from handoffs
  where state in ('waiting', 'owned', 'over') and created_at < :end and (ended_at is null or ended_at >= :start)
), handled as materialized (
  select width_bucket(a.at, :edges) as bar, c.employee_id, c.connection_id,
    cast(extract(epoch from r.at - a.at) as double precision) as waited,
    p.conversation_id is not null or coalesce(r.by_agent, false) as with_people,
    coalesce(r.by_employee, false) as by_employee
  from asked a
  join conversations c on c.id = a.conversation_id
  left join replied r on r.conversation_id = a.conversation_id
  left join people p on p.conversation_id = a.conversation_id
  where $who
)
select grouping(bar, employee_id, connection_id), bar, employee_id, connection_id,
  count(*), count(*) filter (where by_employee and not with_people), count(*) filter (where with_people),
  count(*) filter (where not by_employee and not with_people),
  $waited
from handled group by $sets
""")
HANDED_OFF: Final = _query("""$opened
select grouping(bar, employee_id, connection_id), bar, employee_id, connection_id, $counted
from opened group by $sets
""")
REASONS: Final = _query("""$opened
select cause, rule, target, $counted
from opened group by cause, rule, target order by count(*) desc, cause, rule, target
""")
RATED: Final = _query("""
with rated as materialized (
  select width_bucket(r.asked_at, :edges) as bar, c.employee_id, c.connection_id, r.score
  from ratings r
  join conversations c on c.id = r.conversation_id
  where r.asked_at >= :start and r.asked_at < :end
    and $who
)
select grouping(bar, employee_id, connection_id), bar, employee_id, connection_id,
  count(*), count(score), cast(avg(score) as double precision),
  count(*) filter (where score = 1), count(*) filter (where score = 2), count(*) filter (where score = 3),
  count(*) filter (where score = 4), count(*) filter (where score = 5)
from rated group by $sets
""")
