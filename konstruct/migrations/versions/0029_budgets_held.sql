-- What is held of a month is what its holds add up to, so a hold that nobody settles ends by itself. A month knows where
-- it begins and ends in the time zone that it was made with: what a call cost is of the month in which it began.
alter table budget_months drop column held, add column begins timestamptz not null, add column ends timestamptz not null;

-- Holds for a call what it may cost at most, or, where that does not fit into what is left, what is enough for nearly any;
-- or else all that is left, if that is `at_least`. Without a budget, `of_business` or `of_employee_alone` is null. `held` is
-- null where nothing was held; `rest` is what would be left if no other call were under way. Others' holds are waited out by
-- a patient caller, who is given less than enough only where waiting would not bring it.
create function hold_of_budget(
    of_tenant uuid, of_employee uuid, of_month date, since timestamptz, until timestamptz, of_business numeric,
    of_employee_alone numeric, at_least numeric, enough numeric, at_most numeric, is_patient boolean, hold uuid, lasts interval)
  returns table (held numeric, rest numeric)
  language plpgsql
  as $$
  declare
    scopes text[] := array['business', of_employee::text];
    room numeric;
  begin
    -- Before any row is locked: who settles has the lock, shared, when he comes to the rows.
    if (select count(*) from budget_months m where m.tenant_id = of_tenant and m.month = of_month
        and m.scope = any (scopes) and m.begins = since and m.ends = until) < 2 then
      perform pg_advisory_xact_lock(hashtextextended('budgets ' || of_tenant, 0));
      insert into budget_months (tenant_id, scope, month, begins, ends, spent)
        select of_tenant, s.scope, of_month, since, until, coalesce((select sum(u.cost) from usage u
            where u.tenant_id = of_tenant and u.created_at >= since and u.created_at < until
              and (s.scope = 'business' or u.employee_id = of_employee)), 0)
          from unnest(scopes) s(scope) order by s.scope -- As rows are locked everywhere: else two would wait for each other.
        on conflict (tenant_id, scope, month) do update
          set begins = excluded.begins, ends = excluded.ends, spent = excluded.spent
          where budget_months.begins <> excluded.begins or budget_months.ends <> excluded.ends;
    end if;
    perform 1 from budget_months m where m.tenant_id = of_tenant and m.month = of_month and m.scope = any (scopes)
      order by m.scope for update;
    select min(each.budget - m.spent), min(each.budget - m.spent - coalesce((select sum(h.amount) from budget_holds h
        where h.tenant_id = of_tenant and h.month = of_month and h.expires_at > clock_timestamp()
          and (m.scope = 'business' or h.employee_id = of_employee)), 0))
      into rest, room
      from budget_months m join (values ('business', of_business), (of_employee::text, of_employee_alone)) each (scope, budget)
        on each.scope = m.scope
      where m.tenant_id = of_tenant and m.month = of_month and each.budget is not null;
    if room >= at_most then
      held := at_most;
    elsif room >= enough then
      held := enough;
    elsif room >= at_least and (rest < enough or not is_patient) then
      held := room;
    end if;
    if held is not null then
      insert into budget_holds (tenant_id, id, employee_id, month, amount, created_at, expires_at)
        values (of_tenant, hold, of_employee, of_month, held, clock_timestamp(), clock_timestamp() + lasts);
    end if;
    return next;
  end
  $$;

-- Counts what calls have cost, in the transaction that records them, and lets go of what was held for them. Gives the
-- months that it counted in, as they are then. Where no budget was ever asked in a month there is nothing to count.
create function settle_budgets(of_tenant uuid, of_employee uuid, happened timestamptz[], costs numeric[], holds uuid[])
  returns table (scope text, month date, spent numeric)
  language plpgsql
  as $$
  begin
    perform pg_advisory_xact_lock_shared(hashtextextended('budgets ' || of_tenant, 0));
    perform 1 from budget_months m
      where m.tenant_id = of_tenant and m.scope in ('business', of_employee::text) and m.ends > (select min(t) from unnest(happened) t)
      order by m.scope, m.month for update;
    delete from budget_holds h where h.tenant_id = of_tenant and (h.id = any (holds) or h.expires_at < now() - interval '1 day');
    return query
      update budget_months m set spent = m.spent + paid.cost
      from (
        select n.scope, n.month, sum(call.cost::numeric(20, 10)) as cost
        from budget_months n join unnest(happened, costs) call (at, cost) on call.at >= n.begins and call.at < n.ends
        where n.tenant_id = of_tenant and n.scope in ('business', of_employee::text) group by n.scope, n.month
      ) paid
      where m.tenant_id = of_tenant and m.scope = paid.scope and m.month = paid.month
      returning m.scope, m.month, m.spent;
  end
  $$;

revoke all on function hold_of_budget(uuid, uuid, date, timestamptz, timestamptz, numeric, numeric, numeric, numeric, numeric,
  boolean, uuid, interval) from public;
revoke all on function settle_budgets(uuid, uuid, timestamptz[], numeric[], uuid[]) from public;
grant execute on function hold_of_budget(uuid, uuid, date, timestamptz, timestamptz, numeric, numeric, numeric, numeric, numeric,
  boolean, uuid, interval) to konstruct_app;
grant execute on function settle_budgets(uuid, uuid, timestamptz[], numeric[], uuid[]) to konstruct_app;
