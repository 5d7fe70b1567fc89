-- A message is kept as it was said. jsonb refuses some of what JSON allows (\u0000, half a surrogate pair, 1e999999), and a
-- message that cannot be written stops its pathway for good.
alter table journal alter column message type json using message::text::json;
alter table pathway alter column status type json using status::text::json;

-- Of a mail that was withdrawn while it was being sent: where that fails, it is not tried again.
alter table mail add column taken_back boolean not null default false;
