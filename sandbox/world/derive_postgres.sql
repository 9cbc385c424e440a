-- Rows that follow from other rows, made where those already are.
-- People log in to judge: from the same address, by the app, before about one judgment in twelve.
insert into login_events (login_event_id, contributor_id, ip, user_agent, created_at)
select
    (select max(login_event_id) from login_events) + judgment_id,
    contributor_id,
    ip,
    case when judgment_id % 60 > 0 then 'kepler-app/4.2' end,
    created_at
from judgments
where judgment_id % 12 = 0 and contributor_id is not null;
